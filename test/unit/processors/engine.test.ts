import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { afterEach, describe, expect, it } from "vitest"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import { compare, fromNumber, type Position, start } from "../../../src/domain/Position.js"
import { type EventLogService, type LogBatch, LogUnavailable } from "../../../src/eventlog/EventLog.js"
import type { ControllerTuning } from "../../../src/processors/Controller.js"
import type { DeadLetterPolicy } from "../../../src/processors/DeadLetters.js"
import { runEngine } from "../../../src/processors/Engine.js"
import type { ProcessorsService } from "../../../src/processors/Processors.js"
import type { Projection } from "../../../src/processors/Projection.js"
import { projections } from "../../../src/projections/index.js"
import { makeMemoryReadModels } from "../../../src/readmodels/MemoryReadModels.js"
import { type ReadModelsService, ReadModelsUnavailable } from "../../../src/readmodels/ReadModels.js"
import { type Random, seededRandom } from "../../support/Seed.js"
import { until } from "../../support/until.js"
import { Bench, recorded, run, type TestEvent } from "./support.js"

const now = Date.parse("2026-11-21T12:00:00Z")

const randomEvents = (random: Random, count: number): ReadonlyArray<TestEvent> =>
  Array.from({ length: count }, (_, i) => {
    const merchantId = `m-${random.integer(6)}`
    const recordedAt = now + i
    if (random.integer(60) === 0) {
      const settings = { timezone: random.pick(["UTC", "Asia/Kolkata"]), name: `n${i}` }
      return { type: "MerchantSettingsChanged", at: recordedAt, recordedAt, data: { merchantId, settings } }
    }
    const type = random.pick(["pageview", "payment", "request", "ClientSeen", "signup"])
    return {
      type,
      at: now - random.integer(100 * 86_400_000),
      recordedAt,
      data: {
        merchantId,
        clientKey: `c-${random.integer(9)}`,
        path: `/${random.integer(5)}`,
        ...(type === "payment" ? { amount: random.integer(99), currency: "USD", paymentMethod: "card" } : {}),
      },
      ...(type === "ClientSeen" ? { personal: `sealed-${i}` } : {}),
    }
  })

/** A log that gives these events in batches as cut at random, and breaks off now and then. */
const brokenLog = (events: ReadonlyArray<RecordedEvent>, random: Random): EventLogService => {
  const head = events.at(-1)?.position ?? start
  let breaks = 3
  const batches = (after: Position): ReadonlyArray<LogBatch | "break"> => {
    const left = events.filter((event) => compare(event.position, after) > 0)
    const cut: Array<LogBatch | "break"> = []
    for (let at = 0; at < left.length; ) {
      const batch = left.slice(at, at + 1 + random.integer(70))
      at += batch.length
      cut.push({ events: batch, upTo: batch.at(-1)?.position ?? after })
      if (breaks > 0 && random.integer(5) === 0) {
        breaks--
        return [...cut, "break"]
      }
    }
    return cut
  }
  const unused = Effect.fail(new LogUnavailable({ reason: "this log is only read" }))
  return {
    append: () => unused,
    readStream: () => Stream.empty,
    readAll: () => Stream.make(events),
    head: Effect.succeed(head),
    subscribe: ({ after }) =>
      Stream.concat(
        Stream.suspend(() => Stream.fromIterable(batches(after))).pipe(
          Stream.mapEffect((batch) =>
            batch === "break"
              ? Effect.fail(new LogUnavailable({ reason: "cut off" }))
              : Effect.succeed(batch),
          ),
        ),
        Stream.never,
      ),
  }
}

const started = async (
  log: EventLogService,
  readModels: ReadModelsService,
  which: ReadonlyArray<Projection> = projections,
  tuning: ControllerTuning = {},
  deadLetters: DeadLetterPolicy = "live",
): Promise<{ readonly processors: ProcessorsService; readonly stop: () => Promise<void> }> => {
  const scope = Effect.runSync(Scope.make())
  const processors = await run(
    Scope.extend(runEngine({ log, readModels, projections: which, tuning, deadLetters }), scope),
  )
  return { processors, stop: () => run(Scope.close(scope, Exit.void)) }
}

