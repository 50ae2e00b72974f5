import * as Effect from "effect/Effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  bucketDimensions,
  type Dimension,
  type Interval,
  type Metric,
  metrics as metricNames,
} from "../../../src/domain/Metrics.js"
import { partitionOf } from "../../../src/domain/Partition.js"
import type { Projection } from "../../../src/processors/Projection.js"
import { addSum, countRow } from "../../../src/projections/Counts.js"
import { Columns, factOf, newSegment } from "../../../src/projections/Facts.js"
import { makeMetrics, metrics, moneyOf, noCounts } from "../../../src/projections/metrics.js"
import { SegmentWriter } from "../../../src/projections/SegmentWriter.js"
import { folded } from "../../support/folded.js"
import { recorded, type TestEvent } from "../processors/support.js"

const now = Date.parse("2026-11-21T12:00:00Z")
const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000
const always = { from: now - 400 * DAY, to: now + DAY }

const view = (at: number, path?: string, recordedAt = now, clientKey?: string): TestEvent => ({
  type: "pageview",
  at,
  recordedAt,
  data: {
    merchantId: "m",
    ...(path === undefined ? {} : { path }),
    ...(clientKey === undefined ? {} : { clientKey }),
  },
})
const payment = (at: number, amount: number, currency: string, paymentMethod?: string): TestEvent => ({
  type: "payment",
  at,
  recordedAt: now,
  data: { merchantId: "m", amount, currency, ...(paymentMethod === undefined ? {} : { paymentMethod }) },
})
const settings = (timezone: string, recordedAt = now): TestEvent => ({
  type: "MerchantSettingsChanged",
  at: recordedAt,
  recordedAt,
  data: { merchantId: "m", settings: { timezone } },
})

const given = async (projection: Projection, events: ReadonlyArray<TestEvent>, timezone = "UTC") => {
  const { numbers, readModels, build } = await folded(projection, recorded(events))
  const subject = { id: "m", timezone, currency: "USD" }
  return {
    readModels,
    build,
    totals: async (range = always) => {
      const { values } = await Effect.runPromise(numbers.totals(subject, { range }))
      return Object.fromEntries(values.map(({ metric, value }) => [metric, value]))
    },
    series: async (metric: Metric, interval: Interval, range = always) => {
      const { points } = await Effect.runPromise(numbers.series(subject, { metric, interval, range }))
      return points.filter(({ value }) => value !== 0 && value !== null).map(({ at, value }) => [at, value])
    },
    breakdown: async (metric: Metric, by: Dimension, range = always) => {
      const { rows } = await Effect.runPromise(
        numbers.breakdown(subject, { metric, by, range, first: 1_000 }),
      )
      return rows.map(({ key, value }) => [key, value])
    },
  }
}

/** Days that are their tail alone, days that are settled with every event, and days between. */
const forms = [
  [256, metrics],
  [2, makeMetrics({ maxValues: 10_000, tail: 2 })],
  [0, makeMetrics({ maxValues: 10_000, tail: 0 })],
] as const

