import type { Interval } from "./Metrics.js"
import { offsetAt, transitionBetween } from "./Zone.js"

export { isValidZone } from "./Zone.js"

/**
 * Time is cut into buckets by the clocks of a zone. All instants are epoch ms; a bucket is named by its
 * first instant and reaches to the first instant of the next. Where clocks are set, a bucket may be
 * longer or shorter than its name says: a DAY may have 23 or 25 hours, and a bucket shorter than a day
 * never reaches across the change.
 */
export interface Range {
  readonly from: number
  /** Excluded. */
  readonly to: number
}

const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000

const floor = (value: number, unit: number): number => Math.floor(value / unit) * unit

/** The first instant at which the zone's calendar shows this day (days since 1970-01-01), or a later one. */
const startOfDay = (zone: string, day: number): number => {
  const local = day * DAY
  if (zone === "UTC") return local
  const before = offsetAt(zone, local - DAY)
  const after = offsetAt(zone, local + DAY)
  const early = local - Math.max(before, after)
  const late = local - Math.min(before, after)
  if (early + offsetAt(zone, early) === local) return early
  if (late + offsetAt(zone, late) === local) return late
  // Midnight does not exist: the day begins when the clocks are set.
  return early < late ? transitionBetween(zone, early, late) : late
}

/** The day (days since 1970-01-01) whose bucket holds the instant. */
const dayOf = (zone: string, at: number): number => {
  let day = Math.floor((at + offsetAt(zone, at)) / DAY)
  // Clocks set back over midnight show a day twice; a day that has begun is not left again.
  while (startOfDay(zone, day + 1) <= at) day++
  while (startOfDay(zone, day) > at) day--
  return day
}

const mondayOf = (day: number): number => day - ((((day + 3) % 7) + 7) % 7)

const dayOfMonth = (year: number, month: number): number => {
  const date = new Date(0)
  date.setUTCFullYear(year, month, 1)
  return Math.floor(date.getTime() / DAY)
}

const short = (zone: string, at: number, unit: number): number => {
  const offset = offsetAt(zone, at)
  const start = floor(at + offset, unit) - offset
  return offsetAt(zone, start) === offset ? start : transitionBetween(zone, start, at)
}

/** The first instant of the bucket that holds `at`. Throws a RangeError for an unknown zone. */
export const bucketStart = (zone: string, interval: Interval, at: number): number => {
  switch (interval) {
    case "MINUTE":
      return short(zone, at, MINUTE)
    case "TEN_MINUTES":
      return short(zone, at, 10 * MINUTE)
    case "HOUR":
      return short(zone, at, HOUR)
    case "DAY":
      return startOfDay(zone, dayOf(zone, at))
    case "WEEK":
      return startOfDay(zone, mondayOf(dayOf(zone, at)))
    case "MONTH": {
      const date = new Date(dayOf(zone, at) * DAY)
      return startOfDay(zone, dayOfMonth(date.getUTCFullYear(), date.getUTCMonth()))
    }
  }
}

/** The first instant of the bucket after the one that holds `at`. */
export const nextBucket = (zone: string, interval: Interval, at: number): number => {
  switch (interval) {
    case "MINUTE":
      return nextShort(zone, at, MINUTE)
    case "TEN_MINUTES":
      return nextShort(zone, at, 10 * MINUTE)
    case "HOUR":
      return nextShort(zone, at, HOUR)
    case "DAY":
      return startOfDay(zone, dayOf(zone, at) + 1)
    case "WEEK":
      return startOfDay(zone, mondayOf(dayOf(zone, at)) + 7)
    case "MONTH": {
      const date = new Date(dayOf(zone, at) * DAY)
      return startOfDay(zone, dayOfMonth(date.getUTCFullYear(), date.getUTCMonth() + 1))
    }
  }
}

const nextShort = (zone: string, at: number, unit: number): number => {
  const offset = offsetAt(zone, at)
  const next = floor(at + offset, unit) + unit - offset
  return offsetAt(zone, next - 1) === offset ? next : transitionBetween(zone, at, next - 1)
}

/** The range widened to whole buckets. An empty range stays empty. */
export const widen = (zone: string, interval: Interval, range: Range): Range => {
  const from = bucketStart(zone, interval, range.from)
  if (range.to <= range.from) return { from, to: from }
  return { from, to: nextBucket(zone, interval, range.to - 1) }
}

/** First instants of the buckets that begin in the range, in order; no more than `limit`. */
export const bucketStarts = (
  zone: string,
  interval: Interval,
  range: Range,
  limit = Number.POSITIVE_INFINITY,
): ReadonlyArray<number> => {
  const starts: Array<number> = []
  let at = bucketStart(zone, interval, range.from)
  if (at < range.from) at = nextBucket(zone, interval, at)
  while (at < range.to && starts.length < limit) {
    starts.push(at)
    at = nextBucket(zone, interval, at)
  }
  return starts
}

/** The buckets of the stored intervals that hold one instant. */
export interface Cut {
  readonly minute: number
  readonly tenMinutes: number
  readonly hour: number
  readonly day: number
}

interface Block {
  readonly offset: number
  readonly hour: number
  readonly day: number
}

const BLOCK = 900_000
const MAX_BLOCKS = 20_000
const cuts = new Map<string, Map<number, Block | undefined>>()
/** What was found last: neighbours mostly lie in one block. */
let last: { readonly zone: string; readonly number: number; readonly block: Block } | undefined

/** What `bucketStart` gives for four intervals, for folds: 15-minute blocks are remembered. */
export const cut = (zone: string, at: number): Cut => {
  const block = blockAt(zone, Math.floor(at / BLOCK))
  if (block === undefined) {
    return {
      minute: bucketStart(zone, "MINUTE", at),
      tenMinutes: bucketStart(zone, "TEN_MINUTES", at),
      hour: bucketStart(zone, "HOUR", at),
      day: bucketStart(zone, "DAY", at),
    }
  }
  const local = at + block.offset
  return {
    minute: floor(local, MINUTE) - block.offset,
    tenMinutes: Math.max(floor(local, 10 * MINUTE) - block.offset, block.hour),
    hour: block.hour,
    day: block.day,
  }
}

const blockAt = (zone: string, number: number): Block | undefined => {
  if (last !== undefined && last.number === number && last.zone === zone) return last.block
  let blocks = cuts.get(zone)
  if (blocks === undefined) {
    blocks = new Map()
    cuts.set(zone, blocks)
  }
  let block = blocks.get(number)
  if (block === undefined && !blocks.has(number)) {
    if (blocks.size >= MAX_BLOCKS) blocks.clear()
    block = wholeBlock(zone, number * BLOCK)
    blocks.set(number, block)
  }
  if (block !== undefined) last = { zone, number, block }
  return block
}

/** The block, when all its instants share offset, hour and day. */
const wholeBlock = (zone: string, from: number): Block | undefined => {
  const last = from + BLOCK - 1
  const offset = offsetAt(zone, from)
  if (offsetAt(zone, last) !== offset) return undefined
  const hour = bucketStart(zone, "HOUR", from)
  const day = bucketStart(zone, "DAY", from)
  if (bucketStart(zone, "HOUR", last) !== hour || bucketStart(zone, "DAY", last) !== day) return undefined
  // A minute that began under another offset would be cut differently.
  if (bucketStart(zone, "MINUTE", from) !== floor(from + offset, MINUTE) - offset) return undefined
  return { offset, hour, day }
}
