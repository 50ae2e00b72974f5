import type { BucketDimension, Interval, Metric } from "../domain/Metrics.js"
import { bucketStart, type Range } from "../domain/TimeBuckets.js"
import { key, under } from "../readmodels/Key.js"
import type { Row, Scan } from "../readmodels/ReadModels.js"
import { columnsOf } from "./CountColumns.js"
import { addCounts, type Counts, noCounts } from "./Counts.js"
import { hoursIn } from "./DayHours.js"
import { dimensionCode, dimensionTable } from "./Dimensions.js"
import { FACTS } from "./Facts.js"
import {
  collections,
  type DayDoc,
  type Slot,
  type Slots,
  type StoredVisitors,
  slotTime,
  type VisitorsDoc,
} from "./Layout.js"
import { countsPacking, hoursPacking, type PackedCounts, type PackedHours } from "./PackedEntries.js"
import { isPacked, type Packing, rowEntries, storedEntries } from "./Table.js"
import { Tally } from "./Tally.js"
import { timeOf, timePart } from "./TimePart.js"
import { EXACT_UP_TO, VisitorSet } from "./VisitorSet.js"
import { unionSize } from "./VisitorUnion.js"

/** What a bucket holds; what was not asked for is empty. */
export interface Bucket {
  /** Its first instant, epoch ms. */
  readonly at: number
  /** The value of the dimension; undefined without one. */
  readonly value: string | undefined
  readonly counts: Counts
  readonly visitors: VisitorSet | undefined
}

export interface Wanted {
  readonly dimension?: BucketDimension | undefined
  readonly counts: boolean
  readonly visitors: boolean
  /**
   * Only the sums by value over each part matter, and of the counts only what this metric is made of: buckets may
   * come added up, at any instant of their part.
   */
  readonly sumsOf?: { readonly metric: Metric; readonly currency: string } | undefined
}

/** Intervals that buckets are kept at. Weeks and months are sums of days. */
export type Kept = Exclude<Interval, "WEEK" | "MONTH">

/** A day as the fold has it. */
export interface Day {
  readonly zone: string
  /** Its first instant, epoch ms. */
  readonly start: number
  readonly facts: number
  /** Of these, how many lie in segments and are counted in buckets; the others are the tail. */
  readonly settled: number
  /** Whether it has buckets. */
  readonly isLarge: boolean
  readonly doc: DayDoc
}

/** The days of a zone that have a part in the range. Read the rows with `daysOf`. */
export const daysScan = (merchantId: string, zone: string, range: Range): Scan => ({
  collection: collections.days,
  from: key(merchantId, zone, timePart(bucketStart(zone, "DAY", range.from))),
  to: key(merchantId, zone, timePart(Math.ceil(range.to / 1000) * 1000)),
})

export const daysOf = (zone: string, rows: ReadonlyArray<Row>): ReadonlyArray<Day> =>
  rows.map((row) => {
    const doc = row.doc as DayDoc
    return {
      zone,
      start: timeOf(row.key.slice(row.key.lastIndexOf("\u0001") + 1)),
      facts: doc.n,
      settled: doc.n - (doc.f?.n ?? 0),
      isLarge: doc.d !== undefined,
      doc,
    }
  })

/** The settled facts of the zone's days from `first` to `last`, both included. */
export const segmentsScan = (merchantId: string, zone: string, first: number, last: number): Scan => ({
  collection: FACTS,
  from: key(merchantId, zone, timePart(first)),
  to: under(merchantId, zone, timePart(last)).to,
})

/** Where the kept buckets of an interval lie, days apart, which `daysScan` finds. */
const collectionsOf = (interval: Kept, { dimension, counts, visitors }: Wanted): ReadonlyArray<string> => {
  if (dimension !== undefined) {
    const [counted, seen] =
      interval === "DAY"
        ? [collections.values, collections.valueVisitors]
        : [collections.valueHours, collections.valueHourVisitors]
    return [...(counts ? [counted] : []), ...(visitors ? [seen] : [])]
  }
  if (interval === "MINUTE") return [collections.minutes]
  if (interval === "TEN_MINUTES") return [collections.tens]
  if (!visitors) return []
  return [interval === "DAY" ? collections.visitors : collections.hourVisitors]
}