describe.each(forms)("metrics, with tails of up to %s facts", (_, projection) => {
  it("count events, views, payments, refunds and volumes, kept per currency, in every interval", async () => {
    const numbers = await given(projection, [
      view(now - 5 * MINUTE),
      payment(now - 4 * MINUTE, 1_250, "USD", "card"),
      payment(now - 4 * MINUTE, 99, "EUR"),
      { type: "refund", at: now, recordedAt: now, data: { merchantId: "m", amount: 50, currency: "USD" } },
      { type: "signup", at: now, recordedAt: now, data: { merchantId: "m" } },
      { type: "request", at: now, recordedAt: now, data: { merchantId: "m", clientKey: "c" } },
    ])
    expect(await numbers.totals()).toEqual({
      ...{ EVENTS: 5, PAGEVIEWS: 1, VISITORS: 0, SESSIONS: 0, BOUNCE_RATE: null, SESSION_SECONDS: null },
      ...{ PAYMENTS: 2, GROSS_VOLUME: 1_250, REFUNDS: 1, REFUND_VOLUME: 50, NET_VOLUME: 1_200 },
      ...{ AVERAGE_ORDER_VALUE: 1_250, POINTS_USED: 0, POINTS_EARNED: 0 },
    })
    const recent = { from: now - HOUR, to: now + MINUTE }
    expect(await numbers.series("EVENTS", "MINUTE", recent)).toEqual([
      [now - 5 * MINUTE, 1],
      [now - 4 * MINUTE, 2],
      [now, 2],
    ])
    expect(await numbers.series("PAYMENTS", "TEN_MINUTES", recent)).toEqual([[now - 10 * MINUTE, 2]])
    for (const interval of ["HOUR", "DAY", "WEEK", "MONTH"] as const) {
      const points = await numbers.series("GROSS_VOLUME", interval)
      expect(points.map(([, value]) => value)).toEqual([1_250])
    }
    expect(await numbers.breakdown("EVENTS", "PAYMENT_METHOD")).toEqual([
      ["(none)", 4],
      ["card", 1],
    ])
    expect(await numbers.breakdown("REFUND_VOLUME", "TYPE")).toEqual([["refund", 50]])
  })

  it("cut an event in the zone in force when it was recorded", async () => {
    const at = Date.parse("2026-11-20T20:00:00Z")
    const events = [view(at), settings("Asia/Kolkata"), view(at), settings("No/Where"), view(at)]
    const india = await given(projection, events, "Asia/Kolkata")
    const day = Date.parse("2026-11-20T18:30:00Z")
    expect(await india.series("EVENTS", "DAY")).toEqual([[day, 3]])
    expect(await india.totals()).toMatchObject({ EVENTS: 3 })
  })

  it("a late event joins two sessions, and moves what was counted", async () => {
    const client = "AAAAAAAAAAAAAAAAAAAAAA"
    const numbers = await given(projection, [
      view(now - 50 * MINUTE, "/b", now, client),
      view(now, "/c", now, client),
      view(now - 25 * MINUTE, "/late", now, client),
      view(now - 60 * MINUTE, "/a", now, client),
      view(now - DAY, "/alone", now, client),
    ])
    expect(await numbers.totals()).toMatchObject({
      ...{ VISITORS: 1, SESSIONS: 2, BOUNCE_RATE: 0.5, SESSION_SECONDS: 1_800 },
    })
    expect(await numbers.breakdown("SESSIONS", "PATH")).toEqual([
      ["/a", 1],
      ["/alone", 1],
    ])
    expect(await numbers.breakdown("VISITORS", "PATH")).toHaveLength(5)
  })
})

