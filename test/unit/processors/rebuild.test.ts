import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { compare, start } from "../../../src/domain/Position.js"
import type { Command } from "../../../src/processors/Commands.js"
import type { Projection } from "../../../src/processors/Projection.js"
import { databaseFile } from "../../../src/readmodels/embedded/Tables.js"
import { until } from "../../support/until.js"
import { Bench, run } from "./support.js"

const now = Date.parse("2026-11-21T12:00:00Z")

/** Counts events of each merchant; `by` stands for what the version of the code does. */
const counting = (version: number, by = version): Projection => ({
  name: "counting",
  version,
  collections: ["counts"],
  apply: ({ event }, docs) => {
    if (event.type === "poison") throw new Error(`no antidote in version ${version}`)
    docs.edit("counts", event.data.merchantId, () => ({ count: 0 })).count += by
  },
})

const quick = { lookEveryMs: 20, graceMs: 0 }

describe("builds side by side", () => {
  let bench: Bench
  let sent = 0
  beforeEach(async () => {
    bench = await new Bench().open()
    sent = 0
  })
  afterEach(() => bench.close())

  const append = (count: number, type = "pageview") =>
    bench.append(
      Array.from({ length: count }, () => ({
        type,
        at: now,
        recordedAt: now + sent++,
        data: { merchantId: "m" },
      })),
    )
  const command = (it: Command, by = "ann") => bench.command(it, by)
  const done = (it: Command, by = "ann") => bench.done(it, by)
  const refusal = (it: Command, by = "ann") => bench.refusal(it, by)
  const rebuild: Command = { _tag: "Rebuild", projection: "counting", promote: false }
  const promote = (build: string, expectedServing: string, force = false): Command => ({
    ...{ _tag: "Promote", projection: "counting", build, expectedServing, force },
  })
  const rollback = (expectedServing: string, force = false): Command => ({
    ...{ _tag: "Rollback", projection: "counting", expectedServing, force },
  })
  const states = async () => (await run(bench.readModels.builds)).map(({ id, state }) => `${id} ${state}`)
  const countIn = async (build: string) => {
    const [doc] = await run(bench.readModels.load(build, [{ collection: "counts", key: "m" }]))
    return (doc as { readonly count: number } | undefined)?.count
  }
  const untilIs = (what: string, ...expected: ReadonlyArray<string>) =>
    until(what, 10_000, async () => JSON.stringify(await states()) === JSON.stringify(expected))

  it("rebuilds beside the serving build, promotes when level, keeps the old one up to date and rolls back to it", async () => {
    await append(20)
    await bench.start([counting(1)], quick)
    await done(rebuild)
    expect(await states()).toEqual(["counting-1 SERVING", "counting-2 BUILDING"])
    await bench.caughtUp(await append(5))
    expect(await countIn("counting-2")).toBe(25)
    await done(promote("counting-2", "counting-1"), "bert")
    expect(await states()).toEqual(["counting-1 STANDBY", "counting-2 SERVING"])
    await bench.caughtUp(await append(5))
    expect([await countIn("counting-1"), await countIn("counting-2")]).toEqual([30, 30])
    await done(rollback("counting-2"))
    expect(await states()).toEqual(["counting-1 SERVING", "counting-2 STANDBY"])
    await done(rollback("counting-1"))
    expect(await states()).toEqual(["counting-1 STANDBY", "counting-2 SERVING"])
  })

  it("carries out one of two switches at once; the other gets a conflict that names the first", async () => {
    await append(3)
    await bench.start([counting(1)], quick)
    await done(rebuild)
    await bench.caughtUp(await run(bench.log.head))
    const both = await Promise.all([
      command(promote("counting-2", "counting-1"), "ann"),
      command(promote("counting-2", "counting-1"), "bert"),
    ])
    const refused = both.filter(Either.isLeft)
    expect(refused).toHaveLength(1)
    const first = Either.isLeft(both[0] as (typeof both)[0]) ? "bert" : "ann"
    expect(refused[0]?.left).toMatchObject({ code: "CONFLICT" })
    expect(refused[0]?.left.message).toContain(`counting-2 serves (${first} promoted counting-2 at `)
    expect(await refusal(rollback("counting-1"), "carl")).toMatchObject({ code: "CONFLICT" })
    expect((await refusal(rebuild)).code).toBe("none")
    expect((await refusal(rebuild)).message).toContain("(ann began to rebuild counting at ")
  })

  it("switches where the build that takes over holds all that the serving one has answered from", async () => {
    await append(20)
    await bench.start([counting(1)], quick)
    await done(rebuild)
    await bench.caughtUp(await run(bench.log.head))
    const store = bench.readModels as {
      -readonly [K in "commit" | "register"]: (typeof bench.readModels)[K]
    }
    const { commit, register } = store
    store.commit = (build, ...batch) =>
      build === "counting-2"
        ? Effect.zipRight(Effect.sleep("400 millis"), commit(build, ...batch))
        : commit(build, ...batch)
    // Just before the switch is written, events come, and the serving build has some time to fold them.
    let atSwitch: ReadonlyArray<number | undefined> = []
    store.register = (next) =>
      Effect.gen(function* () {
        if (next.last?.what !== "promoted counting-2") return yield* register(next)
        yield* Effect.promise(() => append(5))
        yield* Effect.sleep("300 millis")
        atSwitch = yield* Effect.promise(() => Promise.all([countIn("counting-1"), countIn("counting-2")]))
        return yield* register(next)
      })
    await done(promote("counting-2", "counting-1"))
    expect(atSwitch).toEqual([20, 20])
    await bench.caughtUp(await run(bench.log.head))
    expect([await countIn("counting-1"), await countIn("counting-2")]).toEqual([25, 25])
  })

  it("takes a build of which only some partitions are written, as by one lane of two, for one that is behind", async () => {
    const head = await append(20)
    await bench.start([counting(1)], quick)
    await done(rebuild)
    const build = (await run(bench.readModels.builds)).find(({ id }) => id === "counting-2")
    if (build === undefined) throw new Error("no counting-2")
    await done({ _tag: "Pause", projection: "counting" })
    await run(bench.readModels.dropBuild(build.id))
    await run(bench.readModels.saveBuild(build))
    await run(bench.readModels.commit(build.id, [], new Map([[3, { position: head, recordedAt: now }]])))
    const refused = await refusal(promote("counting-2", "counting-1"))
    expect(refused).toMatchObject({ code: "NOT_READY" })
    expect(refused.message).toContain(`it stands still at ${start}`)
    await done({ _tag: "Resume", projection: "counting" })
    await bench.caughtUp(head)
    expect(await countIn("counting-2")).toBe(20)
    await done(promote("counting-2", "counting-1"))
  })

  it("says of every command that can't be carried out why", async () => {
    await append(1)
    await bench.start([counting(1)], quick)
    const of = async (it: Command) => (await refusal(it)).code
    expect(await of({ _tag: "Pause", projection: "nothing" })).toBe("PROJECTION_UNKNOWN")
    expect(await of({ _tag: "Cancel", projection: "counting" })).toBe("NOT_BUILDING")
    expect(await of({ _tag: "Resume", projection: "counting" })).toBe("NOT_PAUSED")
    expect(await of(promote("counting-7", "counting-1"))).toBe("BUILD_UNKNOWN")
    expect(await of(promote("counting-1", "counting-1"))).toBe("CONFLICT")
    expect((await refusal(promote("counting-1", "counting-1"))).message).toContain(
      "counting-1 serves already",
    )
    expect(await of(rollback("counting-1"))).toBe("NOTHING_TO_ROLL_BACK_TO")
    expect(await of({ _tag: "Drop", projection: "counting", build: "counting-1" })).toBe("BUILD_SERVES")
    expect(await of({ _tag: "Drop", projection: "counting", build: "counting-9" })).toBe("BUILD_UNKNOWN")
    await done({ _tag: "Pause", projection: "counting" })
    expect(await of({ _tag: "Pause", projection: "counting" })).toBe("CONFLICT")
    expect(await of(rebuild)).toBe("PAUSED")
  })

  it("leaves nothing of a cancelled rebuild behind, and never uses its number again", async () => {
    await append(50)
    await bench.start([counting(1)], quick)
    await done(rebuild)
    await bench.caughtUp(await run(bench.log.head))
    const file = databaseFile(bench.directory, "counting-2")
    expect(existsSync(file)).toBe(true)
    await done({ _tag: "Cancel", projection: "counting" })
    expect(await states()).toEqual(["counting-1 SERVING"])
    await until("no file", 5_000, () => ["", "-wal", "-shm"].every((end) => !existsSync(file + end)))
    expect(await run(bench.readModels.registered)).toMatchObject([
      { builds: [{ id: "counting-1" }], numbered: 2 },
    ])
    expect((await run(bench.processors.progress)).map(({ build }) => build)).toEqual(["counting-1"])
    await done(rebuild)
    expect(await states()).toEqual(["counting-1 SERVING", "counting-3 BUILDING"])
  })

  it("finishes clearing up after a restart what a cancelled rebuild left", async () => {
    await append(50)
    await bench.start([counting(1)], { lookEveryMs: 20, graceMs: 60_000 })
    await done(rebuild)
    await bench.caughtUp(await run(bench.log.head))
    await done(promote("counting-2", "counting-1"))
    await done({ _tag: "Drop", projection: "counting", build: "counting-1" })
    const file = databaseFile(bench.directory, "counting-1")
    // Questions that began before may read on for a while.
    expect(existsSync(file)).toBe(true)
    expect(await states()).toEqual(["counting-2 SERVING"])
    await bench.stop()
    await bench.start([counting(1)], quick)
    await until("no file", 5_000, () => !existsSync(file))
  })

  it("resets: builds anew, and lets it serve by itself when it is level", async () => {
    await append(30)
    await bench.start([counting(1)], quick)
    await done({ _tag: "Rebuild", projection: "counting", promote: true })
    await untilIs("the new one serves", "counting-1 STANDBY", "counting-2 SERVING")
    expect(await countIn("counting-2")).toBe(30)
  })

  it("stays paused over a restart, folds nothing, and goes on where it was", async () => {
    await bench.start([counting(1)], quick)
    await bench.caughtUp(await append(10))
    await done({ _tag: "Pause", projection: "counting" }, "bert")
    await append(10)
    expect(await run(bench.processors.progress)).toEqual([])
    await bench.stop()
    await bench.start([counting(1)], quick)
    const looked = Date.now() + 200
    await until("a while", 1_000, () => Date.now() > looked)
    expect(await countIn("counting-1")).toBe(10)
    expect(await run(bench.readModels.registered)).toMatchObject([{ paused: { by: "bert" } }])
    await done({ _tag: "Resume", projection: "counting" })
    await bench.caughtUp(await run(bench.log.head))
    expect(await countIn("counting-1")).toBe(20)
  })

  it("builds a changed definition beside the old one, which serves until that is level and then is frozen", async () => {
    await append(30)
    await bench.start([counting(1)], quick)
    await bench.caughtUp(await run(bench.log.head))
    await bench.stop()
    await append(5)
    await bench.start([counting(2)], quick)
    await untilIs("the new one serves", "counting-1 STANDBY", "counting-2 SERVING")
    await bench.caughtUp(await run(bench.log.head))
    expect([await countIn("counting-1"), await countIn("counting-2")]).toEqual([30, 70])
    const refused = await refusal(rollback("counting-2"))
    expect(refused.code).toBe("NOT_READY")
    expect(refused.message).toContain("it is frozen at 30, as this program has no code of counting@1")
    await done(rollback("counting-2", true))
    expect(await states()).toEqual(["counting-1 SERVING", "counting-2 STANDBY"])
    await bench.stop()
    // It was asked for: a restart does not take it back.
    await bench.start([counting(2)], quick)
    expect(await states()).toEqual(["counting-1 SERVING", "counting-2 STANDBY"])
  })

  it("rolls back to a frozen build by force alone, also while no event has come since", async () => {
    await append(3)
    await bench.start([counting(1)], quick)
    await bench.caughtUp(await run(bench.log.head))
    await bench.stop()
    await bench.start([counting(2)], quick)
    await untilIs("the new one serves", "counting-1 STANDBY", "counting-2 SERVING")
    expect((await refusal(rollback("counting-2"))).message).toContain("it is frozen at 3")
    await done(rollback("counting-2", true))
  })

  it("folds several definitions of one projection at a time", async () => {
    await append(10)
    await bench.start([counting(1), counting(2)], quick)
    await done(rebuild)
    await bench.caughtUp(await append(2))
    expect((await run(bench.readModels.builds)).map(({ definition }) => definition)).toEqual([
      "counting@2",
      "counting@2",
    ])
    await done({ _tag: "Cancel", projection: "counting" })
    await bench.stop()
    await bench.start([counting(3), counting(2)], quick)
    await done(rebuild)
    await done(promote("counting-3", "counting-1", true))
    await bench.caughtUp(await append(2))
    expect([await countIn("counting-1"), await countIn("counting-3")]).toEqual([28, 42])
  })

  it("drops the build that was replaced when it has stood by long enough", async () => {
    await append(5)
    await bench.start([counting(1)], { ...quick, standbyForMs: 300 })
    await done({ _tag: "Rebuild", projection: "counting", promote: true })
    await untilIs("the old one has gone", "counting-2 SERVING")
    expect(existsSync(databaseFile(bench.directory, "counting-1"))).toBe(false)
  })

  it("fails a rebuild at an event that can't be folded, says which, and the serving build is as it was", async () => {
    await bench.start([counting(1)], quick)
    await bench.caughtUp(await append(5))
    await done({ _tag: "Pause", projection: "counting" })
    await append(1, "poison")
    await done({ _tag: "Resume", projection: "counting" })
    await done(rebuild)
    await untilIs("it has failed", "counting-1 SERVING", "counting-2 FAILED")
    const [, failed] = await run(bench.readModels.builds)
    expect(failed?.failure).toContain("no antidote in version 1")
    expect(await countIn("counting-1")).toBe(5)
    expect((await refusal(promote("counting-2", "counting-1", true))).code).toBe("BUILD_FAILED")
    await done({ _tag: "Cancel", projection: "counting" })
    expect(await states()).toEqual(["counting-1 SERVING"])
  })

  it("holds two builds at one position, with everything up to there written, while events arrive", async () => {
    await append(200)
    await bench.start([counting(1)], quick)
    await done(rebuild)
    await bench.caughtUp(await run(bench.log.head))
    let isOver = false
    const arriving = (async () => {
      while (!isOver) await append(3)
    })()
    for (let round = 0; round < 5; round++) {
      await run(
        Effect.scoped(
          Effect.gen(function* () {
            const at = yield* bench.processors.holdLevel("counting-1", "counting-2")
            for (const build of ["counting-1", "counting-2"]) {
              for (const { position } of (yield* bench.readModels.checkpoints(build)).values()) {
                expect(compare(position, at)).toBe(0)
              }
              const [doc] = yield* bench.readModels.load(build, [{ collection: "counts", key: "m" }])
              expect(doc).toEqual({ count: Number(at) })
            }
          }),
        ),
      )
    }
    isOver = true
    await arriving
    await bench.caughtUp(await run(bench.log.head))
    expect(await countIn("counting-2")).toBe(sent)
  })
})
