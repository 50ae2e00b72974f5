import type { Interval } from "../domain/Metrics.js"
import { PARTITIONS } from "../domain/Partition.js"
import type { Counts } from "./Counts.js"
import type { Segment } from "./Facts.js"
import { timePart } from "./TimePart.js"
import type { VisitorSet } from "./VisitorSet.js"

/**
 * How the numbers of a merchant lie in documents. All keys begin with merchant, zone.
 *
 * A day of the zone with few events is its facts alone, in one document: the buckets of such a day are
 * made on reading, which costs no more than to read them. When a day has more, its buckets are filled from
 * the facts so far, and kept up to date from then on:
 *
 * `days`          day → how many facts; the facts while they are few, else the counts of the day and its hours.
 * `visitors`      day → the day's clients.
 * `hourVisitors`  hour → the hour's clients, apart, as a live event changes one hour.
 * `tens`          day → counts and clients of each TEN_MINUTES.
 * `minutes`       hour → counts and clients of each MINUTE.
 * `values`        dimensions, day → table by dimension and value: counts of the day.
 * `valueVisitors` dimensions, day → table by dimension and value: clients of the day.
 * `valueHours`    dimensions, day → table by dimension and value: counts of each hour.
 * `valueHourVisitors` dimensions, day → table by dimension and value: clients of each hour.
 *
 * Within a document buckets go by the seconds from its start. What is asked for apart lies apart: a year of
 * counts is read without the clients. Facts of larger days lie in `facts`, sessions in `sessions`.
 */
export const collections = {
  days: "days",
  visitors: "visitors",
  hourVisitors: "hourVisitors",
  tens: "tens",
  minutes: "minutes",
  values: "values",
  valueVisitors: "valueVisitors",
  valueHours: "valueHours",
  valueHourVisitors: "valueHourVisitors",
} as const

/** In memory a set of clients is a `VisitorSet`; as it comes from the store, a text. */
export type StoredVisitors = VisitorSet | string

export type Slots<A> = { [seconds: string]: A }

/** Counts, and clients once there are any. */
export type Slot = [Counts, StoredVisitors?]

export interface DayDoc {
  /** Facts of the day. */
  n: number
  /** Of a day with few events only. */
  f?: Segment
  /** Of a day with many: the day, and its hours. */
  d?: Counts
  h?: Slots<Counts>
  /** How many values of each dimension are counted apart, by its code. */
  c?: { [code: string]: number }
  /** Number of the segment that the next fact goes into; 0 while it is missing. */
  k?: number
}

export interface VisitorsDoc {
  v: StoredVisitors
}

/** Events of a day that are kept as facts alone, at most: as many as fit one segment of facts. */
export { SEGMENT as FEW } from "./Facts.js"

export const MINUTE_KEPT = 7 * 86_400_000
export const TEN_MINUTES_KEPT = 90 * 86_400_000

/** How long buckets of an interval are kept, in ms; undefined for ever. */
export const keptFor = (interval: Interval): number | undefined =>
  interval === "MINUTE" ? MINUTE_KEPT : interval === "TEN_MINUTES" ? TEN_MINUTES_KEPT : undefined

export const slotOf = (parent: number, at: number): string => String((at - parent) / 1000)

/** Of a document about a whole day or, in `minutes`, an hour. `start` is its first instant, epoch ms. */
export const timeKey = (merchantId: string, zone: string, start: number): string =>
  `${merchantId}\u0001${zone}\u0001${timePart(start)}`

/** Of a table of dimensions' values on a day. */
export const valuesKey = (merchantId: string, zone: string, table: string, day: number): string =>
  `${merchantId}\u0001${zone}\u0001${table}\u0001${timePart(day)}`

const named = (prefix: string): ReadonlyArray<string> =>
  Array.from({ length: PARTITIONS }, (_, partition) => prefix + String(partition).padStart(3, "0"))
const together = named("_p")
const active = named("_m")

/** Numbers of all merchants of a partition, kept as those of one with this id, in UTC. */
export const everyMerchant = (partition: number): string => together[partition] as string

/** As that, with merchants in the place of clients: which of them had events. */
export const activeMerchants = (partition: number): string => active[partition] as string
