import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import * as definedProjection from "../../../src/projections/DefinedProjection.js"
import { compileBeside, root, runModule } from "../../support/compileBeside.js"
import { given } from "../../support/given.js"

/** The snippets of the page by what the comment before each says. */
const snippets = (): Record<string, string> => {
  const page = readFileSync(join(root, "docs", "new-projection.md"), "utf8")
  const found = [...page.matchAll(/<!-- (\S+) -->\n```ts\n(.*?)```/gs)]
  return Object.fromEntries(found.map(([, name, text]) => [name ?? "", text ?? ""]))
}

describe("docs/new-projection.md", () => {
  const { read = "", ...files } = snippets()

  it("has snippets that compile where they say that they stand", () => {
    expect(Object.keys(files)).toEqual([
      "test/unit/projections/refundRate.test.ts",
      "src/projections/refundRate.ts",
    ])
    expect(compileBeside({ ...files, "test/unit/projections/rates.ts": read })).toEqual([])
  })

  it("builds a projection that passes the test of the page", () => {
    const made = runModule(files["src/projections/refundRate.ts"] ?? "", {
      "./DefinedProjection.js": definedProjection,
    })
    const ran: Array<string> = []
    runModule(files["test/unit/projections/refundRate.test.ts"] ?? "", {
      vitest: {
        describe: (_: string, body: () => void) => body(),
        it: (name: string, body: () => void) => {
          body()
          ran.push(name)
        },
      },
      "../../../src/projections/refundRate.js": made,
      "../../support/given.js": { given },
    })
    expect(ran).toEqual(["has payments and refunds of each day and currency"])
  })
})
