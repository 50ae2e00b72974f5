import { nextBucket } from "../domain/TimeBuckets.js"
import { type Segment, segmentKey } from "../projections/Facts.js"
import { slotTime } from "../projections/Layout.js"
import { Columns, type Day, daysOf, daysScan, FACTS, hoursIn } from "../projections/metrics.js"
import type { Row, Scan } from "../readmodels/ReadModels.js"

/** Takes a piece of facts; `count` is told of each row that is read, before anything else. */
export type Look = (columns: Columns, count?: (row: number, at: number) => void) => void

/**
 * A part of a merchant's facts that is read piece by piece. What was not read yet happened before `below`
 * (epoch ms), so that sources can be read in order of time though none is in that order itself.
 */
export interface Source {
  readonly below: number
  /** The scan of the next piece. */
  readonly scan: Scan
  /** Takes the rows of that scan; gives the sources that they lead to. */
  readonly take: (rows: ReadonlyArray<Row>, look: Look) => ReadonlyArray<Source>
}

export interface Ours {
  readonly merchantId: string
  /** Epoch ms; `to` excluded. */
  readonly from: number
  readonly to: number
}

const EXHAUSTED = Number.NEGATIVE_INFINITY

/** Days read in one go: few at first, as the newest often are enough. */
const FIRST_DAYS = 4
const MOST_DAYS = 64

/** Segments read in one go: few at first, then some milliseconds' worth, and others get their turn. */
const FIRST_SLICE = 2
const MOST_SLICE = 32

/** The days of a zone, from the newest. Their tails come with them. */
export class DaysOfZone implements Source {
  below: number
  private limit = FIRST_DAYS
  private to: string | undefined

  constructor(
    private readonly ours: Ours,
    private readonly zone: string,
  ) {
    this.below = ours.to
  }

  get scan(): Scan {
    const { ours, zone, limit } = this
    const all = daysScan(ours.merchantId, zone, ours)
    return { ...all, to: this.to ?? all.to, limit, reverse: true }
  }

  take(rows: ReadonlyArray<Row>, look: Look): ReadonlyArray<Source> {
    const days = daysOf(this.zone, rows)
    const last = days.at(-1)
    this.to = rows.at(-1)?.key
    // Every day before one ends where that one begins, or earlier.
    this.below = last === undefined || rows.length < this.limit ? EXHAUSTED : Math.min(this.below, last.start)
    this.limit = Math.min(this.limit * 4, MOST_DAYS)
    return days.flatMap((day) => {
      if (day.doc.f !== undefined) look(new Columns(day.doc.f))
      return day.settled === 0 ? [] : [new SettledFacts(this.ours, day)]
    })
  }
}

/**
 * The settled facts of a day, from the last recorded. They are not in order of time; but a segment knows
 * the latest time of those before it, and the day how many it has in each hour, so that an hour is done
 * when so many were read.
 */
class SettledFacts implements Source {
  below: number
  private next: number
  private slice = FIRST_SLICE
  /** Starts of the hours, and how many of their facts were not read yet. */
  private readonly starts: ReadonlyArray<number>
  private readonly left: Array<number>
  /** Hours from this one on are done. */
  private done: number

  constructor(
    private readonly ours: Ours,
    private readonly day: Day,
  ) {
    const { start, doc } = day
    this.next = (doc.k ?? 0) - 1
    const hours = Object.entries(hoursIn(doc.h))
      .map(([slot, counts]) => ({ start: slotTime(start, slot), events: Number(counts[0] ?? 0) }))
      .toSorted((a, b) => a.start - b.start)
    this.starts = hours.map((hour) => hour.start)
    this.left = hours.map((hour) => hour.events)
    // What comes after the range need not be known to be all there.
    this.done = hours.filter((hour) => hour.start < ours.to).length
    this.below = Math.min(ours.to, nextBucket(day.zone, "DAY", start))
    this.settle()
  }

  get scan(): Scan {
    const { ours, day, next, slice } = this
    const at = (number: number) => segmentKey(ours.merchantId, day.zone, day.start, number)
    return { collection: FACTS, from: at(Math.max(0, next - slice + 1)), to: at(next + 1), reverse: true }
  }

  take(rows: ReadonlyArray<Row>, look: Look): ReadonlyArray<Source> {
    for (const { doc } of rows) {
      const columns = new Columns(doc as Segment)
      look(columns, (_, at) => this.count(at))
      this.below = Math.min(this.below, (columns.latestBefore ?? Number.POSITIVE_INFINITY) + 1)
    }
    this.next -= this.slice
    this.slice = Math.min(this.slice * 4, MOST_SLICE)
    if (this.next < 0) this.below = EXHAUSTED
    else this.settle()
    return []
  }

  private count(at: number): void {
    const { starts, left } = this
    let hour = starts.length - 1
    while (hour > 0 && (starts[hour] as number) > at) hour--
    left[hour] = (left[hour] as number) - 1
  }

  private settle(): void {
    while (this.done > 0 && (this.left[this.done - 1] as number) <= 0) {
      this.done--
      this.below = Math.min(this.below, this.starts[this.done] as number)
    }
  }
}
