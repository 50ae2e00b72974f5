import * as Effect from "effect/Effect"
import type { Filter } from "../domain/Filter.js"
import {
  type BucketDimension,
  type Dimension,
  type Interval,
  type Metric,
  metrics,
} from "../domain/Metrics.js"
import type { Position } from "../domain/Position.js"
import type { Range } from "../domain/TimeBuckets.js"
import { isMet, metricValue, Sum, sumOf, sumsBy } from "../projections/metrics.js"
import type { AsOfBuckets } from "./asof/AsOfBuckets.js"
import { checkFilter } from "./Filter.js"
import type { FilteredBuckets } from "./FilteredBuckets.js"
import type { AsOf } from "./Freshness.js"
import { checkKept } from "./Kept.js"
import type { BucketReading, BucketsWanted, MerchantBuckets, Part } from "./MerchantBuckets.js"
import { type QueryError, refused } from "./QueryError.js"
import { cover, planSeries } from "./TimeRange.js"
import { type BreakdownRow, topRows } from "./TopRows.js"

export type { BreakdownRow } from "./TopRows.js"

export interface MetricValue {
  readonly metric: Metric
  /** Null for 0 ÷ 0. */
  readonly value: number | null
}

export interface Totals {
  readonly values: ReadonlyArray<MetricValue>
  readonly range: Range
  readonly asOf: AsOf
}

export interface Point {
  readonly at: number
  readonly value: number | null
  /** False while the bucket has not ended, or events recorded before its end are still to be counted. */
  readonly complete: boolean
}

export interface Series {
  readonly points: ReadonlyArray<Point>
  readonly range: Range
  readonly asOf: AsOf
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
  /** As it stood at this position, which the read models include; the settings are those of then. */
  readonly upTo?: Position | undefined
}

export interface BreakdownAsked {
  readonly metric: Metric
  readonly by: Dimension
  /** The name of a custom property, with PROPERTY. */
  readonly property?: string | null | undefined
  readonly range: Range
  readonly first?: number | null | undefined
  readonly filter?: Filter | null | undefined
}

export interface SeriesAsked {
  readonly metric: Metric
  readonly interval: Interval
  readonly range: Range
  readonly filter?: Filter | null | undefined
}

export interface TotalsAsked {
  readonly range: Range
  readonly filter?: Filter | null | undefined
}

export const DEFAULT_ROWS = 10
export const MAX_ROWS = 1_000

export interface MetricQueries {
  readonly totals: (subject: Subject, asked: TotalsAsked) => Effect.Effect<Totals, QueryError>
  readonly series: (subject: Subject, asked: SeriesAsked) => Effect.Effect<Series, QueryError>
  readonly breakdown: (subject: Subject, asked: BreakdownAsked) => Effect.Effect<Breakdown, QueryError>
}

/** What a metric is made of. */
interface Needs {
  readonly counts: boolean
  readonly visitors: boolean
  readonly sessions: boolean
}

const needsOf = (metric: Metric): Needs => ({
  counts: metric !== "VISITORS",
  visitors: metric === "VISITORS",
  sessions: metric === "SESSIONS" || metric === "BOUNCE_RATE" || metric === "SESSION_SECONDS",
})

export const allNeeds: Needs = { counts: true, visitors: true, sessions: true }

const metricOf = (sum: Sum, metric: Metric, currency: string): number | null =>
  metric === "VISITORS" ? sum.visitors : metricValue(sum.counts, metric, currency)

const hasAny = (sum: Sum, metric: Metric, currency: string): boolean =>
  metric === "VISITORS" ? sum.visitors > 0 : isMet(sum.counts, metric, currency)

export const valuesOf = (sum: Sum, currency: string): ReadonlyArray<MetricValue> =>
  metrics.map((metric) => ({ metric, value: metricOf(sum, metric, currency) }))

const empty = new Sum()