const reached = (processors: ProcessorsService, position: Position) =>
  until(`position ${position}`, 20_000, async () =>
    (await run(processors.progress)).every((one) => compare(one.position, position) >= 0),
  )

const everything = async (readModels: ReadModelsService) => {
  const found: Record<string, unknown> = {}
  for (const projection of projections) {
    for (const collection of projection.collections) {
      const { rows, checkpoint } = await run(
        readModels.query(`${projection.name}-1`, 5, [{ collection, from: "", to: "\uffff" }]),
      )
      found[`${projection.name}/${collection}`] = { rows: rows[0], position: checkpoint.position }
    }
  }
  return found
}

describe("the engine", () => {
  it("gives the same documents for every way of batching, breaking off and loading", async () => {
    const { random } = seededRandom("engine batching")
    const events = recorded(randomEvents(random, 1_500))
    const head = fromNumber(events.length)
    const results: Array<unknown> = []
    for (const synchronous of [true, false, true, false]) {
      const readModels = makeMemoryReadModels({ synchronous })
      const { processors, stop } = await started(brokenLog(events, random), readModels)
      await reached(processors, head)
      await stop()
      results.push(await everything(readModels))
    }
    expect(Object.keys(results[0] as object)).toHaveLength(
      projections.flatMap(({ collections }) => collections).length,
    )
    expect(
      (results[0] as Record<string, { rows: Array<unknown> }>)["metrics/days"]?.rows.length,
    ).toBeGreaterThan(100)
    for (const result of results.slice(1)) expect(result).toEqual(results[0])
  })

  it("counts once when writing fails and is tried again, and when the engine is stopped midway", async () => {
    const { random } = seededRandom("engine failures")
    const events = recorded(randomEvents(random, 800))
    const plain = makeMemoryReadModels({ synchronous: true })
    const whole = await started(brokenLog(events, random), plain)
    await reached(whole.processors, fromNumber(800))
    await whole.stop()

    const store = makeMemoryReadModels({ synchronous: true })
    let failures = 3
    const failing: ReadModelsService = {
      ...store,
      commit: (...args) =>
        failures-- > 0
          ? Effect.fail(new ReadModelsUnavailable({ reason: "not now" }))
          : store.commit(...args),
    }
    for (const upTo of [120, 121, 500, 800]) {
      const { processors, stop } = await started(brokenLog(events.slice(0, upTo), random), failing)
      if (upTo !== 121) await reached(processors, fromNumber(upTo))
      await stop()
    }
    expect(await everything(store)).toEqual(await everything(plain))
  })

  it("stops a projection at an event that it can't fold, says where, and skips nothing; others go on", async () => {
    const poison = recorded([
      ...Array.from({ length: 10 }, (_, i) => ({
        type: "pageview",
        at: now,
        recordedAt: now + i,
        data: { merchantId: "m" },
      })),
      { type: "poison", at: now, recordedAt: now + 10, data: { merchantId: "m" } },
      { type: "pageview", at: now, recordedAt: now + 11, data: { merchantId: "m" } },
    ])
    const fragile = (fails: boolean): Projection => ({
      name: "fragile",
      version: 1,
      collections: ["counts"],
      apply: (event, docs) => {
        const doc = docs.edit("counts", event.event.data.merchantId, () => ({ count: 0 }))
        doc.count++
        if (fails && event.event.type === "poison") throw new Error("no antidote")
      },
    })
    const readModels = makeMemoryReadModels({ synchronous: true })
    const { random } = seededRandom("engine poison")
    const log = brokenLog(poison, random)
    const [merchants] = projections.filter((one) => one.name === "merchants")
    const { processors, stop } = await started(
      log,
      readModels,
      [fragile(true), merchants as Projection],
      {},
      "never",
    )
    await until("one stopped, one at the end", 10_000, async () => {
      const progress = await run(processors.progress)
      const other = progress.find((one) => one.projection === "merchants")
      return other?.position === "12" && progress.some((one) => one.stopped !== undefined)
    })
    const [broken] = (await run(processors.progress)).filter((one) => one.projection === "fragile")
    expect(broken?.stopped).toMatchObject({ position: "11", eventType: "poison" })
    expect(broken?.stopped?.reason).toContain("no antidote")
    expect(Number(broken?.position)).toBeLessThan(11)
    await stop()

    const mended = await started(log, readModels, [fragile(false)])
    await reached(mended.processors, fromNumber(12))
    await mended.stop()
    expect(await run(readModels.load("fragile-1", [{ collection: "counts", key: "m" }]))).toEqual([
      { count: 12 },
    ])
  })

  it("stops a build, and no other, when its store says that trying again can't help", async () => {
    const events = recorded(
      Array.from({ length: 9 }, (_, i) => ({
        type: "pageview",
        at: now,
        recordedAt: now + i,
        data: { merchantId: "m" },
      })),
    )
    const store = makeMemoryReadModels({ synchronous: true })
    let tries = 0
    const readModels: ReadModelsService = {
      ...store,
      commit: (build, puts, checkpoints) => {
        if (build !== "clients-1") return store.commit(build, puts, checkpoints)
        tries++
        return new ReadModelsUnavailable({ reason: "another process writes", isFinal: true })
      },
    }
    const { random } = seededRandom("engine, final")
    const { processors, stop } = await started(brokenLog(events, random), readModels)
    const of = async (build: string) => (await run(processors.progress)).find((one) => one.build === build)
    await until(
      "the others are level",
      10_000,
      async () => (await of("metrics-1"))?.position === fromNumber(9),
    )
    expect((await of("merchants-1"))?.stopped).toBeUndefined()
    expect((await of("clients-1"))?.stopped?.reason).toBe("another process writes")
    expect((await of("clients-1"))?.position).toBe(start)
    await stop()
    expect(tries).toBe(1)
  })

  it("stops when the log ends before the read models do", async () => {
    const events = recorded(
      Array.from({ length: 9 }, (_, i) => ({
        type: "pageview",
        at: now,
        recordedAt: now + i,
        data: { merchantId: "m" },
      })),
    )
    const readModels = makeMemoryReadModels({ synchronous: true })
    const { random } = seededRandom("engine ahead")
    const first = await started(brokenLog(events, random), readModels)
    await reached(first.processors, fromNumber(9))
    await first.stop()
    const second = await started(brokenLog(events.slice(0, 5), random), readModels)
    const progress = await run(second.processors.progress)
    await second.stop()
    expect(progress).toHaveLength(3)
    for (const one of progress) expect(one.stopped?.reason).toContain("ends at 5")
  })
})

