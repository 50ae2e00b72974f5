import { Effect } from "effect"
import { type Dimension, type Interval, type Metric, metrics } from "../domain/Metrics.js"
import { nextBucket, type Range } from "../domain/TimeBuckets.js"
import {
  addCounts,
  byValue,
  type Counts,
  keptFor,
  metricValue,
  moneyOf,
  noCounts,
  sumOf,
} from "../projections/metrics.js"
import type { AsOf } from "./Freshness.js"
import type { MerchantBuckets, Part } from "./MerchantBuckets.js"
import { type QueryError, refused } from "./QueryError.js"
import { cover, planSeries } from "./TimeRange.js"

export interface MetricValue {
  readonly metric: Metric
  readonly value: number
}

export interface Totals {
  readonly values: ReadonlyArray<MetricValue>
  readonly range: Range
  readonly asOf: AsOf
}

export interface Point {
  readonly at: number
  readonly value: number
  /** False while the bucket has not ended, or events recorded before its end are still to be counted. */
  readonly complete: boolean
}

export interface Series {
  readonly points: ReadonlyArray<Point>
  readonly range: Range
  readonly asOf: AsOf
}

export interface BreakdownRow {
  readonly key: string
  readonly value: number
}

export interface Breakdown {
  readonly rows: ReadonlyArray<BreakdownRow>
  readonly range: Range
  readonly asOf: AsOf
}

/** The merchant that is asked about, in whose zone ranges are cut; money is counted in `currency` alone. */
export interface Subject {
  readonly id: string
  readonly timezone: string
  readonly currency: string
}

export const DEFAULT_ROWS = 10
export const MAX_ROWS = 1_000

export interface MetricQueries {
  readonly totals: (subject: Subject, range: Range) => Effect.Effect<Totals, QueryError>
  readonly series: (
    subject: Subject,
    metric: Metric,
    interval: Interval,
    range: Range,
  ) => Effect.Effect<Series, QueryError>
  readonly breakdown: (
    subject: Subject,
    metric: Metric,
    by: Dimension,
    range: Range,
    first?: number | null,
  ) => Effect.Effect<Breakdown, QueryError>
}

export const valuesOf = (counts: Counts, currency: string): ReadonlyArray<MetricValue> =>
  metrics.map((metric) => ({ metric, value: metricValue(counts, metric, currency) }))

/** The range's days, and the hours at its ends. */
const coverParts = (zone: string, range: Range) =>
  Effect.map(cover(zone, range), ({ range: whole, hours, days }) => {
    const parts: Array<Part> = hours.map((part) => ({ interval: "HOUR", range: part }))
    if (days !== undefined) parts.push({ interval: "DAY", range: days })
    return { whole, parts }
  })

/** Whether any event of the metric is in the counts: payments of 0 in the currency are. */
const isMet = (counts: Counts, metric: Metric, currency: string): boolean =>
  metric === "GROSS_VOLUME" ? moneyOf(counts, currency).count > 0 : metricValue(counts, metric, currency) > 0

const byValueThenKey = (a: BreakdownRow, b: BreakdownRow): number =>
  b.value - a.value || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

export const makeMetricQueries = (buckets: MerchantBuckets): MetricQueries => ({
  totals: (subject, asked) =>
    Effect.gen(function* () {
      const { whole, parts } = yield* coverParts(subject.timezone, asked)
      const reading = yield* buckets.read(subject, parts)
      return {
        values: valuesOf(sumOf(reading.parts.flat()), subject.currency),
        range: whole,
        asOf: reading.asOf,
      }
    }),

  series: (subject, metric, interval, asked) =>
    Effect.gen(function* () {
      const zone = subject.timezone
      const { range, starts } = yield* planSeries(zone, interval, asked)
      const reading = yield* buckets.read(subject, [{ interval, range }])
      const kept = keptFor(interval)
      const newest = reading.answer.checkpoint.recordedAt
      if (kept !== undefined && newest !== null && range.from < newest - kept) {
        const earliest = new Date(nextBucket(zone, interval, newest - kept)).toISOString()
        return yield* refused(
          "RANGE_NOT_KEPT",
          `${interval} is kept for ${kept / 86_400_000} days: begin at ${earliest} or later, or ask for HOUR or DAY`,
          { earliest, days: kept / 86_400_000 },
        )
      }
      const sums = new Map<number, Counts>()
      for (const { at, counts } of reading.parts.flat()) {
        const sum = sums.get(at) ?? noCounts()
        addCounts(sum, counts)
        sums.set(at, sum)
      }
      const points = starts.map((at, index) => {
        const sum = sums.get(at)
        return {
          at,
          value: sum === undefined ? 0 : metricValue(sum, metric, subject.currency),
          complete: (starts[index + 1] ?? range.to) <= reading.caughtUpTo,
        }
      })
      return { points, range, asOf: reading.asOf }
    }),

  breakdown: (subject, metric, by, asked, first) =>
    Effect.gen(function* () {
      const rows = first ?? DEFAULT_ROWS
      if (!Number.isInteger(rows) || rows < 0 || rows > MAX_ROWS) {
        return yield* refused(
          "INVALID_FIRST",
          `first must be a whole number from 0 to ${MAX_ROWS}, not ${rows}`,
          { limit: MAX_ROWS },
        )
      }
      const { whole, parts } = yield* coverParts(subject.timezone, asked)
      const reading = yield* buckets.read(subject, parts, by)
      const found: Array<BreakdownRow> = []
      for (const [key, counts] of byValue(reading.parts.flat())) {
        if (isMet(counts, metric, subject.currency)) {
          found.push({ key, value: metricValue(counts, metric, subject.currency) })
        }
      }
      found.sort(byValueThenKey)
      return { rows: found.slice(0, rows), range: whole, asOf: reading.asOf }
    }),
})
