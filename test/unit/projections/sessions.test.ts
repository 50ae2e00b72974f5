import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { bucketDimensions } from "../../../src/domain/Metrics.js"
import { fromNumber } from "../../../src/domain/Position.js"
import type { Docs } from "../../../src/processors/Projection.js"
import { type SessionChange, wholeSession } from "../../../src/projections/Counts.js"
import type { Values } from "../../../src/projections/Dimensions.js"
import {
  SESSION_GAP,
  type Session,
  type SessionEvent,
  SessionFold,
  sessionsOf,
  sessionsScan,
  sessionsStarting,
} from "../../../src/projections/Sessions.js"
import { documents } from "./support.js"

const DAY = 86_400_000
const MINUTE = 60_000
const midnight = Date.parse("2026-11-21T00:00:00Z")

const noValues: Values = bucketDimensions.map(() => null)
const valuesWith = (path: string | null, last: string | null = null): Values =>
  noValues.map((value, i) => (i === 1 ? path : i === noValues.length - 1 ? last : value))

/** Of the merchant `m`, unless it says another. */
interface TestEvent extends SessionEvent {
  readonly merchantId: string
}

let made = 0
const event = (activity: number, more: Partial<TestEvent> = {}): TestEvent => ({
  merchantId: "m",
  visitor: "v",
  activity,
  id: `e${made++}`,
  pageView: true,
  position: fromNumber(made),
  zone: "UTC",
  values: noValues,
  ...more,
})

/** The definition: all events in order, cut where the gap is 30 minutes or more. */
const naive = (events: ReadonlyArray<SessionEvent>): ReadonlyArray<Session & { visitor: string }> => {
  const ordered = [...events].sort(
    (a, b) => a.activity - b.activity || a.id.length - b.id.length || (a.id < b.id ? -1 : 1),
  )
  const open = new Map<string, Array<SessionEvent>>()
  const runs: Array<Array<SessionEvent>> = []
  for (const one of ordered) {
    const run = open.get(one.visitor)
    const last = run?.at(-1)
    if (run !== undefined && last !== undefined && one.activity - last.activity < 30 * MINUTE) run.push(one)
    else {
      const started = [one]
      open.set(one.visitor, started)
      runs.push(started)
    }
  }
  return runs.map((run) => {
    const [first, last] = [run[0] as SessionEvent, run.at(-1) as SessionEvent]
    return {
      visitor: first.visitor,
      start: first.activity,
      end: last.activity,
      events: run.length,
      pageViews: run.filter(({ pageView }) => pageView).length,
      id: first.id,
      position: first.position,
      zone: first.zone,
      values: first.values,
    }
  })
}

const sorted = <A extends Session>(sessions: Iterable<A>): ReadonlyArray<A> =>
  [...sessions].sort((a, b) => a.start - b.start || (a.id < b.id ? -1 : 1))

/** The session as it is now. */
const plain = ({ start, end, events, pageViews, id, position, zone, values }: Session): Session => ({
  ...{ start, end, events, pageViews, id, position, zone, values },
})

const all = (docs: Docs) =>
  sorted(sessionsStarting(docs, "m", midnight - 200 * DAY, midnight + 200 * DAY)).map(plain)

/** As between two commits, where everything is looked up again. */
const recordSession = (docs: Docs, one: TestEvent) => new SessionFold(docs, one.merchantId).record(one)

const record = (docs: Docs, events: ReadonlyArray<TestEvent>) => {
  for (const one of events) recordSession(docs, one)
}

/** Times that are likely to be near each other, near midnight, and exactly at a gap from each other. */
const times = fc
  .oneof(
    fc.tuple(fc.integer({ min: -2, max: 2 }), fc.integer({ min: -70, max: 70 })),
    fc.tuple(fc.constant(0), fc.integer({ min: -300, max: 300 })),
    fc.tuple(fc.integer({ min: -1, max: 1 }), fc.integer({ min: 0, max: 1_440 })),
  )
  .map(([day, minutes]) => midnight + day * DAY + minutes * MINUTE)
const offsets = fc.constantFrom(0, 0, 0, -1, 1)

const drawnEvents = fc.array(
  fc.record({
    at: fc.tuple(times, offsets).map(([time, offset]) => time + offset),
    visitor: fc.constantFrom("v", "w", "__proto__"),
    pageView: fc.boolean(),
    path: fc.option(fc.constantFrom("/", "/a", ""), { nil: null }),
    last: fc.option(fc.constantFrom("20s"), { nil: null }),
    zone: fc.constantFrom("UTC", "Asia/Kolkata"),
    id: fc.string({ maxLength: 2 }),
  }),
  { maxLength: 60, size: "max" },
)
const build = (drawn: typeof drawnEvents extends fc.Arbitrary<infer A> ? A : never) =>
  drawn.map(({ at, visitor, pageView, path, last, zone, id }, i) =>
    event(at, {
      visitor,
      pageView,
      zone,
      id: `${id}${i}`,
      position: fromNumber(i),
      values: valuesWith(path, last),
    }),
  )

/** An event every 20 minutes: one session, in which any event that is left out leaves a gap. */
const chain = (from: number, days: number): ReadonlyArray<TestEvent> =>
  Array.from({ length: days * 72 }, (_, i) => event(from + i * 20 * MINUTE))

