import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Position } from "../../../src/domain/Position.js"
import type { Command, CommandRefused } from "../../../src/processors/Commands.js"
import { deadLettersOf } from "../../../src/processors/DeadLetters.js"
import { runEngine } from "../../../src/processors/Engine.js"
import { makeFoldRunner } from "../../../src/processors/FoldRunner.js"
import type { Projection } from "../../../src/processors/Projection.js"
import type { Runner } from "../../../src/processors/Runner.js"
import { makeMemoryReadModels } from "../../../src/readmodels/MemoryReadModels.js"
import type { ReadModelsService } from "../../../src/readmodels/ReadModels.js"
import { garbageCollector } from "../../../src/threads/garbageCollector.js"
import { until } from "../../support/until.js"
import { Bench, run, type TestEvent } from "./support.js"

const collectGarbage = garbageCollector()

const now = Date.parse("2026-11-21T12:00:00Z")

/** What is wrong with it: taken away, it is the same code put right. */
class Bug {
  isThere = true
}

/**
 * Keeps the order in which it saw a merchant's events, and how many events there are of all together. It throws
 * when it has changed documents already.
 */
const ledger = (bug: Bug, version = 1): Projection => ({
  name: "ledger",
  version,
  collections: ["order", "seen", "all"],
  apply: ({ event }, docs) => {
    const { merchantId, id } = event.data
    docs.edit("all", "events", () => ({ n: 0 })).n++
    const seen = docs.edit<{ n: number; last: string }>("seen", merchantId, () => ({ n: 0, last: "" }))
    seen.n++
    seen.last = id
    if (bug.isThere && event.type === "poison") throw new Error(`no antidote against ${id}`)
    const hash = docs.get<string>("order", merchantId) ?? ""
    docs.put(
      "order",
      merchantId,
      createHash("sha256")
        .update(hash + id)
        .digest("hex"),
    )
  },
})

const retry: Command = { _tag: "RetryDeadLetters", projection: "ledger" }

