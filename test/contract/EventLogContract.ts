import { randomUUID } from "node:crypto"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { NewEvent, RecordedEvent } from "../../src/domain/Event.js"
import { PARTITIONS, type Partition, partitionOfStream } from "../../src/domain/Partition.js"
import { compare, isPosition, type Position, start } from "../../src/domain/Position.js"
import {
  type Append,
  type AppendOutcome,
  type EventLogService,
  type LogBatch,
  NO_STREAM,
  type Past,
  type PastOptions,
} from "../../src/eventlog/EventLog.js"

export interface OpenedLog {
  readonly log: EventLogService
  /** Closes the log and opens the same one again. */
  readonly reopen: () => Promise<EventLogService>
  readonly close: () => Promise<void>
}

const seed =
  process.env.TIDEMARK_TEST_SEED === undefined ? Date.now() : Number(process.env.TIDEMARK_TEST_SEED)

export const newEvent = (text = "x", more: Record<string, unknown> = {}): NewEvent => ({
  eventId: randomUUID(),
  event: { v: 1, type: "pageview", at: 1_795_219_200_000, data: { id: text, merchantId: "m", ...more } },
  metadata: { recordedAt: 1_795_219_200_001, source: "test", key: "k" },
})

const events = (count: number): Array<NewEvent> =>
  Array.from({ length: count }, (_, i) => newEvent(String(i)))

export const collect = async <E>(
  stream: Stream.Stream<ReadonlyArray<RecordedEvent>, E>,
): Promise<Array<RecordedEvent>> => Chunk.toArray(await Effect.runPromise(Stream.runCollect(stream))).flat()

const ids = (found: ReadonlyArray<{ readonly eventId: string }>): Array<string> => found.map((e) => e.eventId)