describe("metrics", () => {
  it("at most so many values of a dimension are kept a day, the rest are (other), in log order", async () => {
    const numbers = await given(makeMetrics({ maxValues: 3, tail: 0 }), [
      ...["/a", "/b", "/a", "/c", "/d", "/b", "/e"].map((path) => view(now, path)),
      view(now),
      view(now - HOUR, "/d"),
      view(now - DAY, "/e"),
    ])
    const today = { from: now - (now % DAY), to: now + DAY }
    expect(await numbers.breakdown("EVENTS", "PATH", today)).toEqual([
      ["(other)", 3],
      ["/a", 2],
      ["/b", 2],
      ["(none)", 1],
      ["/c", 1],
    ])
    const before = { from: today.from - DAY, to: today.from }
    expect(await numbers.breakdown("EVENTS", "PATH", before)).toEqual([["/e", 1]])
    const hour = { from: now, to: now + HOUR }
    expect(await numbers.breakdown("EVENTS", "PATH", hour)).toContainEqual(["(other)", 2])
  })

  it("names that JavaScript's objects inherit are values like others", async () => {
    const names = ["constructor", "__proto__", "toString", "a"]
    const numbers = await given(
      makeMetrics({ maxValues: 10_000, tail: 2 }),
      [...names, ...names].map((type) => ({ ...view(now), type })),
    )
    const rows = await numbers.breakdown("EVENTS", "TYPE")
    expect(rows.map(([name]) => name).sort()).toEqual([...names].sort())
    expect(new Set(rows.map(([, value]) => value))).toEqual(new Set([2]))
  })

  it("an event older than the retention makes no fine bucket, and aged documents go when new ones come", async () => {
    const many = makeMetrics({ maxValues: 10_000, tail: 0 })
    const fine = async (events: ReadonlyArray<TestEvent>, collection: string) => {
      const { readModels, build } = await given(many, events)
      const scan = { collection, from: "m\u0001", to: "m\u0002" }
      const { rows } = await Effect.runPromise(readModels.query(build, 0, [scan]))
      return rows[0]?.length
    }
    const old = [view(now - 8 * DAY), view(now - 91 * DAY)]
    expect(await fine(old, "minutes")).toBe(0)
    expect(await fine(old, "tens")).toBe(1)
    const aged = [view(now), view(now - HOUR), view(now + 8 * DAY, undefined, now + 8 * DAY)]
    expect(await fine(aged, "minutes")).toBe(1)
    expect(await fine(aged, "tens")).toBe(2)
  })

  it("sums stay exact past 2^53", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), { minLength: 1, maxLength: 30 }),
        (amounts) => {
          const facts = newSegment(now)
          for (const event of recorded(amounts.map((amount) => payment(now, amount, "USD")))) {
            new SegmentWriter(facts).append([factOf(event)])
          }
          const counts = noCounts()
          amounts.forEach((_, row) => {
            countRow(counts, new Columns(facts), row)
          })
          const stored = JSON.parse(JSON.stringify(counts))
          expect(moneyOf(stored, "USD").gross).toBe(amounts.reduce((sum, amount) => sum + BigInt(amount), 0n))
          expect(stored).toEqual(counts)
        },
      ),
    )
    expect(addSum(Number.MAX_SAFE_INTEGER, 1)).toBe("9007199254740992")
    expect(addSum("9007199254740992", "9007199254740992")).toBe("18014398509481984")
  })

  it("no document of a day grows past what its heaviest event weighs, and the numbers are the same", async () => {
    const events = Array.from({ length: 300 }, (_, i): TestEvent => {
      const client = { clientKey: `client-${i % 7}` }
      const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, name) => [`n${name}`, i % 2]))
      const properties = i % 3 === 0 ? { note: `${"x".repeat(50_000)}${i}` } : i % 3 === 1 ? many : { i }
      const data = { merchantId: "m", path: `/${i % 2}`, ...client, properties }
      return { type: "pageview", at: now - (i * 7 * MINUTE) / 300, recordedAt: now, data }
    })
    for (const count of [1, 2, 5, 127, 200, 255, 256, 257, 300]) {
      const { totals, readModels, build, series } = await given(metrics, events.slice(0, count))
      expect(await totals()).toMatchObject({ EVENTS: count, VISITORS: Math.min(7, count), PAGEVIEWS: count })
      expect(
        (await series("EVENTS", "MINUTE", { from: now - HOUR, to: now + MINUTE })).length,
      ).toBeGreaterThan(0)
      const scans = ["days", "facts"].map((collection) => ({ collection, from: "m\u0001", to: "m\u0002" }))
      const { rows } = await Effect.runPromise(readModels.query(build, partitionOf("m"), scans))
      const lengths = rows.flat().map(({ doc }) => JSON.stringify(doc).length)
      expect(Math.max(...lengths)).toBeLessThan(200_000)
      const facts = rows
        .flat()
        .map(({ doc }) => doc as { f?: { n: number }; n: number; d: unknown; b?: string })
      const held = facts.reduce((sum, one) => sum + (one.b === undefined ? (one.f?.n ?? 0) : one.n), 0)
      expect(held).toBe(count)
    }
  })

  it("a day gives the same numbers however many of its facts are settled", async () => {
    const event = fc.record({
      type: fc.constantFrom("pageview", "payment", "refund", "x"),
      back: fc.integer({ min: 0, max: 50 * HOUR }),
      client: fc.constantFrom(undefined, "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"),
      path: fc.constantFrom(undefined, "/a", "/b"),
      amount: fc.integer({ min: 0, max: 5 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 60 }),
        fc.integer({ min: 1, max: 40 }),
        async (list, some) => {
          const events = list.map(({ type, back, client, path, amount }) => ({
            ...view(now - back, path, now, client),
            type,
            ...(type === "payment" || type === "refund"
              ? { data: { ...view(0, path, now, client).data, amount, currency: "USD" } }
              : {}),
          }))
          const all = await Promise.all(
            [256, some, 0].map(async (limit) => {
              const numbers = await given(makeMetrics({ maxValues: 10_000, tail: limit }), events)
              const found: Array<unknown> = [await numbers.totals()]
              for (const metric of metricNames) {
                for (const interval of ["HOUR", "DAY"] as const)
                  found.push(await numbers.series(metric, interval))
                for (const by of bucketDimensions.slice(0, 2)) found.push(await numbers.breakdown(metric, by))
              }
              return found
            }),
          )
          expect(all[1]).toEqual(all[0])
          expect(all[2]).toEqual(all[0])
        },
      ),
      { numRuns: 30 },
    )
  })
})