describe("events that can't be folded", () => {
  let bench: Bench
  let bug: Bug
  let sent = 0
  beforeEach(async () => {
    bench = await new Bench().open()
    bug = new Bug()
    sent = 0
  })
  afterEach(() => bench.close())

  const event = (merchantId: string, type = "pageview"): TestEvent => ({
    ...{ type, at: now, recordedAt: now + sent, data: { merchantId, id: `e-${sent++}` } },
  })
  /** Some events of each of 100 merchants in turn; those of three are poison now and then. */
  const someEvents = (count: number, poisoned: ReadonlyArray<string> = ["m-3", "m-50", "m-99"]) =>
    Array.from({ length: count }, (_, i) => {
      const merchantId = `m-${i % 100}`
      return event(merchantId, poisoned.includes(merchantId) && i % 200 >= 100 ? "poison" : "pageview")
    })
  const command = (it: Command) =>
    run(Effect.either(bench.processors.command(it, "ann"))) as Promise<Either.Either<void, CommandRefused>>
  const refusal = async (it: Command) => {
    const result = await command(it)
    return Either.isLeft(result) ? result.left : undefined
  }
  const letters = (build = "ledger-1") => run(deadLettersOf(bench.readModels, build))
  const lettersIn = (readModels: ReadModelsService) => run(deadLettersOf(readModels, "ledger-1"))
  const doc = async (collection: string, key: string, build = "ledger-1") =>
    (await run(bench.readModels.load(build, [{ collection, key }])))[0]
  /** Of all documents of the projection. */
  const digest = async (build: string, readModels = bench.readModels) => {
    const scans = ledger(bug).collections.map((collection) => ({ collection, from: "", to: "\uffff" }))
    const { rows } = await run(readModels.query(build, 0, scans))
    return createHash("sha256").update(JSON.stringify(rows)).digest("hex")
  }
  /** A build that was folded from the log's start without the bug. */
  const cleanDigest = async () => {
    bug.isThere = false
    expect(await refusal({ _tag: "Rebuild", projection: "ledger", promote: false })).toBeUndefined()
    await until("the rebuild is there", 10_000, async () =>
      (await run(bench.processors.progress)).some(({ build }) => build === "ledger-2"),
    )
    await bench.caughtUp(await run(bench.log.head))
    return digest("ledger-2")
  }

  it("wait in order while others flow, and a retry ends equal to a fold without the detour", async () => {
    await bench.start([ledger(bug)], { lookEveryMs: 20 })
    for (let i = 0; i < 5; i++) await bench.caughtUp(await bench.append(someEvents(1_000)))
    const all = await letters()
    expect(all.map(({ merchantId }) => merchantId)).toEqual(["m-3", "m-50", "m-99"])
    expect(all.map(({ position }) => position)).toEqual(["104", "151", "200"])
    expect(all.map(({ folded }) => folded)).toEqual(["103", "150", "199"])
    // Ten of each thousand are theirs; the first was folded.
    expect(all.map(({ held }) => held)).toEqual([49, 49, 49])
    expect(all[0]).toMatchObject({ eventType: "poison", error: "no antidote against e-103" })
    expect(await doc("seen", "m-3")).toEqual({ n: 1, last: "e-3" })
    expect(await doc("seen", "m-4")).toEqual({ n: 50, last: "e-4904" })
    expect(await doc("all", "events")).toEqual({ n: 5_000 - 3 * 49 })

    expect(await refusal(retry)).toMatchObject({ code: "DEAD_LETTERS_REMAIN" })
    expect((await letters()).map(({ position, held }) => [position, held])).toEqual([
      ["104", 49],
      ["151", 49],
      ["200", 49],
    ])
    bug.isThere = false
    expect(await refusal(retry)).toBeUndefined()
    expect(await letters()).toEqual([])
    expect(await doc("seen", "m-3")).toEqual({ n: 50, last: "e-4903" })
    expect(await digest("ledger-1")).toBe(await cleanDigest())
    expect(await refusal(retry)).toMatchObject({ code: "NO_DEAD_LETTERS" })
  })

  it("that can be folded in part are folded as far as that goes, and the merchant waits at the next", async () => {
    await bench.start([ledger(bug)])
    const fold = ledger(bug)
    await bench.caughtUp(
      await bench.append([event("a", "poison"), event("a"), event("a", "poison"), event("b")]),
    )
    const first = "e-0"
    bug.isThere = false
    const worse: Projection = {
      ...fold,
      apply: (one, docs) => {
        fold.apply(one, docs)
        if (one.event.type === "poison" && one.event.data.id !== first) throw new Error("still wrong")
      },
    }
    await bench.stop()
    await bench.start([worse])
    const refused = await refusal(retry)
    expect(refused?.message).toContain("the first at position 3 (poison of a: still wrong)")
    expect(await letters()).toMatchObject([{ position: "3", folded: "2", held: 1, error: "still wrong" }])
    expect(await doc("seen", "a")).toEqual({ n: 2, last: "e-1" })
    await bench.stop()
    await bench.start([fold])
    expect(await refusal(retry)).toBeUndefined()
    expect(await digest("ledger-1")).toBe(await cleanDigest())
  })

  it("outlast a restart, with what waits behind them", async () => {
    await bench.start([ledger(bug)])
    await bench.caughtUp(await bench.append(someEvents(300)))
    const before = await letters()
    expect(before).toHaveLength(3)
    await bench.stop()
    const position = await bench.append(someEvents(300))
    await bench.start([ledger(bug)])
    await bench.caughtUp(position)
    expect((await letters()).map(({ held }) => held)).toEqual(before.map(({ held }) => held + 3))
    bug.isThere = false
    expect(await refusal(retry)).toBeUndefined()
    expect(await digest("ledger-1")).toBe(await cleanDigest())
  })

  it("are retried while events arrive, also of those that wait", async () => {
    await bench.start([ledger(bug)])
    await bench.caughtUp(await bench.append(someEvents(4_000, ["m-3", "m-4", "m-5"])))
    bug.isThere = false
    const retried = refusal(retry)
    for (let i = 0; i < 20; i++) await bench.append(someEvents(200))
    expect(await retried).toBeUndefined()
    await bench.caughtUp(await run(bench.log.head))
    expect(await letters()).toEqual([])
    expect(await digest("ledger-1")).toBe(await cleanDigest())
  })

  it("of a merchant with half of all traffic are kept in the log alone: what waits takes no memory", async () => {
    await bench.start([ledger(bug)])
    await bench.caughtUp(await bench.append([event("large", "poison")]))
    const count = 60_000
    const heap = () => {
      collectGarbage()
      return process.memoryUsage().heapUsed
    }
    const before = heap()
    let position = "0" as Position
    for (let i = 0; i < count / 2_000; i++) {
      position = await bench.append(
        Array.from({ length: 2_000 }, (_, n) => event(n % 2 === 0 ? "large" : `m-${n % 100}`)),
      )
    }
    await bench.caughtUp(position)
    const [letter] = await letters()
    expect(letter).toMatchObject({ merchantId: "large", held: count / 2 + 1 })
    // One document says all that waits.
    expect(JSON.stringify(letter).length).toBeLessThan(400)
    let most = 0
    const timer = setInterval(() => {
      most = Math.max(most, heap() - before)
    }, 50)
    bug.isThere = false
    expect(await refusal(retry)).toBeUndefined()
    clearInterval(timer)
    // The events that waited are some 60 MB as objects.
    expect(most).toBeLessThan(20 * 1024 * 1024)
    expect(await doc("seen", "large")).toMatchObject({ n: count / 2 + 1 })
    expect(await digest("ledger-1")).toBe(await cleanDigest())
  })

  it("stop a rebuild, which must leave nothing out, and a live build where that is set", async () => {
    await bench.start([ledger(bug)], { lookEveryMs: 20 })
    await bench.caughtUp(await bench.append(someEvents(300)))
    expect(await refusal({ _tag: "Rebuild", projection: "ledger", promote: false })).toBeUndefined()
    await until("the rebuild has failed", 10_000, async () =>
      (await run(bench.readModels.builds)).some(({ id, state }) => id === "ledger-2" && state === "FAILED"),
    )
    const failed = (await run(bench.readModels.builds)).find(({ id }) => id === "ledger-2")
    expect(failed?.failure).toContain(
      "at position 104 (poison): ledger could not fold it: no antidote against e-103",
    )
    await bench.stop()
    await bench.start([ledger(bug, 2)], {}, "never")
    await until("the build has stopped", 10_000, async () =>
      (await run(bench.processors.progress)).some(({ stopped }) => stopped?.position === "104"),
    )
  })

  it("keep a build from being promoted without force, and the refusal says so", async () => {
    await bench.start([ledger(bug)], { lookEveryMs: 20 }, "always")
    await bench.caughtUp(await bench.append(someEvents(300)))
    expect(await refusal({ _tag: "Rebuild", projection: "ledger", promote: false })).toBeUndefined()
    await bench.caughtUp(await run(bench.log.head))
    expect(await letters("ledger-2")).toHaveLength(3)
    const promote = (force: boolean): Command => ({
      ...{ _tag: "Promote", projection: "ledger", build: "ledger-2", expectedServing: "ledger-1", force },
    })
    const refused = await refusal(promote(false))
    expect(refused?.code).toBe("NOT_READY")
    expect(refused?.message).toContain("events of 3 merchants wait behind one that could not be folded")
    expect(refused?.message).toContain("use force")
    expect(await refusal(promote(true))).toBeUndefined()
  })

  it("are set aside and retried alike in a store that does not answer at once", async () => {
    const store = makeMemoryReadModels({ synchronous: false })
    const scope = Effect.runSync(Scope.make())
    const options = { log: bench.log, readModels: store, projections: [ledger(bug)] }
    const engine = await run(runEngine(options).pipe(Scope.extend(scope)))
    const head = await bench.append(someEvents(3_000))
    const at = (position: string) =>
      until(`position ${position}`, 20_000, async () => {
        const progress = await run(engine.progress)
        return progress.length > 0 && progress.every((one) => one.position === position)
      })
    await at(head)
    expect((await lettersIn(store)).map(({ held }) => held)).toEqual([29, 29, 29])
    bug.isThere = false
    await run(engine.command(retry, "ann"))
    expect(await lettersIn(store)).toEqual([])
    await run(engine.command({ _tag: "Rebuild", projection: "ledger", promote: false }, "ann"))
    await until("both", 10_000, async () => (await run(engine.progress)).length === 2)
    await at(head)
    expect(await digest("ledger-1", store)).toBe(await digest("ledger-2", store))
    await run(Scope.close(scope, Exit.void))
  })

  it("survive that the program ends at any moment of a retry: it goes on, and ends equal", async () => {
    await bench.start([ledger(bug)])
    const poisoned = Array.from({ length: 60 }, (_, i) => `m-${i}`)
    await bench.caughtUp(await bench.append(someEvents(10_000, poisoned)))
    await bench.stop()
    bug.isThere = false
    // A runner whose store loses everything that is not committed by a certain commit, as a killed process does.
    for (const commits of [1, 2, 1, 3]) {
      await bench.start([])
      const whole = bench.readModels
      let left = commits
      const dying: ReadModelsService = {
        ...whole,
        commit: (...args) => Effect.suspend(() => (left-- > 0 ? whole.commit(...args) : Effect.never)),
      }
      const scope = Effect.runSync(Scope.make())
      const builds = (await run(whole.builds)).filter(({ id }) => id === "ledger-1")
      const runner: Runner = await run(
        makeFoldRunner({ log: bench.log, readModels: dying, projections: [ledger(bug)] }).pipe(
          Scope.extend(scope),
        ),
      )
      await run(runner.start(builds, "live"))
      const held = async () => (await lettersIn(whole)).reduce((sum, one) => sum + one.held, 0)
      const before = await held()
      Effect.runFork(runner.retry("ledger-1"))
      await until("it has died", 10_000, () => left < 0)
      expect(await held()).toBeLessThanOrEqual(before)
      expect((await lettersIn(whole)).every(({ retrying }) => retrying === true)).toBe(true)
      Effect.runFork(Scope.close(scope, Exit.void))
      await bench.stop()
    }
    await bench.start([ledger(bug)])
    await until("the retry has gone on by itself", 20_000, async () => (await letters()).length === 0)
    expect(await digest("ledger-1")).toBe(await cleanDigest())
  })
})
