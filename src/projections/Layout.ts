import type { Interval } from "../domain/Metrics.js"
import { PARTITIONS } from "../domain/Partition.js"
import type { Counts } from "./Counts.js"
import type { StoredHours } from "./DayHours.js"
import { SEGMENT, type Segment } from "./Facts.js"
import { tablesIn } from "./Table.js"
import { timePart } from "./TimePart.js"
import type { VisitorSet } from "./VisitorSet.js"
import type { StoredWaiting } from "./Waiting.js"

/**
 * How the numbers of a merchant lie in documents. All keys begin with merchant, zone.
 *
 * The last facts of a day, its tail, stand in the day's document and are counted into buckets on reading. When
 * the tail is full it is settled: counted into the buckets of the day, and laid away in `facts`. So a day with
 * few events is its tail alone, and one with many rewrites its buckets once for every tail, not for every event:
 *
 * `days`          day → how many facts; the tail; what is settled: the counts of the day and its hours.
 * `visitors`      day → the day's clients.
 * `hourVisitors`  hour → the hour's clients, apart, as a live event changes one hour.
 * `tens`          day → counts and clients of each TEN_MINUTES.
 * `minutes`       hour → counts and clients of each MINUTE.
 * `values`        dimensions, day → table by dimension and value: counts of the day.
 * `valueVisitors` dimensions, day → table by dimension and value: clients of the day.
 * `valueHours`    dimensions, day → table by dimension and value: counts of each hour.
 * `valueHourVisitors` dimensions, day → table by dimension and value: clients of each hour.
 *
 * Within a document buckets go by `t` and the seconds from its start. What is asked for apart lies apart: a year of
 * counts is read without the clients. Counts of many names in one document (`values`, `valueHours`, and `h` in
 * `days`) lie by columns. Sessions lie in `sessions`.
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

/** Those that hold tables. */
export const tables = {
  values: tablesIn(collections.values),
  valueVisitors: tablesIn(collections.valueVisitors),
  valueHours: tablesIn(collections.valueHours),
  valueHourVisitors: tablesIn(collections.valueHourVisitors),
} as const

/** In memory a set of clients is a `VisitorSet`; as it comes from the store, a text. */
export type StoredVisitors = VisitorSet | string

export type Slots<A> = { [seconds: string]: A }

/** Counts, and clients once there are any. */
export type Slot = [Counts, StoredVisitors?]

/**
 * A change of a session's bucket that is not settled: its start (ms since the day's), sessions, bounces,
 * milliseconds; then the number of the session's earliest event in the tail, or else that event's values, up to
 * the last that is not null (0 for null).
 */
export type PendingSession = [number, number, number, number, ...Array<number | string>]

export interface DayDoc {
  /** Facts of the day. */
  n: number
  /** The tail; none while it is missing. */
  f?: Segment
  /** What sessions that start on the day have changed since. */
  s?: StoredWaiting
  /** The day and its hours, of a day that was settled. */
  d?: Counts
  h?: StoredHours
  /** How many values of each dimension are counted apart, by its code. */
  c?: { [code: string]: number }
  /** Number of the segment that the tail will be; 0 while it is missing. */
  k?: number
}

export interface VisitorsDoc {
  v: StoredVisitors
}

/** Facts of a tail, at most: as many as fit one segment. */
export const TAIL = SEGMENT

export const MINUTE_KEPT = 7 * 86_400_000
export const TEN_MINUTES_KEPT = 90 * 86_400_000

/** How long buckets of an interval are kept, in ms; undefined for ever. */
export const keptFor = (interval: Interval): number | undefined =>
  interval === "MINUTE" ? MINUTE_KEPT : interval === "TEN_MINUTES" ? TEN_MINUTES_KEPT : undefined

const MINUTE = 60_000
/** By the minute in which it begins: one text for all documents is found in them faster than one made anew. */
const slotNames = Array.from({ length: 26 * 60 }, (_, minute) => `t${minute * 60}`)

/** Not a number alone: objects with such names are slow to write. */
export const slotOf = (parent: number, at: number): string =>
  slotNames[(at - parent) / MINUTE] ?? `t${(at - parent) / 1000}`

/** First instant of the bucket in the slot, epoch ms. */
export const slotTime = (parent: number, slot: string): number => parent + Number(slot.slice(1)) * 1000

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
