import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { partitionOf } from "../../../src/domain/Partition.js"
import { compare, start } from "../../../src/domain/Position.js"
import type { Command } from "../../../src/processors/Commands.js"
import { toCancel } from "../../../src/processors/MerchantBuilds.js"
import { merchantLog } from "../../../src/processors/MerchantLog.js"
import type { Projection } from "../../../src/processors/Projection.js"
import type { Build } from "../../../src/readmodels/ReadModels.js"
import { servingIn } from "../../../src/readmodels/Registry.js"
import { until } from "../../support/until.js"
import { Bench, run } from "./support.js"

const now = Date.parse("2026-11-21T12:00:00Z")

/** Counts events of each merchant; `by` stands for what the version of the code does. */
const counting = (version: number): Projection => ({
  name: "counting",
  version,
  collections: ["counts"],
  isByMerchant: true,
  apply: ({ event }, docs) => {
    if (event.type === "poison") throw new Error(`no antidote in version ${version}`)
    docs.edit("counts", event.data.merchantId, () => ({ count: 0 })).count += version
  },
})
const both = [counting(2), counting(1)]
const quick = { lookEveryMs: 20, graceMs: 0 }

describe("a rebuild of one merchant", () => {
  let bench: Bench
  let sent = 0
  beforeEach(async () => {
    bench = await new Bench().open()
    sent = 0
  })
  afterEach(() => bench.close())

  const append = (count: number, merchantId: string, type = "pageview") =>
    bench.append(
      Array.from({ length: count }, () => ({
        ...{ type, at: now, recordedAt: now + sent++ },
        data: { merchantId },
      })),
    )
  const done = (it: Command, by = "ann") => bench.done(it, by)
  const refusal = (it: Command) => bench.refusal(it, "ann")
  const rebuild = (merchantId?: string): Command => ({
    ...{ _tag: "Rebuild", projection: "counting", promote: false, merchantId },
  })
  const promote = (build: string, expectedServing: string, force = false): Command => ({
    ...{ _tag: "Promote", projection: "counting", build, expectedServing, force },
  })
  const rollback = (expectedServing: string): Command => ({
    ...{ _tag: "Rollback", projection: "counting", expectedServing, force: false },
  })
  const cancel: Command = { _tag: "Cancel", projection: "counting" }
  const drop = (build: string): Command => ({ _tag: "Drop", projection: "counting", build })
  const builds = () => run(bench.readModels.builds)
  const states = async () =>
    (await builds()).map(({ id, state, merchantId }) =>
      [id, state, ...(merchantId === undefined ? [] : [merchantId])].join(" "),
    )
  const untilIs = (what: string, ...expected: ReadonlyArray<string>) =>
    until(what, 10_000, async () => JSON.stringify(await states()) === JSON.stringify(expected))
  const servingOf = async (merchantId?: string) => servingIn(await builds(), "counting", merchantId)?.id
  const countIn = async (build: string, merchantId: string) => {
    const [doc] = await run(bench.readModels.load(build, [{ collection: "counts", key: merchantId }]))
    return (doc as { readonly count: number } | undefined)?.count
  }
  /** A build of all by version 1, and the program with both versions. */
  const begin = async () => {
    await bench.start([counting(1)], quick)
    await bench.caughtUp(await run(bench.log.head))
    await bench.stop()
    await bench.start(both, quick)
  }

  it("folds that merchant alone, answers for it alone once promoted, and is taken back at once", async () => {
    await append(20, "m-1")
    await append(10, "m-2")
    await begin()
    await done(rebuild("m-1"))
    expect(await states()).toEqual(["counting-1 SERVING", "counting-2 BUILDING m-1"])
    await bench.caughtUp(await append(5, "m-2"))
    await bench.caughtUp(await append(5, "m-1"))
    expect([await countIn("counting-2", "m-1"), await countIn("counting-2", "m-2")]).toEqual([50, undefined])
    expect(await servingOf("m-1")).toBe("counting-1")
    await done(promote("counting-2", "counting-1"), "bert")
    expect([await servingOf(), await servingOf("m-1"), await servingOf("m-2")]).toEqual([
      ...["counting-1", "counting-2", "counting-1"],
    ])
    // Both go on.
    await bench.caughtUp(await append(1, "m-1"))
    expect([await countIn("counting-1", "m-1"), await countIn("counting-2", "m-1")]).toEqual([26, 52])
    expect((await refusal(drop("counting-2"))).code).toBe("BUILD_SERVES")
    expect((await refusal(promote("counting-2", "counting-1"))).message).toContain(
      "counting-2 serves m-1 (bert promoted counting-2 at ",
    )
    await done(rollback("counting-2"))
    expect(await servingOf("m-1")).toBe("counting-1")
    expect(await states()).toEqual(["counting-1 SERVING", "counting-2 STANDBY m-1"])
    expect((await refusal(rollback("counting-2"))).code).toBe("CONFLICT")
    await done(promote("counting-2", "counting-1"))
    expect(await servingOf("m-1")).toBe("counting-2")
  })

  it("is level with the build of all also when nothing is recorded in its partition, and after a restart", async () => {
    const other = ["m-2", "m-3"].find((one) => partitionOf(one) !== partitionOf("m-1")) ?? ""
    await append(3, "m-1")
    await append(50, other)
    await begin()
    await done(rebuild("m-1"))
    await bench.caughtUp(await run(bench.log.head))
    await bench.caughtUp(await append(3, other))
    await done(promote("counting-2", "counting-1"))
    await bench.stop()
    await append(3, other)
    await bench.start(both, quick)
    await bench.caughtUp(await run(bench.log.head))
    const at = await run(Effect.scoped(bench.processors.holdLevel("counting-1", "counting-2")))
    expect(at).toBe(await run(bench.log.head))
    const [whole, own] = await Promise.all(
      ["counting-1", "counting-2"].map((build) => run(bench.readModels.checkpoints(build))),
    )
    expect(own?.get(partitionOf("m-1"))).toEqual(whole?.get(partitionOf("m-1")))
    expect(await countIn("counting-2", "m-1")).toBe(6)
  })

  it("reads of the past its partition alone, and everything once, in order, while more arrives", async () => {
    const own = partitionOf("m-1")
    await append(300, "m-2")
    await append(2, "m-1")
    await append(300, "m-2")
    const head = await run(bench.log.head)
    let later = ""
    const reading = run(
      merchantLog(bench.log, "m-1")
        .subscribe({ after: start })
        .pipe(
          Stream.takeUntil(({ upTo }) => upTo === later),
          Stream.runCollect,
        ),
    )
    for (let i = 0; i < 20; i++) {
      await append(5, i % 2 === 0 ? "m-1" : "m-2")
    }
    later = await append(1, "m-2")
    const batches = [...(await reading)]
    const positions = batches.flatMap(({ events }) => events.map(({ position }) => position))
    expect(positions).toEqual(positions.toSorted(compare))
    expect(new Set(positions).size).toBe(positions.length)
    const ofOwn = batches.flatMap(({ events }) =>
      events.filter(({ event }) => partitionOf(event.data.merchantId) === own),
    )
    expect(ofOwn).toHaveLength(2 + 50)
    const foreign = positions.filter((position) => compare(position, head) <= 0).length
    // One more may be the event with which it begins to read everything.
    expect(foreign).toBeLessThanOrEqual(2 + 1)
  })

  it("is what a cancellation is about while it runs, though an older build of all has failed", () => {
    const made = { at: 0, by: "ann", what: "began" }
    const build = (number: number, state: Build["state"], merchantId?: string): Build => ({
      ...{
        id: `counting-${number}`,
        projection: "counting",
        definition: "counting-1",
        fingerprint: "f",
        state,
        made,
      },
      ...(merchantId === undefined ? {} : { merchantId }),
    })
    const cancelled = (...builds: ReadonlyArray<Build>) => {
      const found = toCancel({ projection: "counting", revision: 1, numbered: builds.length, builds })
      return Either.isLeft(found) ? found.left.code : found.right?.id
    }
    const serving = build(1, "SERVING")
    const failed = build(2, "FAILED")
    expect(cancelled(serving)).toBeUndefined()
    expect(cancelled(serving, failed)).toBe("counting-2")
    expect(cancelled(serving, failed, build(3, "BUILDING", "m-1"))).toBe("counting-3")
    expect(cancelled(serving, failed, build(3, "BUILDING", "m-1"), build(4, "BUILDING"))).toBe("counting-4")
    expect(cancelled(serving, build(2, "BUILDING", "m-1"), build(3, "BUILDING", "m-2"))).toBe(
      "BUILD_REQUIRED",
    )
  })

  it("says of every command that can't be carried out why", async () => {
    await append(3, "m-1")
    await append(3, "m-2")
    await begin()
    expect(await refusal(rebuild("m-9"))).toMatchObject({ code: "MERCHANT_UNKNOWN" })
    expect(await refusal(rebuild("_system"))).toMatchObject({ code: "CROSSES_MERCHANTS" })
    expect(await refusal(cancel)).toMatchObject({ code: "NOT_BUILDING" })
    await done(rebuild("m-1"))
    expect((await refusal(rebuild("m-1"))).message).toContain(
      "counting-2 is being built (ann began to rebuild m-1 in counting at ",
    )
    await done(rebuild("m-2"))
    await done(rebuild())
    await bench.caughtUp(await run(bench.log.head))
    expect(await refusal(promote("counting-2", "counting-3"))).toMatchObject({ code: "CONFLICT" })
    expect(await refusal(rollback("counting-2"))).toMatchObject({ code: "CONFLICT" })
    await done(cancel)
    await untilIs(
      "that of all is gone",
      ...["counting-1 SERVING", "counting-2 BUILDING m-1"],
      "counting-3 BUILDING m-2",
    )
    expect(await refusal(cancel)).toMatchObject({ code: "BUILD_REQUIRED" })
    await done(drop("counting-3"))
    await done(cancel)
    await untilIs("all are gone", "counting-1 SERVING")
    await bench.stop()
    const { isByMerchant: _, ...crossing } = counting(1)
    await bench.start([crossing], quick)
    expect(await refusal(rebuild("m-1"))).toMatchObject({ code: "CROSSES_MERCHANTS" })
  })

  it("lies over one build of all: goes when another is promoted, comes back with it, and is dropped with it", async () => {
    await append(4, "m-1")
    await begin()
    await done(rebuild("m-1"))
    await bench.caughtUp(await run(bench.log.head))
    await done(promote("counting-2", "counting-1"))
    await done(rebuild())
    await bench.caughtUp(await append(1, "m-1"))
    await done(promote("counting-3", "counting-1"))
    expect([await servingOf(), await servingOf("m-1")]).toEqual(["counting-3", "counting-3"])
    await done(rollback("counting-3"))
    expect([await servingOf(), await servingOf("m-1")]).toEqual(["counting-1", "counting-2"])
    await done(rollback("counting-1"))
    expect([await servingOf(), await servingOf("m-1")]).toEqual(["counting-3", "counting-3"])
    await bench.caughtUp(await append(1, "m-1"))
    expect(await countIn("counting-2", "m-1")).toBe(12)
    await done(drop("counting-1"))
    await untilIs("both are gone", "counting-3 SERVING")
  })

  it("stops at an event of that merchant that can't be folded, and at no other's", async () => {
    await append(4, "m-1")
    await append(4, "m-2")
    await begin()
    await done({ _tag: "Pause", projection: "counting" })
    await append(1, "m-2", "poison")
    await append(1, "m-2", "OfALaterVersion")
    await done({ _tag: "Resume", projection: "counting" })
    await done(rebuild("m-1"))
    await done(rebuild("m-2"))
    await untilIs(
      "that of m-2 has failed",
      ...["counting-1 SERVING", "counting-2 BUILDING m-1", "counting-3 FAILED m-2"],
    )
    await bench.caughtUp(await append(1, "m-1"))
    expect(await countIn("counting-2", "m-1")).toBe(10)
    await done(promote("counting-2", "counting-1"))
    // Where it serves it sets aside, and its dead letters are its own.
    const stalled = async () =>
      (await run(bench.processors.progress)).flatMap(({ build, deadLetters }) =>
        deadLetters === undefined ? [] : build,
      )
    await append(1, "m-1", "poison")
    await append(2, "m-1")
    await until("both wait", 10_000, async () => (await stalled()).includes("counting-2"))
    await bench.stop()
    const mended = both.map(
      (one): Projection => ({
        ...one,
        apply: (event, docs) =>
          one.apply(
            event.event.type === "poison" ? { ...event, event: { ...event.event, type: "x" } } : event,
            docs,
          ),
      }),
    )
    await bench.start(mended, quick)
    await done({ _tag: "RetryDeadLetters", projection: "counting" })
    expect(await countIn("counting-2", "m-1")).toBe(16)
    expect(await countIn("counting-1", "m-1")).toBe(8)
    expect(await stalled()).toEqual([])
  })
})
