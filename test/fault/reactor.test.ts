import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { PlantedProgram } from "../support/PlantedProgram.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

/** Writes a line for each page view; `acted` is its file. */
const GREETER = `
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
const file = join(process.env.TIDEMARK_DATA_DIR, "acted")
export const reactors = [{
  name: "greeter", version: 1, collections: ["visits"],
  decide: ({ event }, docs) => {
    if (event.type !== "pageview") return []
    const visits = docs.edit("visits", event.data.merchantId, () => ({ n: 0 }))
    visits.n++
    return [{ id: event.data.id, n: visits.n }]
  },
  act: ({ what }) => Effect.sync(() => appendFileSync(file, JSON.stringify(what) + "\\n")),
}]
`

const program = new PlantedProgram()
const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path, {}, [], program.root)
afterAll(async () => {
  await tidemark.kill()
  directory.remove()
  program.remove()
})

let made = 0
const send = async (count: number) => {
  const events = Array.from({ length: count }, () => ({
    ...{ id: `e-${made++}`, type: "pageview", merchantId: "m", url: "/" },
  }))
  expect((await tidemark.send(events)).status).toBe(202)
}
const acted = (): ReadonlyArray<{ readonly id: string; readonly n: number }> => {
  try {
    return readFileSync(join(directory.path, "acted"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
  } catch {
    return []
  }
}
const untilActed = (count: number) => until(`${count} acts`, 30_000, () => acted().length >= count)
const command = async (mutation: string) => {
  const { done } = await tidemark.graphql(`mutation { done: ${mutation} { userErrors { code message } } }`)
  expect(done.userErrors).toEqual([])
}
const untilReady = () =>
  until("READY", 30_000, async () => {
    const { projection } = await tidemark.graphql('{ projection(name: "greeter") { building { state } } }')
    return projection.building?.state === "READY"
  })

const untilLevel = () =>
  until("all builds are level", 30_000, async () => {
    const { projection } = await tidemark.graphql('{ projection(name: "greeter") { builds { lagMs } } }')
    return projection.builds.every(({ lagMs }: { lagMs: number }) => lagMs === 0)
  })

describe("a reactor in the running program", () => {
  it("acts on nothing that was there before it, and once for each event after, through rebuilds, switches and restarts", {
    timeout: 180_000,
  }, async () => {
    await tidemark.start()
    await send(200)
    await tidemark.stop()
    program.plant("reactors/index.js", () => GREETER)
    await tidemark.start()
    await send(100)
    await untilActed(100)
    await command('rebuildProjection(name: "greeter")')
    await send(100)
    await untilReady()
    await command('promoteProjection(name: "greeter", build: "greeter-2", expectedServing: "greeter-1")')
    await send(100)
    await untilActed(300)
    await tidemark.kill()
    await tidemark.start()
    await send(100)
    await untilActed(400)
    await untilLevel()
    await command('rollbackProjection(name: "greeter", expectedServing: "greeter-2")')
    await send(100)
    await untilActed(500)
    await tidemark.stop()
    // In order, as one builds on another's state.
    expect(acted()).toEqual(Array.from({ length: 500 }, (_, i) => ({ id: `e-${200 + i}`, n: 201 + i })))
  })
})