/** The scans, beside `daysScan`, that find the kept buckets of a range. Read the rows with `keptBuckets`. */
export const bucketScans = (
  merchantId: string,
  zone: string,
  interval: Kept,
  range: Range,
  wanted: Wanted,
): ReadonlyArray<Scan> => {
  const isByHour = interval === "MINUTE" || (interval === "HOUR" && wanted.dimension === undefined)
  const parent = isByHour ? "HOUR" : "DAY"
  const first = timePart(bucketStart(zone, parent, range.from))
  const end = timePart(Math.ceil(range.to / 1000) * 1000)
  const before = wanted.dimension === undefined ? [] : [dimensionTable(wanted.dimension)]
  return collectionsOf(interval, wanted).map((collection) => ({
    collection,
    from: key(merchantId, zone, ...before, first),
    to: key(merchantId, zone, ...before, end),
  }))
}

type Add = (at: number, value: string | undefined, counts?: Counts, visitors?: StoredVisitors) => void

const addSlots = (parent: number, slots: Slots<Slot>, add: Add): void => {
  for (const name in slots) {
    const [counts, visitors] = slots[name] as Slot
    add(slotTime(parent, name), undefined, counts, visitors)
  }
}

/** The entries of one dimension, by its values. */
function* valuesIn<E>(row: Row, code: string, packing?: Packing): Generator<[string, E]> {
  for (const [name, entry] of rowEntries<E>(row, 4, packing)) {
    if (name.startsWith(code)) yield [name.slice(1), entry]
  }
}

/** Adds the row up, if it is one of packed counts. */
const tallyRow = (tally: Tally, collection: string, row: Row, isIn: (at: number) => boolean): boolean => {
  if (collection !== collections.values && collection !== collections.valueHours) return false
  const stored = storedEntries(row, 4)
  if (stored === undefined) return true
  if (!isPacked(stored)) return false
  const [, , , time = "", chunk = ""] = row.key.split("\u0001")
  const day = timeOf(time)
  const places = tally.placesIn(chunk, stored as PackedCounts)
  if (collection === collections.values) {
    if (isIn(day)) tally.add(places, (stored as PackedCounts).c)
    return true
  }
  const { h } = stored as PackedHours
  for (const slot in h) if (isIn(slotTime(day, slot))) tally.add(places, h[slot] as PackedHours["h"][string])
  return true
}

const addRow = (collection: string, row: Row, code: string, add: Add): void => {
  const parts = row.key.split("\u0001")
  switch (collection) {
    case collections.minutes:
    case collections.tens:
      addSlots(timeOf(parts[2] as string), row.doc as Slots<Slot>, add)
      return
    case collections.visitors:
    case collections.hourVisitors:
      add(timeOf(parts[2] as string), undefined, undefined, (row.doc as VisitorsDoc).v)
      return
  }
  const day = timeOf(parts[3] as string)
  switch (collection) {
    case collections.values:
      for (const [value, counts] of valuesIn<Counts>(row, code, countsPacking)) {
        add(day, value, counts)
      }
      return
    case collections.valueVisitors:
      for (const [value, visitors] of valuesIn<StoredVisitors>(row, code))
        add(day, value, undefined, visitors)
      return
    case collections.valueHours:
      for (const [value, slots] of valuesIn<Slots<Counts>>(row, code, hoursPacking)) {
        for (const name in slots) add(slotTime(day, name), value, slots[name])
      }
      return
    case collections.valueHourVisitors:
      for (const [value, slots] of valuesIn<Slots<StoredVisitors>>(row, code)) {
        for (const name in slots) add(slotTime(day, name), value, undefined, slots[name])
      }
      return
  }
}

