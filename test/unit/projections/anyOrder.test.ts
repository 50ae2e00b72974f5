import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import type { Filter } from "../../../src/domain/Filter.js"
import {
  bucketDimensions,
  type Dimension,
  type Interval,
  intervals,
  type Metric,
  metrics,
} from "../../../src/domain/Metrics.js"
import type { Range } from "../../../src/domain/TimeBuckets.js"
import { metrics as metricsProjection } from "../../../src/projections/metrics.js"
import type { MetricQueries } from "../../../src/queries/MetricQueries.js"
import { folded } from "../../support/folded.js"
import { rounds, soaking } from "../../support/rounds.js"
import { type Random, seededRandom } from "../../support/Seed.js"
import { recorded, run, type TestEvent } from "../processors/support.js"

const MINUTE = 60_000
const DAY = 86_400_000
/**
 * Everything was recorded long after it happened, but what short intervals keep. In times to come: events
 * that were recorded long ago are committed at leisure.
 */
const recordedFrom = Date.parse("2036-11-21T12:00:00Z")
const merchantId = "m"

interface Narrowing {
  readonly currency?: string
  readonly filter?: Filter
  readonly property?: string
}

type Happened = Pick<TestEvent, "type" | "at" | "data">

const shuffled = <A>(random: Random, values: ReadonlyArray<A>): ReadonlyArray<A> =>
  values
    .map((value) => ({ value, order: random.next() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value)

const maybe = <A>(random: Random, name: string, values: ReadonlyArray<A>): Record<string, A> =>
  random.integer(2) === 0 ? { [name]: random.pick(values) } : {}

const happened = (random: Random, id: string, clientKey: string, at: number): Happened => {
  const type = random.pick(["pageview", "pageview", "payment", "refund", "signup"])
  const paid = type === "payment" || type === "refund"
  return {
    type,
    at,
    data: {
      id,
      merchantId,
      ...(random.integer(9) === 0 ? {} : { clientKey }),
      ...maybe(random, "path", ["/", "/a", "/b", "/ü"]),
      ...maybe(random, "referrer", ["a.example", "b.example"]),
      ...maybe(random, "country", ["JP", "DE"]),
      ...maybe(random, "device", ["mobile", "desktop"]),
      ...maybe(random, "browser", ["Chrome", "Firefox"]),
      ...maybe(random, "os", ["Linux", "iOS"]),
      ...maybe(random, "grade", ["gold", "silver"]),
      ...maybe(random, "gender", ["f", "m"]),
      ...maybe(random, "ageBand", ["18-24", "65+"]),
      ...maybe(random, "properties", [{ sku: "A" }, { sku: "B", size: 1 }]),
      ...(paid ? { amount: random.integer(5_000), currency: random.pick(["USD", "EUR"]) } : {}),
      ...(paid ? maybe(random, "paymentMethod", ["card", "cash"]) : {}),
      ...maybe(random, "pointsUsed", [1, 2, 3]),
      ...maybe(random, "pointsEarned", [4, 5]),
    },
  }
}

/** Visits, so that late events extend, begin and join sessions. Times of one client often are equal. */
const visits = (random: Random, count: number, clients: number, from: number, to: number) => {
  const events: Array<Happened> = []
  while (events.length < count) {
    const client = `client-${random.integer(clients)}`
    let at = from + random.integer(to - from)
    for (let left = 1 + random.integer(5); left > 0 && at < to; left--) {
      events.push(happened(random, `${random.pick(["", "a", "\uffee"])}${events.length}-${from}`, client, at))
      at += random.pick([0, MINUTE, 29 * MINUTE, 30 * MINUTE, 31 * MINUTE])
    }
  }
  return events
}

const range = { from: recordedFrom - 200 * DAY, to: recordedFrom + DAY }
const busy = { from: recordedFrom - 3 * DAY, to: recordedFrom - 2 * DAY }
const kept = { MINUTE: 3 * DAY, TEN_MINUTES: 10 * DAY, HOUR: 40 * DAY, DAY: 0, WEEK: 0, MONTH: 0 }
const someFilters: ReadonlyArray<Filter> = [
  { all: [{ dimension: "PATH", in: ["/a", "/b"] }] },
  {
    all: [
      { dimension: "COUNTRY", notIn: ["JP"] },
      { dimension: "TYPE", in: ["pageview", "payment"] },
    ],
  },
]
const oneOfAKind = ["EVENTS", "VISITORS", "SESSIONS", "SESSION_SECONDS", "GROSS_VOLUME"] as const

/** Every number that the read service gives: each metric in each bucket, and by each value. */
const everyNumber = async (
  queries: MetricQueries,
  timezone: string,
): Promise<ReadonlyMap<string, string>> => {
  const of = (currency = "USD") => ({ id: merchantId, timezone, currency })
  const numbers = new Map<string, string>()
  const series = async (metric: Metric, interval: Interval, narrowing: Narrowing = {}) => {
    const from = recordedFrom - (kept[interval] || 200 * DAY)
    const { currency, filter } = narrowing
    const asked = { metric, interval, range: { from, to: range.to }, filter }
    const { points } = await run(queries.series(of(currency), asked))
    const values = points.map(({ at, value }) => [at, value])
    numbers.set(`${metric} by ${interval} ${JSON.stringify(narrowing)}`, JSON.stringify(values))
  }
  const breakdown = async (metric: Metric, by: Dimension, days: Range, narrowing: Narrowing = {}) => {
    const { currency, ...more } = narrowing
    const asked = { metric, by, range: days, first: 1_000, ...more }
    const { rows } = await run(queries.breakdown(of(currency), asked))
    const name = `${metric} by ${by} from ${days.from} ${JSON.stringify(narrowing)}`
    numbers.set(name, JSON.stringify(rows))
  }
  for (const metric of metrics) {
    for (const interval of intervals) await series(metric, interval)
    for (const by of bucketDimensions) await breakdown(metric, by, range)
    await series(metric, "HOUR", { currency: "EUR" })
    await breakdown(metric, "TYPE", range, { currency: "EUR" })
  }
  for (const by of bucketDimensions) {
    for (const metric of oneOfAKind) await breakdown(metric, by, busy)
  }
  for (const filter of someFilters) {
    const { values } = await run(queries.totals(of(), { range, filter }))
    numbers.set(`totals ${JSON.stringify(filter)}`, JSON.stringify(values))
    for (const metric of metrics) await series(metric, "DAY", { filter })
    for (const metric of oneOfAKind) await breakdown(metric, "PATH", range, { filter })
    await breakdown("SESSIONS", "PROPERTY", range, { filter, property: "sku" })
  }
  return numbers
}

const digestOf = (numbers: ReadonlyMap<string, string>): string =>
  createHash("sha256")
    .update(JSON.stringify([...numbers]))
    .digest("hex")

/** Folds the events in this order and in random batches, and asks for every number. */
const numbersOf = async (random: Random, timezone: string, events: ReadonlyArray<Happened>) => {
  const created: TestEvent = {
    type: "MerchantCreated",
    at: recordedFrom,
    recordedAt: recordedFrom,
    data: { merchantId, settings: { timezone, currency: "USD" } },
  }
  const all = [created, ...events.map((event, i) => ({ ...event, recordedAt: recordedFrom + i }))]
  const batch = random.pick([7, 200, 3_000])
  const { numbers } = await folded(metricsProjection, recorded(all), () => random.integer(batch) === 0)
  return everyNumber(numbers, timezone)
}

const expectSame = async (timezone: string, random: Random, events: ReadonlyArray<Happened>) => {
  const first = await numbersOf(random, timezone, events)
  const byTime = [...events].sort((a, b) => a.at - b.at)
  const orders: Array<ReadonlyArray<Happened>> = soaking ? [byTime] : []
  orders.push([...byTime].reverse())
  for (let more = rounds(1, 10); more > 0; more--) orders.push(shuffled(random, events))
  for (const order of orders) {
    const other = await numbersOf(random, timezone, order)
    const differing = [...first].filter(([name, value]) => other.get(name) !== value)
    expect(differing.map(([name, value]) => `${name}: ${value} or ${other.get(name)}`).slice(0, 5)).toEqual(
      [],
    )
    expect(digestOf(other)).toBe(digestOf(first))
  }
  const months = JSON.parse(first.get("EVENTS by MONTH {}") ?? "[]") as ReadonlyArray<[number, number]>
  expect(months.reduce((sum, [, value]) => sum + value, 0)).toBe(events.length)
}

describe("the same events in any order and any batching give the same numbers", () => {
  const { random } = seededRandom("any order")

  it("on quiet days", async () => {
    const events = [
      ...visits(random, 120, 6, recordedFrom - 190 * DAY, recordedFrom - 100 * DAY),
      ...visits(random, 150, 6, recordedFrom - 6 * DAY, recordedFrom),
    ]
    await expectSame("Asia/Kolkata", random, events)
  })

  it("on busy days beside quiet ones", async () => {
    const events = [
      ...visits(random, 900, 60, recordedFrom - 3 * DAY, recordedFrom - 2 * DAY),
      ...visits(random, 60, 60, recordedFrom - 150 * DAY, recordedFrom),
    ]
    await expectSame("America/New_York", random, events)
  })

  it("with more visitors than are told apart", async () => {
    const events = [
      ...visits(random, 4_000, 3_000, recordedFrom - 3 * DAY, recordedFrom - 2 * DAY),
      ...visits(random, 500, 3_000, recordedFrom - 30 * DAY, recordedFrom),
    ]
    await expectSame("UTC", random, events)
  })
})
