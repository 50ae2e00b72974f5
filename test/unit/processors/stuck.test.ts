import { DatabaseSync } from "@photostructure/sqlite"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Runner } from "../../../src/processors/Runner.js"
import { makeStanding } from "../../../src/processors/Standing.js"
import { databaseFile } from "../../../src/readmodels/embedded/Tables.js"
import { until } from "../../support/until.js"
import { Bench, counting, run } from "./support.js"

let bench: Bench
beforeEach(async () => {
  bench = await new Bench().open()
})
afterEach(() => bench.close())

const append = (count: number) => {
  const at = Date.now()
  return bench.append(
    Array.from({ length: count }, () => ({
      ...{ type: "pageview", at, recordedAt: at },
      data: { merchantId: "m" },
    })),
  )
}

const positionOf = async (build: string) =>
  (await run(bench.processors.progress)).find((one) => one.build === build)?.position

const foldedUnwritten = () => new Promise((resolve) => setTimeout(resolve, 1_000))

/** Somebody has the file of a build open, and lets nobody write. */
const locked = async (build: string, use: () => Promise<void>): Promise<void> => {
  const file = new DatabaseSync(databaseFile(bench.directory, build))
  file.exec("BEGIN IMMEDIATE")
  try {
    await use()
  } finally {
    file.close()
  }
}

describe("while a build can't be written", () => {
  it("a command is answered: it is recorded, and carried out as soon as it can be", {
    timeout: 60_000,
  }, async () => {
    await bench.start([counting("a"), counting("b")], { lookEveryMs: 20, carryOutMs: 500 })
    await bench.caughtUp(await append(10))
    await locked("a-1", async () => {
      await append(10)
      await foldedUnwritten()
      const answer = await bench.command({ _tag: "Pause", projection: "b" }, "ann")
      expect(Either.isLeft(answer) && answer.left).toMatchObject({
        code: "NOT_CARRIED_OUT_YET",
        message: expect.stringContaining("Pause b is recorded, and not carried out yet"),
      })
      const [b] = (await run(bench.readModels.registered)).filter(({ projection }) => projection === "b")
      expect(b?.paused?.by).toBe("ann")
    })
    const after = await append(10)
    await until("a goes on", 20_000, async () => (await positionOf("a-1")) === after)
    await until("b stands still", 20_000, async () => (await positionOf("b-1")) === undefined)
    await bench.done({ _tag: "Resume", projection: "b" }, "ann")
    await bench.caughtUp(after)
    const [doc] = await run(bench.readModels.load("b-1", [{ collection: "counts", key: "m" }]))
    expect(doc).toEqual({ n: 30 })
  })

  it("two builds are not compared, which is said in time", { timeout: 60_000 }, async () => {
    await bench.start([counting("a")], { lookEveryMs: 20 })
    await bench.caughtUp(await append(10))
    await bench.done({ _tag: "Rebuild", projection: "a", promote: false }, "ann")
    await until("it is level", 20_000, async () => (await positionOf("a-2")) === (await positionOf("a-1")))
    const progress = await run(bench.processors.progress)
    const newest = new Map(progress.map((one) => [one.build, one]))
    let letGo = 0
    const runner: Runner = {
      ...{ start: () => Effect.void, stop: () => Effect.void, retry: () => Effect.void },
      ...{ drop: () => Effect.void, progress: Effect.succeed(progress), changes: Stream.empty },
      hold: () => Effect.as(Effect.uninterruptible(Effect.sleep("40 seconds")), undefined),
      letGo: () => Effect.sync(() => letGo++),
    }
    const { log, readModels } = bench
    const standing = makeStanding({
      ...{ log, readModels, runner, running: newest, newest, isDeployed: () => true },
    })
    const began = performance.now()
    const answer = await run(Effect.either(Effect.scoped(standing.holdLevel("a-1", "a-2"))))
    expect(Either.isLeft(answer) && answer.left).toMatchObject({ code: "NOT_READY" })
    expect(performance.now() - began).toBeLessThan(15_000)
    expect(letGo).toBe(2)
  })
})
