import { compare, type Position } from "../../domain/Position.js"
import { type Segment, segmentKey } from "../../projections/Facts.js"
import { slotTime } from "../../projections/Layout.js"
import { Columns, type Day, FACTS, hoursIn } from "../../projections/metrics.js"
import type { Row, Scan } from "../../readmodels/ReadModels.js"

/** Takes a piece of facts, of which the first `count` are wanted. */
export type Take = (columns: Columns, count: number, day: Day) => void

/** Segments read in one go, some 10 ms; then others get their turn. */
const SLICE = 64

/** How many of the facts, which come in log order, are not beyond the position. */
const countUpTo = (columns: Columns, upTo: Position): number => {
  let low = 0
  let high = columns.size
  while (low < high) {
    const middle = (low + high) >> 1
    if (compare(columns.position(middle), upTo) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * The facts of one day of a zone as they stood at a position, read piece by piece in the order of the log.
 * What is recorded meanwhile lies beyond the position, so the day's document may be of an earlier moment.
 */
export class DayFacts {
  private next = 0
  private readonly end: number
  private isTailTaken = false
  /** Hours, and how many of their settled facts were not read yet. */
  private readonly hours: ReadonlyArray<{ readonly start: number; left: number }>

  constructor(
    readonly day: Day,
    private readonly merchantId: string,
    private readonly upTo: Position,
    /** Whether all of it is read, whatever time is asked about. */
    private readonly isWhole: boolean,
  ) {
    const { doc, start } = day
    this.end = doc.k ?? 0
    this.hours = Object.entries(hoursIn(doc.h)).map(([slot, counts]) => ({
      start: slotTime(start, slot),
      left: Number(counts[0] ?? 0),
    }))
  }

  /** The scan of the next piece that has facts from before `below` (epoch ms); undefined when all were read. */
  scan(below: number): Scan | undefined {
    if (this.next >= this.end || this.isDone(below)) return undefined
    return this.between(this.next, this.next + SLICE)
  }

  take(rows: ReadonlyArray<Row>, take: Take): number {
    this.next += SLICE
    let seen = 0
    for (const { doc } of rows) {
      const columns = new Columns(doc as Segment)
      seen += columns.size
      const count = countUpTo(columns, this.upTo)
      if (count > 0) take(columns, count, this.day)
      for (let row = 0; row < columns.size; row++) this.count(columns.at(row))
      if (count === columns.size) continue
      this.next = this.end
      break
    }
    return seen
  }

  /** The facts that were not settled; to be taken after the others. */
  takeTail(take: Take): number {
    const { f } = this.day.doc
    if (f === undefined || this.isTailTaken) return 0
    this.isTailTaken = true
    const columns = new Columns(f)
    const count = countUpTo(columns, this.upTo)
    if (count > 0) take(columns, count, this.day)
    return columns.size
  }

  /** The settled segments from one number up to another, excluded. */
  between(from: number, to: number): Scan {
    const { zone, start } = this.day
    const at = (number: number) => segmentKey(this.merchantId, zone, start, number)
    return { collection: FACTS, from: at(from), to: at(Math.min(to, this.end)) }
  }

  get segments(): number {
    return this.end
  }

  /** Its settled facts were read by other means. */
  finish(): void {
    this.next = this.end
  }

  private isDone(below: number): boolean {
    return !this.isWhole && this.hours.every(({ start, left }) => start >= below || left <= 0)
  }

  private count(at: number): void {
    let own: { start: number; left: number } | undefined
    for (const hour of this.hours) {
      if (hour.start <= at && (own === undefined || hour.start > own.start)) own = hour
    }
    if (own !== undefined) own.left--
  }
}
