import { Written } from "../readmodels/DocText.js"
import type { Counts } from "./Counts.js"
import type { StoredHours } from "./DayHours.js"
import { Columns, type FactRows, type Segment } from "./Facts.js"
import type { DayDoc } from "./Layout.js"
import { Tail } from "./Tail.js"
import { Waiting } from "./Waiting.js"

/** The document of a day as folds have it, to be changed in place. */
export class Day extends Written implements Omit<DayDoc, "f"> {
  n = 0
  f?: Segment | Tail
  s?: Waiting
  d?: Counts
  h?: StoredHours
  c?: { [code: string]: number }
  k?: number

  static of(stored: DayDoc | Day | undefined): Day {
    if (stored instanceof Day) return stored
    const day = new Day()
    if (stored === undefined) return day
    const { s, ...others } = stored
    Object.assign(day, others)
    if (s !== undefined) day.s = Waiting.of(s)
    return day
  }

  /** The tail as it is stored. */
  get segment(): Segment | undefined {
    return this.f instanceof Tail ? this.f.segment : this.f
  }

  /** The facts of the tail, to be counted from; undefined when there are none. */
  get rows(): Columns | FactRows | undefined {
    if (this.f instanceof Tail) return this.f.rows
    return this.f === undefined ? undefined : new Columns(this.f)
  }

  toText(): string {
    const { n, segment, s, d, h, c, k } = this
    const most = JSON.stringify({ n, f: segment, d, h, c, k })
    return s === undefined ? most : `${most.slice(0, -1)},"s":${s.toText()}}`
  }
}