/** The dimension, and the property's name where it needs one. */
const byOf = (by: Dimension, property: string | null | undefined) => {
  const named = property ?? undefined
  if (by === "PROPERTY" && (named === undefined || named === "")) {
    return refused(
      "PROPERTY_REQUIRED",
      "a breakdown by PROPERTY needs property, the name of a custom property",
    )
  }
  if (by !== "PROPERTY" && named !== undefined) {
    return refused("PROPERTY_REQUIRED", `property goes with a breakdown by PROPERTY, not by ${by}`)
  }
  return Effect.succeed({ dimension: by, property: named })
}

export const makeMetricQueries = (
  buckets: MerchantBuckets,
  facts: FilteredBuckets,
  past: AsOfBuckets,
): MetricQueries => {
  const read = (
    subject: Subject,
    parts: ReadonlyArray<Part>,
    needs: Needs,
    filter: Filter | null | undefined,
    by?: { readonly dimension: Dimension; readonly property?: string | undefined },
    sumsOf?: BucketsWanted["sumsOf"],
  ): Effect.Effect<BucketReading, QueryError> =>
    Effect.gen(function* () {
      const checked = filter === null || filter === undefined ? undefined : yield* checkFilter(filter)
      if (subject.upTo !== undefined) {
        const narrowing = checked === undefined || checked.terms.length === 0 ? undefined : checked
        const { visitors, sessions } = needs
        return yield* past.read(subject, parts, { visitors, sessions, by, filter: narrowing }, subject.upTo)
      }
      if ((checked === undefined || checked.terms.length === 0) && by?.dimension !== "PROPERTY") {
        const dimension = by?.dimension as BucketDimension | undefined
        return yield* buckets.read(subject, parts, { ...needs, dimension, sumsOf })
      }
      return yield* facts.read(subject, parts, { ...needs, by, filter: checked })
    })

  return {
    totals: (subject, asked) =>
      Effect.gen(function* () {
        const { range, parts } = yield* cover(subject.timezone, asked.range)
        const reading = yield* read(subject, parts, allNeeds, asked.filter)
        const sum = sumOf(reading.parts.flat())
        return { values: valuesOf(sum, subject.currency), range, asOf: reading.asOf }
      }),

    series: (subject, { metric, interval, range: asked, filter }) =>
      Effect.gen(function* () {
        const zone = subject.timezone
        const { range, starts } = yield* planSeries(zone, interval, asked)
        const reading = yield* read(subject, [{ interval, range }], needsOf(metric), filter)
        yield* checkKept(zone, interval, range, reading.answer.checkpoint.recordedAt)
        const sums = sumsBy(reading.parts.flat(), ({ at }) => at)
        const points = starts.map((at, index) => ({
          at,
          value: metricOf(sums.get(at) ?? empty, metric, subject.currency),
          complete: (starts[index + 1] ?? range.to) <= reading.caughtUpTo,
        }))
        return { points, range, asOf: reading.asOf }
      }),

    breakdown: (subject, { metric, by, property, range: asked, first, filter }) =>
      Effect.gen(function* () {
        const rows = first ?? DEFAULT_ROWS
        if (!Number.isInteger(rows) || rows < 0 || rows > MAX_ROWS) {
          return yield* refused(
            "INVALID_FIRST",
            `first must be a whole number from 0 to ${MAX_ROWS}, not ${rows}`,
            { limit: MAX_ROWS },
          )
        }
        const made = yield* byOf(by, property)
        const { range, parts } = yield* cover(subject.timezone, asked)
        const sumsOf = { metric, currency: subject.currency }
        const reading = yield* read(subject, parts, needsOf(metric), filter, made, sumsOf)
        const sums = sumsBy(reading.parts.flat(), ({ value }) => value ?? "")
        const { currency } = subject
        const candidates = Array.from(sums, ([key, sum]) => ({
          key,
          atMost: metric === "VISITORS" ? sum.visitorsAtMost : Number.POSITIVE_INFINITY,
          value: () => (hasAny(sum, metric, currency) ? (metricOf(sum, metric, currency) ?? 0) : undefined),
        }))
        return { rows: topRows(candidates, rows), range, asOf: reading.asOf }
      }),
  }
}
