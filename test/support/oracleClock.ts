/**
 * What the clocks of a zone show, by `Intl` alone: the buckets of the oracle. Shares no code with
 * Tidemark. Goes through time by quarters of an hour: every zone's clocks have been set at whole ones
 * since 1986, which is as far back as it may be asked.
 */
export type Interval = "MINUTE" | "TEN_MINUTES" | "HOUR" | "DAY" | "WEEK" | "MONTH"

const MINUTE = 60_000
const QUARTER = 15 * MINUTE
const HOUR = 4 * QUARTER
const DAY = 24 * HOUR
const MARGIN = 40 * DAY

type Long = "HOUR" | "DAY" | "WEEK" | "MONTH"
type Starts = Record<Long, Array<number>>

/** The greatest of the sorted numbers that is not greater than `at`: its index. */
const lastUpTo = (sorted: ReadonlyArray<number>, at: number): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as number) <= at) low = middle + 1
    else high = middle
  }
  return low - 1
}

export class OracleClock {
  private readonly format: Intl.DateTimeFormat
  private covered = { from: 0, to: 0 }
  private starts: Starts = { HOUR: [], DAY: [], WEEK: [], MONTH: [] }
  private readonly clocks = new Map<number, number>()

  constructor(readonly zone: string) {
    this.format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
    })
  }

  /** What the clocks show at a whole quarter, as if it were UTC. */
  private shown(at: number): number {
    const known = this.clocks.get(at)
    if (known !== undefined) return known
    const [month, day, year, hour, minute] = this.format
      .format(at)
      .split(/[^0-9]+/)
      .map(Number) as [number, number, number, number, number]
    const local = Date.UTC(year, month - 1, day, hour, minute)
    this.clocks.set(at, local)
    return local
  }

  /** How far the clocks are ahead of UTC, in ms. */
  offset(at: number): number {
    const quarter = Math.floor(at / QUARTER) * QUARTER
    return this.shown(quarter) - quarter
  }

  private cover(at: number): void {
    const { from, to } = this.covered
    if (from < to && at >= from + MARGIN && at < to - MARGIN) return
    const begin = Math.min(from < to ? from : at, at - 2 * MARGIN)
    const end = Math.max(from < to ? to : at, at + 2 * MARGIN)
    this.covered = { from: Math.floor(begin / DAY) * DAY, to: Math.ceil(end / DAY) * DAY }
    const starts: Starts = { HOUR: [], DAY: [], WEEK: [], MONTH: [] }
    const last: Partial<Record<Long, string>> = {}
    const note = (interval: Long, label: string, quarter: number): void => {
      if (last[interval] !== label && last[interval] !== undefined) starts[interval].push(quarter)
      last[interval] = label
    }
    let day = Number.NEGATIVE_INFINITY
    for (let quarter = this.covered.from; quarter < this.covered.to; quarter += QUARTER) {
      const local = this.shown(quarter)
      note("HOUR", `${Math.floor(local / HOUR)} at ${local - quarter}`, quarter)
      // Clocks set back over midnight show the day before again, but the new day has begun.
      day = Math.max(day, Math.floor(local / DAY))
      note("DAY", String(day), quarter)
      note("WEEK", String(Math.floor((day + 3) / 7)), quarter)
      note("MONTH", new Date(day * DAY).toISOString().slice(0, -17), quarter)
    }
    this.starts = starts
  }

  /** The bucket that holds the instant: from its first instant up to that of the next. */
  bucket(interval: Interval, at: number): { readonly from: number; readonly to: number } {
    this.cover(at)
    if (interval === "MINUTE" || interval === "TEN_MINUTES") {
      const unit = interval === "MINUTE" ? MINUTE : 10 * MINUTE
      const hour = this.bucket("HOUR", at)
      const offset = this.offset(at)
      const floor = Math.floor((at + offset) / unit) * unit - offset
      return { from: Math.max(hour.from, floor), to: Math.min(hour.to, floor + unit) }
    }
    const starts = this.starts[interval]
    const index = lastUpTo(starts, at)
    const from = starts[index]
    const to = starts[index + 1]
    if (from === undefined || to === undefined) throw new Error(`${at} is not covered`)
    return { from, to }
  }

  /** The range widened to whole buckets. */
  widen(interval: Interval, range: { from: number; to: number }): { from: number; to: number } {
    return { from: this.bucket(interval, range.from).from, to: this.bucket(interval, range.to - 1).to }
  }

  /** First instants of all buckets of a range of whole ones. */
  buckets(interval: Interval, range: { from: number; to: number }): ReadonlyArray<number> {
    const starts: Array<number> = []
    for (let at = range.from; at < range.to; at = this.bucket(interval, at).to) starts.push(at)
    return starts
  }
}

const made = new Map<string, OracleClock>()

export const clockOf = (zone: string): OracleClock => {
  const clock = made.get(zone) ?? new OracleClock(zone)
  made.set(zone, clock)
  return clock
}
