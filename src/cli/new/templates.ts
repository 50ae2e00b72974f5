/** What `tidemark new projection` writes. `docs/new-projection.md` goes on from here. */
const typeName = (name: string): string => `${name.slice(0, 1).toUpperCase()}${name.slice(1)}Day`

export const projectionFile = (
  name: string,
): string => `import { dayOf, defineProjection, table } from "./DefinedProjection.js"

/** What is kept of each merchant's day. */
export interface ${typeName(name)} {
  events: number
}

export const ${name} = defineProjection({
  name: "${name}",
  // Raise it with every change that gives other rows: they are folded anew then.
  version: 1,
  source: import.meta.url,
  tables: {
    days: table((): ${typeName(name)} => ({ events: 0 })),
  },
  fold: (event, { days }) => {
    days.edit(dayOf(event.at)).events++
  },
})
`

export const testFile = (name: string): string => `import { describe, it } from "vitest"
import { ${name} } from "../../../src/projections/${name}.js"
import { given as givenTo } from "../../support/given.js"

const given = givenTo(${name})

describe("${name}", () => {
  it("counts the events of a day", () => {
    given(
      { type: "pageview", at: "2026-03-01T10:00:00Z" },
      { type: "payment", at: "2026-03-01T11:00:00Z", amount: 1250, currency: "USD" },
      { type: "pageview", at: "2026-03-02T00:00:00Z" },
    ).expect({
      days: { "m-1/2026-03-01": { events: 2 }, "m-1/2026-03-02": { events: 1 } },
    })
  })
})
`

const importOf = /^import \{ \w+ \} from "\.\/(\w+)\.js"$/

/** `src/projections/index.ts` with one projection more; undefined when it does not look as it should. */
export const registered = (index: string, name: string): string | undefined => {
  const lines = index.split("\n")
  const own = `import { ${name} } from "./${name}.js"`
  const imports = lines.flatMap((line, at) => {
    const path = importOf.exec(line)?.[1]
    return path === undefined ? [] : [{ path, at }]
  })
  const last = imports.at(-1)
  if (last === undefined) return undefined
  const before = imports.find(({ path }) => path > name)
  lines.splice(before?.at ?? last.at + 1, 0, own)
  const list = /^(export const projections: ReadonlyArray<Projection> = \[[^\]]*)\]$/m
  const text = lines.join("\n")
  if (!list.test(text)) return undefined
  return text.replace(list, (_, all: string) => {
    const before = all.trimEnd().replace(/,$/, "")
    // A formatter puts each name of a long list on a line of its own, the last with a comma.
    return before.includes("\n") ? `${before},\n  ${name},\n]` : `${before}, ${name}]`
  })
}