describe("sessions", () => {
  it("are what the definition says, however their events come, and before and after add up to them", () => {
    fc.assert(
      fc.property(drawnEvents, fc.integer({ min: 1, max: 9 }), (drawn, every) => {
        const events = build(drawn)
        const { docs, commit, scan } = documents()
        const there = new Map<string, Session>()
        const sum = { sessions: 0, bounces: 0, milliseconds: 0 }
        const add = ({ sessions, bounces, milliseconds }: SessionChange) => {
          sum.sessions += sessions
          sum.bounces += bounces
          sum.milliseconds += milliseconds
        }
        let fold = new SessionFold(docs, "m")
        events.forEach((one, i) => {
          const { before, after, longer } = fold.record(one)
          for (const session of before) {
            expect(there.get(session.position)).toEqual(plain(session))
            there.delete(session.position)
            add(wholeSession(session, -1))
          }
          expect(there.has(after.position)).toBe(longer !== undefined)
          there.set(after.position, plain(after))
          add(longer ?? wholeSession(after, 1))
          if (i % every === 0) {
            commit()
            fold = new SessionFold(docs, "m")
          }
        })
        const expected = sorted(naive(events))
        expect(all(docs)).toEqual(expected.map(plain))
        expect(sorted(there.values())).toEqual(expected.map(plain))
        const whole = { sessions: 0, bounces: 0, milliseconds: 0 }
        for (const { start, end, events: count, pageViews } of expected) {
          whole.sessions++
          whole.bounces += count === 1 && pageViews === 1 ? 1 : 0
          whole.milliseconds += end - start
        }
        expect(sum).toEqual(whole)
        commit()
        const [from, to] = [midnight - 40 * MINUTE, midnight + DAY + 1]
        const found = [...sessionsOf(scan(sessionsScan("m", from, to)), from, to)]
        expect(sorted(found.map(({ session, visitor }) => ({ ...plain(session), visitor })))).toEqual(
          expected.filter(({ start }) => start >= from && start < to),
        )
      }),
      { numRuns: 400 },
    )
  })

  it("are stored alike in every order of their events", () => {
    const orders = drawnEvents.chain((drawn) => {
      const events = build(drawn)
      const shuffled = fc.shuffledSubarray(events, { minLength: events.length })
      return fc.record({ events: fc.constant(events), shuffled })
    })
    fc.assert(
      fc.property(orders, ({ events, shuffled }) => {
        const stored = [events, shuffled].map((order) => {
          const { docs, texts, commit } = documents()
          record(docs, order)
          commit()
          return Object.fromEntries([...texts].map(([name, text]) => [name, JSON.parse(text)]))
        })
        expect(stored[1]).toEqual(stored[0])
      }),
      { numRuns: 200 },
    )
  })

  it("of months are one session when every gap is closed, in whatever order that happens", () => {
    const events = chain(midnight + 7 * MINUTE, 70)
    fc.assert(
      fc.property(fc.shuffledSubarray([...events], { minLength: events.length - 3 }), (shuffled) => {
        const { docs, commit } = documents()
        shuffled.forEach((one, i) => {
          recordSession(docs, one)
          if (i % 500 === 0) commit()
        })
        const expected = sorted(naive(shuffled)).map(plain)
        expect(expected.length).toBeLessThanOrEqual(4)
        expect(all(docs)).toEqual(expected)
      }),
      { numRuns: 6 },
    )
  })

  it("of months cost no more documents for an event than short ones", () => {
    const { docs, commit } = documents()
    let most = 0
    let read = 0
    let mostRead = 0
    const counting: Docs = {
      memo: docs.memo,
      get: (collection, name) => {
        read++
        return docs.get(collection, name)
      },
      put: (...args) => docs.put(...args),
      edit: (...args) => docs.edit(...args),
    }
    for (const one of chain(midnight, 60)) {
      read = 0
      recordSession(counting, one)
      mostRead = Math.max(mostRead, read)
      most = Math.max(most, commit())
    }
    expect(most).toBeLessThanOrEqual(2)
    expect(mostRead).toBeLessThanOrEqual(8)
    expect(all(docs)).toHaveLength(1)
  })

  it("end after a pause of 30 minutes, and not of a millisecond less", () => {
    const { docs } = documents()
    record(docs, [event(midnight), event(midnight + SESSION_GAP - 1), event(midnight + 2 * SESSION_GAP - 1)])
    expect(all(docs).map(({ events }) => events)).toEqual([2, 1])
    const { before, after } = recordSession(docs, event(midnight + SESSION_GAP))
    expect(before.map(({ events }) => events)).toEqual([2, 1])
    expect(after).toMatchObject({ start: midnight, end: midnight + 2 * SESSION_GAP - 1, events: 4 })
  })

  it("are joined over midnight up to the last millisecond of the gap, from either side", () => {
    for (const gap of [SESSION_GAP - 1, SESSION_GAP]) {
      for (const first of [-1, 0, -gap, -gap + 1, -gap / 2]) {
        const start = midnight + Math.floor(first)
        for (const order of [
          [start, start + gap],
          [start + gap, start],
        ]) {
          const { docs } = documents()
          record(
            docs,
            order.map((at) => event(at)),
          )
          expect(all(docs).map(({ events }) => events)).toEqual(gap < SESSION_GAP ? [2] : [1, 1])
        }
      }
    }
  })

  it("take their dimensions from the earliest event, and at one instant from the shorter, then smaller id", () => {
    const { docs } = documents()
    const at = (activity: number, id: string) => event(activity, { id, values: valuesWith(`/${id}`) })
    const paths = ["b", "later", "aa", "a", "B", "earlier"].map((id) => {
      const offset = id === "later" ? 1 : id === "earlier" ? -1 : 0
      return recordSession(docs, at(midnight + offset, id)).after.values[1]
    })
    expect(paths).toEqual(["/b", "/b", "/b", "/a", "/B", "/earlier"])
  })

  it("of other merchants and clients are apart", () => {
    const { docs } = documents()
    record(docs, [event(midnight), event(midnight, { merchantId: "m2" }), event(midnight, { visitor: "w" })])
    expect(all(docs).map(({ events }) => events)).toEqual([1, 1])
  })
})