const until = async (what: string, condition: () => boolean, ms = 20_000): Promise<void> => {
  const deadline = Date.now() + ms
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** A subscriber that keeps everything it was given. */
const follow = (
  log: EventLogService,
  after: Position,
  prefixes?: ReadonlyArray<string>,
  onBatch?: () => Promise<void>,
) => {
  const batches: Array<LogBatch> = []
  const seen: Array<RecordedEvent> = []
  const fiber = Effect.runFork(
    Stream.runForEach(log.subscribe({ after, ...(prefixes === undefined ? {} : { prefixes }) }), (batch) =>
      Effect.promise(async () => {
        batches.push(batch)
        seen.push(...batch.events)
        await onBatch?.()
      }),
    ),
  )
  return {
    batches,
    seen,
    upTo: () => batches.at(-1)?.upTo ?? after,
    stop: () => Effect.runPromise(Fiber.interrupt(fiber)),
  }
}

/** Every expectation on an event log, for every adapter. Positions are only ordered, never counted. */
export const eventLogContract = (name: string, open: () => Promise<OpenedLog>): void => {
  describe(`${name} keeps the contract of the event log`, () => {
    let opened: OpenedLog
    let log: EventLogService

    beforeEach(async () => {
      opened = await open()
      log = opened.log
    })
    afterEach(() => opened.close())

    const append = (appends: ReadonlyArray<Append>): Promise<ReadonlyArray<AppendOutcome>> =>
      Effect.runPromise(log.append(appends))

    const one = async (stream: string, expectedRevision: number, list: ReadonlyArray<NewEvent>) =>
      (await append([{ stream, expectedRevision, events: list }]))[0] as AppendOutcome

    const appended = async (stream: string, expectedRevision: number, list: ReadonlyArray<NewEvent>) => {
      const outcome = await one(stream, expectedRevision, list)
      if (outcome._tag !== "Appended") throw new Error(`not appended: ${JSON.stringify(outcome)}`)
      return outcome
    }

    const all = () => collect(log.readAll({ direction: "forwards" }))

    const refusal = async (appends: ReadonlyArray<Append>) => {
      const result = await Effect.runPromise(Effect.either(log.append(appends)))
      return Either.isLeft(result) ? result.left : undefined
    }

    it("is empty at first: no events, no streams, head at the start", async () => {
      expect(await all()).toEqual([])
      expect(await collect(log.readStream("merchant-001.none", { direction: "forwards" }))).toEqual([])
      expect(await collect(log.readStream("merchant-001.none", { direction: "backwards" }))).toEqual([])
      expect(await Effect.runPromise(log.head)).toBe(start)
      expect(await append([])).toEqual([])
    })

    it("gives back what was appended, with stream, revision and position", async () => {
      const sent = [newEvent("a", { amount: 5, properties: { deep: [1, { x: null }] } }), newEvent("b")]
      const outcome = await appended("merchant-001.m", NO_STREAM, sent)
      expect(outcome.revision).toBe(1)
      const found = await all()
      expect(found.map(({ eventId, event, metadata }) => ({ eventId, event, metadata }))).toEqual(sent)
      expect(found.map((e) => [e.stream, e.revision])).toEqual([
        ["merchant-001.m", 0],
        ["merchant-001.m", 1],
      ])
      expect(found.every((e) => isPosition(e.position))).toBe(true)
      expect(found[1]?.position).toBe(outcome.position)
      expect(await Effect.runPromise(log.head)).toBe(outcome.position)
    })

    it("refuses an append that expects another revision, and says the actual one", async () => {
      const stream = "merchant-001.m"
      expect(await one(stream, 0, events(1))).toEqual({
        _tag: "WrongExpectedRevision",
        stream,
        actual: NO_STREAM,
      })
      await appended(stream, NO_STREAM, events(2))
      for (const expected of [NO_STREAM, 0, 2, 7])
        expect(await one(stream, expected, events(1))).toEqual({
          _tag: "WrongExpectedRevision",
          stream,
          actual: 1,
        })
      expect(await all()).toHaveLength(2)
      await appended(stream, 1, events(1))
      expect(await all()).toHaveLength(3)
    })

    it("answers the same append again with the same outcome, and stores it once", async () => {
      const [first, second] = [events(3), events(2)]
      const one0 = await appended("client-001.c", NO_STREAM, first)
      const one1 = await appended("client-001.c", 2, second)
      expect(await one("client-001.c", NO_STREAM, first)).toEqual(one0)
      expect(await one("client-001.c", 2, second)).toEqual(one1)
      expect(
        await append(Array(3).fill({ stream: "client-001.c", expectedRevision: 2, events: second })),
      ).toEqual(Array(3).fill(one1))
      expect(ids(await all())).toEqual(ids([...first, ...second]))
    })

    it("takes no append that only begins like a stored one, or goes past the end", async () => {
      const list = events(2)
      await appended("client-001.c", NO_STREAM, list)
      const longer = [...list, newEvent()]
      expect((await one("client-001.c", NO_STREAM, longer))._tag).toBe("WrongExpectedRevision")
      expect((await one("client-001.c", NO_STREAM, [list[1]!, list[0]!]))._tag).toBe("WrongExpectedRevision")
      expect(await all()).toHaveLength(2)
    })

    it("lets each append of one call stand or fall by itself", async () => {
      await appended("merchant-001.a", NO_STREAM, events(1))
      const outcomes = await append([
        { stream: "merchant-001.b", expectedRevision: NO_STREAM, events: events(2) },
        { stream: "merchant-001.a", expectedRevision: NO_STREAM, events: events(1) },
        { stream: "merchant-002.c", expectedRevision: NO_STREAM, events: events(1) },
      ])
      expect(outcomes.map((outcome) => outcome._tag)).toEqual([
        "Appended",
        "WrongExpectedRevision",
        "Appended",
      ])
      expect((await all()).map((e) => e.stream).sort()).toEqual([
        "merchant-001.a",
        "merchant-001.b",
        "merchant-001.b",
        "merchant-002.c",
      ])
    })

    it("takes several appends to one stream in one call in their order", async () => {
      const lists = [events(2), events(1), events(3)]
      const outcomes = await append([
        { stream: "s-1.x", expectedRevision: NO_STREAM, events: lists[0]! },
        { stream: "s-1.x", expectedRevision: 1, events: lists[1]! },
        { stream: "s-1.x", expectedRevision: 2, events: lists[2]! },
      ])
      expect(outcomes.map((outcome) => (outcome._tag === "Appended" ? outcome.revision : -9))).toEqual([
        1, 2, 5,
      ])
      const found = await collect(log.readStream("s-1.x", { direction: "forwards" }))
      expect(ids(found)).toEqual(ids(lists.flat()))
      expect(found.map((e) => e.revision)).toEqual([0, 1, 2, 3, 4, 5])
    })

    it("lets one of many concurrent writers of a revision win", async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, () => one("merchant-001.m", NO_STREAM, events(1))),
      )
      expect(outcomes.filter((outcome) => outcome._tag === "Appended")).toHaveLength(1)
      expect(await all()).toHaveLength(1)
    })

    it("reads a stream in both directions, from a revision, up to a limit", async () => {
      const list = events(10)
      await append([
        { stream: "merchant-001.m", expectedRevision: NO_STREAM, events: list.slice(0, 4) },
        { stream: "merchant-001.other", expectedRevision: NO_STREAM, events: events(3) },
        { stream: "merchant-001.m", expectedRevision: 3, events: list.slice(4) },
      ])
      const read = (direction: "forwards" | "backwards", from?: number, limit?: number) =>
        collect(
          log.readStream("merchant-001.m", {
            direction,
            ...(from === undefined ? {} : { from }),
            ...(limit === undefined ? {} : { limit }),
          }),
        )
      expect(ids(await read("forwards"))).toEqual(ids(list))
      expect(ids(await read("backwards"))).toEqual(ids(list).reverse())
      expect(ids(await read("forwards", 3))).toEqual(ids(list.slice(3)))
      expect(ids(await read("forwards", 3, 2))).toEqual(ids(list.slice(3, 5)))
      expect(ids(await read("backwards", 3))).toEqual(ids(list.slice(0, 4)).reverse())
      expect(ids(await read("backwards", 3, 2))).toEqual(ids(list.slice(2, 4)).reverse())
      expect(ids(await read("backwards", 99, 1))).toEqual(ids(list.slice(9)))
      expect(await read("forwards", 10)).toEqual([])
      expect(await read("forwards", 0, 0)).toEqual([])
    })

    it("reads everything in both directions, from a position, up to a limit, by prefix", async () => {
      const outcomes: Array<Position> = []
      for (let i = 0; i < 30; i++)
        outcomes.push(
          (await appended(`merchant-00${i % 3}.m${i}`, NO_STREAM, [newEvent(String(i))])).position,
        )
      const numbers = async (options: Parameters<EventLogService["readAll"]>[0]) =>
        (await collect(log.readAll(options))).map((e) => Number(e.event.data.id))
      const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)
      expect(await numbers({ direction: "forwards" })).toEqual(upTo(30))
      expect(await numbers({ direction: "backwards" })).toEqual(upTo(30).reverse())
      expect(await numbers({ direction: "forwards", from: outcomes[9]! })).toEqual(upTo(30).slice(10))
      expect(await numbers({ direction: "backwards", from: outcomes[9]! })).toEqual(upTo(9).reverse())
      expect(await numbers({ direction: "forwards", from: outcomes[9]!, limit: 3 })).toEqual([10, 11, 12])
      expect(await numbers({ direction: "backwards", limit: 2 })).toEqual([29, 28])
      expect(await numbers({ direction: "forwards", from: outcomes[29]! })).toEqual([])
      const third = upTo(30).filter((i) => i % 3 === 1)
      expect(await numbers({ direction: "forwards", prefixes: ["merchant-001."] })).toEqual(third)
      expect(await numbers({ direction: "backwards", prefixes: ["merchant-001."], limit: 4 })).toEqual(
        third.slice(-4).reverse(),
      )
      expect(await numbers({ direction: "forwards", prefixes: ["merchant-001.", "merchant-002."] })).toEqual(
        upTo(30).filter((i) => i % 3 !== 0),
      )
      expect(await numbers({ direction: "forwards", prefixes: ["nobody-"] })).toEqual([])
    })

    it("orders positions as it orders events, within a call and across calls", async () => {
      await Promise.all(
        Array.from({ length: 30 }, (_, i) =>
          append([
            { stream: `a-${i}.x`, expectedRevision: NO_STREAM, events: events(1 + (i % 4)) },
            { stream: `b-${i}.x`, expectedRevision: NO_STREAM, events: events(1) },
          ]),
        ),
      )
      const found = await all()
      for (let i = 1; i < found.length; i++)
        expect(compare(found[i - 1]!.position, found[i]!.position)).toBeLessThan(0)
      const perStream = new Map<string, number>()
      for (const event of found) {
        expect(event.revision).toBe((perStream.get(event.stream) ?? -1) + 1)
        perStream.set(event.stream, event.revision)
      }
    })

    it("keeps every text as it was: unicode, control characters, lone surrogates, long names", async () => {
      const texts = ["é ü ß 漢字 🏴‍☠️", '\u0000\u0001\n"\\/', "\ud800 alone", "\u2028\u2029\ufffd", ""]
      const names = ["merchant-001.Ünï🏴", `merchant-001.${"n".repeat(300)}`, "merchant-001.a b'\";--%_*"]
      for (const [i, stream] of names.entries()) {
        const sent = texts.map((text) => newEvent(text, { path: text, properties: { [text]: text } }))
        await appended(stream, NO_STREAM, sent)
        const found = await collect(log.readStream(stream, { direction: "forwards" }))
        expect(found.map((e) => e.event)).toEqual(sent.map((e) => e.event))
        expect(found[0]?.stream).toBe(names[i])
      }
      expect(
        await collect(log.readAll({ direction: "forwards", prefixes: ["merchant-001.Ün"] })),
      ).toHaveLength(5)
    })

    it("keeps events of 64 KiB, many in one call", async () => {
      const sent = Array.from({ length: 40 }, (_, i) =>
        newEvent(String(i), { properties: { big: "ü".repeat(32_000) } }),
      )
      await appended("merchant-001.big", NO_STREAM, sent.slice(0, 15))
      await appended("merchant-001.big", 14, sent.slice(15, 30))
      await appended("merchant-001.big", 29, sent.slice(30))
      expect((await all()).map((e) => e.event)).toEqual(sent.map((e) => e.event))
    })

    it("refuses an append without events, storing nothing of its call", async () => {
      const failure = await refusal([
        { stream: "merchant-001.a", expectedRevision: NO_STREAM, events: events(1) },
        { stream: "merchant-001.b", expectedRevision: NO_STREAM, events: [] },
      ])
      expect(failure).toMatchObject({ _tag: "LogUnavailable", refused: true })
      expect(failure?.message).toContain("merchant-001.b")
      expect(await all()).toEqual([])
    })

    it("refuses data that can't be written as JSON with a clear error, and goes on", async () => {
      const cycle: Record<string, unknown> = {}
      cycle.self = cycle
      for (const properties of [{ big: 10n }, cycle]) {
        const bad = newEvent("bad", { properties })
        const [failure, outcome] = await Promise.all([
          refusal([{ stream: "merchant-001.a", expectedRevision: NO_STREAM, events: [newEvent(), bad] }]),
          one(`merchant-001.${randomUUID()}`, NO_STREAM, events(1)),
        ])
        expect(failure).toMatchObject({ _tag: "LogUnavailable", refused: true })
        expect(failure?.message).toContain(bad.eventId)
        expect(outcome._tag).toBe("Appended")
      }
      expect(await collect(log.readStream("merchant-001.a", { direction: "forwards" }))).toEqual([])
    })

    it("survives being closed and opened again", async () => {
      const list = events(50)
      const first = await appended("merchant-001.m", NO_STREAM, list.slice(0, 25))
      log = await opened.reopen()
      expect(await Effect.runPromise(log.head)).toBe(first.position)
      expect(await one("merchant-001.m", NO_STREAM, list.slice(0, 25))).toEqual(first)
      const second = await appended("merchant-001.m", 24, list.slice(25))
      log = await opened.reopen()
      expect(compare(second.position, first.position)).toBeGreaterThan(0)
      expect(ids(await all())).toEqual(ids(list))
      const follower = follow(log, first.position)
      await until("the rest", () => follower.seen.length === 25)
      expect(ids(follower.seen)).toEqual(ids(list.slice(25)))
      await follower.stop()
    })

    it("hands an event to a waiting subscriber right after its append", async () => {
      const follower = follow(log, start)
      for (let i = 0; i < 20; i++) {
        const outcome = await appended("merchant-001.m", i - 1, events(1))
        await until(`event ${i}`, () => compare(follower.upTo(), outcome.position) >= 0)
        expect(follower.seen).toHaveLength(i + 1)
      }
      await follower.stop()
    })

    it("tells a filtered subscriber how far it is, though every event was for others", async () => {
      const follower = follow(log, start, ["merchant-007."])
      const first = await appended("merchant-001.m", NO_STREAM, events(5))
      await until("moved on", () => compare(follower.upTo(), first.position) >= 0)
      const second = await appended("merchant-001.m", 4, events(1))
      await until("moved on, live", () => compare(follower.upTo(), second.position) >= 0)
      expect(follower.seen).toEqual([])
      const third = await appended("merchant-007.m", NO_STREAM, events(1))
      await until("the event that is for it", () => follower.seen.length === 1)
      expect(follower.upTo()).toBe(third.position)
      await follower.stop()
    })

    it("gives a subscriber of some partitions all of their events, and the last of every batch", async () => {
      const partitions = new Set([1, 3])
      const append = (count: number, revision: number) =>
        Effect.runPromise(
          log.append(
            Array.from({ length: count }, (_, i) => ({
              stream: `${(i % 5) % 2 === 0 ? "merchant" : "client"}-00${i % 5}.m`,
              expectedRevision: revision + Math.floor(i / 5),
              events: events(1),
            })),
          ),
        )
      await append(50, NO_STREAM)
      const batches: Array<LogBatch> = []
      const fiber = Effect.runFork(
        Stream.runForEach(log.subscribe({ after: start, partitions }), (batch) =>
          Effect.sync(() => batches.push(batch)),
        ),
      )
      const head = () => Effect.runPromise(log.head)
      const isAt = (position: Position) => () => compare(batches.at(-1)?.upTo ?? start, position) >= 0
      await until("caught up", isAt(await head()))
      await append(25, 9)
      await until("live", isAt(await head()))
      await Effect.runPromise(Fiber.interrupt(fiber))
      const isOwn = ({ stream }: RecordedEvent) => partitions.has(partitionOfStream(stream) ?? -1)
      const all = await collect(log.readAll({ direction: "forwards" }))
      expect(ids(batches.flatMap((batch) => batch.events).filter(isOwn))).toEqual(ids(all.filter(isOwn)))
      for (const batch of batches.filter(({ events }) => events.length > 0)) {
        const upTo = all.filter(({ position }) => compare(position, batch.upTo) <= 0)
        expect(batch.events.at(-1)?.position).toBe(upTo.at(-1)?.position)
      }
    })

    it("gives what was recorded long ago in stretches by partition, each event once, where it can", async () => {
      const { past } = log
      if (past === undefined) return
      const recordedAt =
        (at: number) =>
        (id: string): NewEvent => {
          const event = newEvent(id)
          return { ...event, metadata: { ...event.metadata, recordedAt: at } }
        }
      const long = recordedAt(1_000)
      const append = (count: number, revision: number, make: (id: string) => NewEvent, of = 5) =>
        Effect.runPromise(
          log.append(
            Array.from({ length: count }, (_, i) => ({
              stream: i % of === 4 ? "somebody-else" : `merchant-00${i % of}.m`,
              expectedRevision: revision + Math.floor(i / of),
              events: [make(`${revision} ${i}`)],
            })),
          ),
        )
      const read = async (options: Omit<PastOptions, "most">, events = 3_000) => {
        const stretches = await Effect.runPromise(
          Stream.runFold(
            past({ ...options, most: { events, bytes: 1e9 } }),
            [] as Array<{ all: Array<RecordedEvent>; partitions: Array<Partition>; past: Past }>,
            (before, one) => {
              const parts = [...one.partitions].map(({ partition, events: some }) => ({
                partition,
                some: [...some],
              }))
              for (const { partition, some } of parts)
                for (const { stream } of some) expect(partitionOfStream(stream)).toBe(partition)
              const partitions = parts.map(({ partition }) => partition)
              return [...before, { all: parts.flatMap(({ some }) => some), partitions, past: one }]
            },
          ),
        )
        return stretches
      }
      await append(1_000, NO_STREAM, long)
      expect(await read({ after: start })).toEqual([])
      await append(9_000, 199, long)
      const everything = await collect(log.readAll({ direction: "forwards" }))
      const placed = everything.filter(({ stream }) => stream !== "somebody-else")
      const stretches = await read({ after: start })
      expect(stretches.length).toBeGreaterThan(1)
      const byPosition = (events: Iterable<RecordedEvent>) =>
        [...events].sort((a, b) => compare(a.position, b.position))
      let after: Position = start
      for (const { all, partitions, past: one } of stretches) {
        const here = placed.filter(
          ({ position }) => compare(position, after) > 0 && compare(position, one.upTo) <= 0,
        )
        expect(byPosition(all)).toEqual(here)
        for (const partition of partitions) {
          const own = all.filter(({ stream }) => partitionOfStream(stream) === partition)
          expect(own).toEqual(byPosition(own))
        }
        expect(new Set(partitions).size).toBe(partitions.length)
        expect([one.events, one.recordedAt]).toEqual([here.length, 1_000])
        after = one.upTo
      }
      // What is left is short.
      expect(everything.filter(({ position }) => compare(position, after) > 0).length).toBeLessThan(2_000)
      const middle = (everything[4_321] as RecordedEvent).position
      const some = await read({ after: middle, partitions: new Set([2]) }, 100_000)
      expect(some.map(({ partitions }) => partitions)).toEqual([[2]])
      expect(some[0]?.all).toEqual(
        placed.filter(({ stream, position }) => stream === "merchant-002.m" && compare(position, middle) > 0),
      )
      await append(5, 1_999, recordedAt(Date.now()))
      const tail = await read({ after: start }, 100_000)
      expect(tail).toEqual([])
    })

    it("says how many events each partition has in a sample, where it can", async () => {
      if (log.weights === undefined) return
      expect(new Set(await Effect.runPromise(log.weights))).toEqual(new Set([0]))
      await appended("merchant-001.m", NO_STREAM, events(30))
      await appended("client-200.c", NO_STREAM, events(10))
      await appended("somebody-else", NO_STREAM, events(1))
      const weights = await Effect.runPromise(log.weights)
      expect([weights.length, weights[1], weights[200]]).toEqual([PARTITIONS, 30, 10])
      await appended("merchant-001.m", 29, events(9_959))
      const sampled = await Effect.runPromise(log.weights)
      const all = sampled.reduce((sum, weight) => sum + weight, 0)
      expect(all).toBeGreaterThan(4_000)
      expect(all).toBeLessThan(5_000)
      expect(sampled[1]).toBeGreaterThan(0.98 * all)
    })

    it("never leaves a gap or a double between catching up and live, whatever is appended meanwhile", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 40 })), {
            minLength: 1,
            maxLength: 40,
          }),
          fc.integer({ min: 0, max: 40 }),
          fc.constantFrom(undefined, ["x-1.", "x-3."]),
          async (writes, subscribeAt, prefixes) => {
            const begin = await Effect.runPromise(log.head)
            const run = randomUUID()
            const revisions = new Map<string, number>()
            const followers: Array<ReturnType<typeof follow>> = []
            const pending: Array<Promise<unknown>> = []
            for (const [i, [stream, count]] of writes.entries()) {
              if (i === subscribeAt % writes.length) followers.push(follow(log, begin, prefixes))
              const name = `x-${stream}.${run}`
              const revision = revisions.get(name) ?? NO_STREAM
              revisions.set(name, revision + count)
              pending.push(appended(name, revision, events(count)))
              if (count % 3 === 0) await pending.at(-1)
            }
            followers.push(follow(log, begin, prefixes))
            await Promise.all(pending)
            const head = await Effect.runPromise(log.head)
            const expected = await collect(
              log.readAll({
                direction: "forwards",
                from: begin,
                ...(prefixes === undefined ? {} : { prefixes }),
              }),
            )
            for (const follower of followers) {
              await until("caught up", () => compare(follower.upTo(), head) >= 0)
              await follower.stop()
              expect(follower.seen).toEqual(expected)
              let last = begin
              for (const { events: some, upTo } of follower.batches) {
                for (const event of some) {
                  expect(compare(event.position, last)).toBeGreaterThan(0)
                  last = event.position
                }
                expect(compare(upTo, last)).toBeGreaterThanOrEqual(0)
                last = upTo
              }
            }
          },
        ),
        { numRuns: 25, seed },
      )
    })

    it("serves a slow subscriber everything, while others go on", async () => {
      let released = () => {}
      const gate = new Promise<void>((resolve) => {
        released = resolve
      })
      const slow = follow(log, start, undefined, () => gate)
      const quick = follow(log, start)
      await appended("s-0.x", NO_STREAM, events(1))
      for (let round = 0; round < 30; round++)
        await append(
          Array.from({ length: 10 }, (_, i) => ({
            stream: `s-${i + 1}.x`,
            expectedRevision: round * 100 - 1,
            events: events(100),
          })),
        )
      await until("the quick one has all", () => quick.seen.length === 30_001)
      expect(slow.batches.length).toBeLessThanOrEqual(1)
      released()
      await until("the slow one has all", () => slow.seen.length === 30_001)
      expect(ids(slow.seen)).toEqual(ids(quick.seen))
      await Promise.all([slow.stop(), quick.stop()])
    })
  })
}
