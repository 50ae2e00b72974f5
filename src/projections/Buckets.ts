import type { Dimension, Interval } from "../domain/Metrics.js"
import { bucketStart } from "../domain/TimeBuckets.js"
import { key } from "../readmodels/Key.js"
import type { Row, Scan } from "../readmodels/ReadModels.js"
import { addCounts, type Counts, noCounts } from "./Counts.js"
import { timeOf, timePart } from "./TimePart.js"

export { timeOf, timePart } from "./TimePart.js"

/**
 * How buckets are laid out as documents, and how to read them back.
 *
 * `days`    merchant, zone, day → the DAY bucket, and its HOURs by seconds from the start of the day.
 * `tens`    merchant, zone, day → TEN_MINUTES buckets by seconds from the start of the day.
 * `minutes` merchant, zone, hour → MINUTE buckets by seconds from the start of the hour.
 * `values`  merchant, zone, dimension, day, value → as `days`, for one value of a dimension.
 *
 * Hours lie inside their day's document, because a live event then costs half the writes.
 */
export const collections = {
  days: "days",
  tens: "tens",
  minutes: "minutes",
  values: "values",
} as const

export type Slots = { [seconds: string]: Counts }

export interface DayDoc {
  readonly d: Counts
  readonly h: Slots
  /** How many values each dimension has on this day; in `days` only. */
  readonly n?: { [code: string]: number }
}

export const MINUTE_KEPT = 7 * 86_400_000
export const TEN_MINUTES_KEPT = 90 * 86_400_000

/** How long buckets of an interval are kept, in ms; undefined for ever. */
export const keptFor = (interval: Interval): number | undefined =>
  interval === "MINUTE" ? MINUTE_KEPT : interval === "TEN_MINUTES" ? TEN_MINUTES_KEPT : undefined

export const dimensionCode = { TYPE: "T", PATH: "P", PAYMENT_METHOD: "M" } as const satisfies Record<
  Dimension,
  string
>

export const slotOf = (parent: number, at: number): string => String((at - parent) / 1000)

interface Layout {
  readonly collection: string
  readonly parent: Interval
}

const layoutOf = (interval: Interval): Layout => {
  switch (interval) {
    case "MINUTE":
      return { collection: collections.minutes, parent: "HOUR" }
    case "TEN_MINUTES":
      return { collection: collections.tens, parent: "DAY" }
    default:
      return { collection: collections.days, parent: "DAY" }
  }
}

/**
 * The scan that finds the buckets of a range (epoch ms; `to` excluded). Without a dimension any interval
 * can be asked for; with one MINUTE and TEN_MINUTES can't, as they are not kept. Read the rows with
 * `bucketsOf`.
 */
export const bucketScan = (
  merchantId: string,
  zone: string,
  interval: Interval,
  dimension: Dimension | undefined,
  from: number,
  to: number,
): Scan => {
  const layout = layoutOf(interval)
  const first = timePart(bucketStart(zone, layout.parent, from))
  const end = timePart(Math.ceil(to / 1000) * 1000)
  if (dimension === undefined) {
    return {
      collection: layout.collection,
      from: key(merchantId, zone, first),
      to: key(merchantId, zone, end),
    }
  }
  const code = dimensionCode[dimension]
  return {
    collection: collections.values,
    from: key(merchantId, zone, code, first),
    to: key(merchantId, zone, code, end),
  }
}

export interface Bucket {
  /** The bucket's first instant, epoch ms. */
  readonly at: number
  /** The value of the dimension; undefined without one. */
  readonly value: string | undefined
  readonly counts: Counts
}

/**
 * The buckets in the rows of a `bucketScan` with the same arguments: those that begin in the range, in
 * order of time (with a dimension: by day, then value, then time). WEEK and MONTH are sums of their days that lie in the range.
 * Empty buckets are not stored and not returned.
 */
export const bucketsOf = (
  zone: string,
  interval: Interval,
  dimension: Dimension | undefined,
  from: number,
  to: number,
  rows: ReadonlyArray<Row>,
): ReadonlyArray<Bucket> => {
  const buckets: Array<Bucket> = []
  const timeAt = dimension === undefined ? 2 : 3
  for (const row of rows) {
    const parts = row.key.split("\u0001")
    const parent = timeOf(parts[timeAt] as string)
    const value = dimension === undefined ? undefined : parts[timeAt + 1]
    if (interval === "MINUTE" || interval === "TEN_MINUTES" || interval === "HOUR") {
      const slots = interval === "HOUR" ? (row.doc as DayDoc).h : (row.doc as Slots)
      for (const slot in slots) {
        const at = parent + Number(slot) * 1000
        if (at >= from && at < to) buckets.push({ at, value, counts: slots[slot] as Counts })
      }
    } else if (parent >= from && parent < to) {
      buckets.push({ at: parent, value, counts: (row.doc as DayDoc).d })
    }
  }
  return interval === "WEEK" || interval === "MONTH" ? merged(zone, interval, buckets) : buckets
}

const merged = (zone: string, interval: Interval, days: ReadonlyArray<Bucket>): ReadonlyArray<Bucket> => {
  const sums = new Map<string, Bucket>()
  for (const day of days) {
    const at = bucketStart(zone, interval, day.at)
    const id = `${at} ${day.value ?? ""}`
    let sum = sums.get(id)
    if (sum === undefined) {
      sum = { at, value: day.value, counts: noCounts() }
      sums.set(id, sum)
    }
    addCounts(sum.counts, day.counts)
  }
  return [...sums.values()]
}

/** Sums by value of the dimension, over all buckets given: the rows of a breakdown, in no order. */
export const byValue = (buckets: ReadonlyArray<Bucket>): ReadonlyMap<string, Counts> => {
  const sums = new Map<string, Counts>()
  for (const bucket of buckets) {
    const value = bucket.value ?? ""
    let counts = sums.get(value)
    if (counts === undefined) {
      counts = noCounts()
      sums.set(value, counts)
    }
    addCounts(counts, bucket.counts)
  }
  return sums
}

/** The sum of all buckets given. */
export const sumOf = (buckets: ReadonlyArray<Bucket>): Counts => {
  const counts = noCounts()
  for (const bucket of buckets) addCounts(counts, bucket.counts)
  return counts
}