describe("the engine on the embedded stores", () => {
  const bench = new Bench()
  afterEach(() => bench.close())

  it("shows an event within a second, moves every partition, and writes nothing while nothing happens", async () => {
    await bench.open()
    await bench.start(projections)
    const times: Array<number> = []
    for (let i = 0; i < 10; i++) {
      const head = await bench.append([
        { type: "pageview", at: now, recordedAt: now + i, data: { merchantId: `m-${i}`, clientKey: "c" } },
      ])
      const began = performance.now()
      await bench.caughtUp(head)
      times.push(performance.now() - began)
    }
    expect(Math.max(...times)).toBeLessThan(1_000)
    const head = await run(bench.log.head)
    const checkpoints = await run(bench.readModels.checkpoints("metrics-1"))
    expect(checkpoints.size).toBe(256)
    for (const checkpoint of checkpoints.values()) expect(checkpoint.position).toBe(head)

    let changes = 0
    const listening = Effect.runFork(
      bench.processors.changes.pipe(Stream.runForEach(() => Effect.sync(() => changes++))),
    )
    const quietUntil = performance.now() + 1_500
    await until("a quiet while", 3_000, () => performance.now() > quietUntil)
    expect(changes).toBe(0)
    await bench.append([
      { type: "pageview", at: now, recordedAt: now + 11, data: { merchantId: "m", clientKey: "c" } },
    ])
    await until("a change", 2_000, () => changes > 0)
    listening.unsafeInterruptAsFork(listening.id())
  })
})
