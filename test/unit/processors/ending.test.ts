import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { makeFoldRunner } from "../../../src/processors/FoldRunner.js"
import { makeMemoryReadModels } from "../../../src/readmodels/MemoryReadModels.js"
import {
  type Build,
  type ReadModelsService,
  ReadModelsUnavailable,
} from "../../../src/readmodels/ReadModels.js"
import { until } from "../../support/until.js"
import { Bench, counting, run } from "./support.js"

let bench: Bench
beforeEach(async () => {
  bench = await new Bench().open()
})
afterEach(() => bench.close())

const append = (from: number, count: number) => {
  const at = Date.now()
  return bench.append(
    Array.from({ length: count }, (_, i) => ({
      ...{ type: "pageview", at, recordedAt: at },
      data: { merchantId: `m-${i % 10}`, id: `e-${from + i}` },
    })),
  )
}

const buildOf = (name: string): Build => ({
  ...{ id: `${name}-1`, projection: name, definition: `${name}@1`, state: "SERVING" },
})

/** A store of which some builds can't be written, or only slowly. */
const makeStore = () => {
  const readModels = makeMemoryReadModels({ synchronous: true })
  const refused = new Set<string>()
  const store = { refused, attempts: 0, delayMs: 0 }
  const service: ReadModelsService = {
    ...readModels,
    commit: (build, puts, checkpoints) =>
      Effect.suspend(() => {
        store.attempts++
        const written = refused.has(build)
          ? new ReadModelsUnavailable({ reason: "it is full" })
          : readModels.commit(build, puts, checkpoints)
        return store.delayMs > 0 ? Effect.delay(written, store.delayMs) : written
      }),
  }
  const counted = async (build: string): Promise<number> => {
    const { rows } = await run(readModels.query(build, 0, [{ collection: "counts", from: "", to: "\uffff" }]))
    return (rows[0] ?? []).reduce((sum, { doc }) => sum + (doc as { n: number }).n, 0)
  }
  return Object.assign(store, { service, counted })
}

const begin = async (store: ReturnType<typeof makeStore>, names: ReadonlyArray<string>) => {
  const scope = Effect.runSync(Scope.make())
  const options = { log: bench.log, readModels: store.service, projections: names.map(counting) }
  const runner = await run(makeFoldRunner(options).pipe(Scope.extend(scope)))
  await run(runner.start(names.map(buildOf), "live"))
  const at = async () => (await run(runner.progress)).map(({ position }) => position)
  const isAt = async (position: string) => (await at()).every((one) => one === position)
  return { runner, at, isAt, end: () => run(Scope.close(scope, Exit.void)) }
}

describe("folding that ends while a build can't be written", () => {
  it("writes the others, takes no time for it, and goes on where it was", { timeout: 60_000 }, async () => {
    const store = makeStore()
    const names = ["a", "b", "c"]
    const first = await begin(store, names)
    const before = await append(0, 100)
    await until("all is folded", 20_000, () => first.isAt(before))
    store.refused.add("b-1")
    store.attempts = 0
    const after = await append(100, 100)
    await until("it was tried again", 20_000, () => store.attempts > 2)
    const began = performance.now()
    await first.end()
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(await Promise.all(names.map((name) => store.counted(`${name}-1`)))).toEqual([200, 100, 200])
    store.refused.clear()
    const second = await begin(store, names)
    await until("all is folded", 20_000, () => second.isAt(after))
    await second.end()
    expect(await Promise.all(names.map((name) => store.counted(`${name}-1`)))).toEqual([200, 200, 200])
  })

  it("does not stand still for who gave up waiting for that", { timeout: 60_000 }, async () => {
    const store = makeStore()
    const { runner, isAt, end } = await begin(store, ["a"])
    const before = await append(0, 100)
    await until("all is folded", 20_000, () => isAt(before))
    store.refused.add("a-1")
    store.attempts = 0
    await append(100, 100)
    await until("it was tried again", 20_000, () => store.attempts > 1)
    const holding = Effect.runFork(runner.hold("a-1", before))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await run(runner.letGo("a-1"))
    store.refused.clear()
    await run(Fiber.await(holding))
    const after = await append(200, 50)
    await until("it goes on", 20_000, () => isAt(after))
    // Nor for who was interrupted in the middle of it.
    store.delayMs = 300
    await append(250, 10)
    const interrupted = Effect.runFork(runner.hold("a-1", before))
    await new Promise((resolve) => setTimeout(resolve, 100))
    await run(runner.letGo("a-1"))
    await run(Fiber.interrupt(interrupted))
    store.delayMs = 0
    const last = await append(260, 10)
    await until("it goes on again", 20_000, () => isAt(last))
    await end()
    expect(await store.counted("a-1")).toBe(270)
  })
})