/**
 * The kept buckets of the large days and of the rows of `bucketScans`, that begin in the range, in no order
 * and in pieces: add up those of one time and value. Days that `skips` says are left out.
 */
export const keptBuckets = (
  interval: Kept,
  range: Range,
  wanted: Wanted,
  days: ReadonlyArray<Day>,
  scanned: ReadonlyArray<{ readonly collection: string; readonly rows: ReadonlyArray<Row> }>,
  skips: ((at: number) => boolean) | undefined,
  take: (bucket: Bucket) => void,
): void => {
  const isIn = (at: number): boolean => at >= range.from && at < range.to && skips?.(at) !== true
  const add: Add = (at, value, counts, visitors) => {
    if (!isIn(at)) return
    take({
      at,
      value,
      counts: counts ?? noCounts(),
      visitors: wanted.visitors && visitors !== undefined ? VisitorSet.decode(visitors) : undefined,
    })
  }
  if (wanted.dimension === undefined && wanted.counts && (interval === "DAY" || interval === "HOUR")) {
    for (const { start, doc } of days) {
      if (interval === "DAY") {
        if (doc.d !== undefined) add(start, undefined, doc.d)
        continue
      }
      const hours = hoursIn(doc.h)
      for (const name in hours) add(slotTime(start, name), undefined, hours[name])
    }
  }
  const code = wanted.dimension === undefined ? "" : dimensionCode[wanted.dimension]
  const tally = tallyFor(code, wanted)
  for (const { collection, rows } of scanned) {
    for (const row of rows) {
      if (tally === undefined || !tallyRow(tally, collection, row, isIn)) addRow(collection, row, code, add)
    }
  }
  for (const [value, counts] of tally?.sums() ?? []) {
    take({ at: range.from, value, counts, visitors: undefined })
  }
}

const tallyFor = (code: string, { dimension, counts, sumsOf }: Wanted): Tally | undefined =>
  dimension === undefined || !counts || sumsOf === undefined || sumsOf.metric === "VISITORS"
    ? undefined
    : new Tally(code, columnsOf(sumsOf.metric, sumsOf.currency))

/** Twelve times the standard error of an estimate. */
const MOST_ABOVE = 1.1

/** Counts and clients that were added up. */
export class Sum {
  readonly counts: Counts = noCounts()
  private readonly sets: Array<VisitorSet> = []
  private known: number | undefined

  add(bucket: Bucket): void {
    addCounts(this.counts, bucket.counts)
    if (bucket.visitors === undefined) return
    this.sets.push(bucket.visitors)
    this.known = undefined
  }

  /** What `visitors` is not above, at little cost: an estimate is within a tenth of what it estimates. */
  get visitorsAtMost(): number {
    let sum = 0
    for (const set of this.sets) sum += set.isExact ? set.size : Number.POSITIVE_INFINITY
    return sum > EXACT_UP_TO ? sum * MOST_ABOVE : sum
  }

  /** Clients in any of the buckets; 0 when they were not asked for. */
  get visitors(): number {
    this.known ??= unionSize(this.sets)
    return this.known
  }
}

/** The sum of all buckets given. */
export const sumOf = (buckets: Iterable<Bucket>): Sum => {
  const sum = new Sum()
  for (const bucket of buckets) sum.add(bucket)
  return sum
}

/** Sums by the key that `of` gives. */
export const sumsBy = <K>(buckets: Iterable<Bucket>, of: (bucket: Bucket) => K): ReadonlyMap<K, Sum> => {
  const sums = new Map<K, Sum>()
  for (const bucket of buckets) {
    const name = of(bucket)
    let sum = sums.get(name)
    if (sum === undefined) {
      sum = new Sum()
      sums.set(name, sum)
    }
    sum.add(bucket)
  }
  return sums
}
