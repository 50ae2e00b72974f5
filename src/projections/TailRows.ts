import { type Cut, cut } from "../domain/TimeBuckets.js"
import { type Counts, countRow, noCounts, TYPE } from "./Counts.js"
import type { Columns } from "./Facts.js"
import { memberOf } from "./VisitorSet.js"

/** Of a fact without a visitor. */
export const NO_MEMBER = -1

/** What a fact is counted as. */
export const PAGE_VIEW = 1
/** A payment or a refund. */
export const MONEY = 2

const kindOf = (type: string | null): number =>
  type === "pageview" ? PAGE_VIEW : type === "payment" || type === "refund" ? MONEY : 0

/** Facts that are settled together, with what is found of each once and asked for often. */
export class TailRows {
  readonly size: number
  readonly cuts: ReadonlyArray<Cut>
  /** Of each row, the place of its visitor in `members`. */
  readonly memberOf: Int16Array
  /** Of each row: 0, `PAGE_VIEW` or `MONEY`. */
  readonly kinds: Uint8Array
  /** Rows of payments and refunds, with what they count. */
  readonly money: ReadonlyArray<readonly [row: number, counts: Counts]>
  /** The visitors, each once, as `memberOf` gives them. */
  readonly members: ReadonlyArray<number>

  constructor(
    readonly columns: Columns,
    zone: string,
  ) {
    const { size } = columns
    this.size = size
    this.cuts = Array.from({ length: size }, (_, row) => cut(zone, columns.at(row)))
    this.kinds = Uint8Array.from({ length: size }, (_, row) => kindOf(columns.value(row, TYPE)))
    const money: Array<readonly [number, Counts]> = []
    for (let row = 0; row < size; row++) {
      if (this.kinds[row] !== MONEY) continue
      const counts = noCounts()
      countRow(counts, columns, row)
      money.push([row, counts])
    }
    this.money = money
    this.memberOf = new Int16Array(size)
    const members: Array<number> = []
    const places: Array<number> = []
    for (let row = 0; row < size; row++) {
      const code = columns.visitorCode(row)
      if (code === 0) {
        this.memberOf[row] = NO_MEMBER
        continue
      }
      let place = places[code]
      if (place === undefined) {
        place = members.push(memberOf(columns.text(code) as string)) - 1
        places[code] = place
      }
      this.memberOf[row] = place
    }
    this.members = members
  }

  /** The rows of each hour, by its start, in the order in which they come. */
  byHour(): ReadonlyMap<number, ReadonlyArray<number>> {
    const hours = new Map<number, Array<number>>()
    let last = Number.NaN
    let rows: Array<number> = []
    for (let row = 0; row < this.size; row++) {
      const { hour } = this.cuts[row] as Cut
      if (hour !== last) {
        last = hour
        const known = hours.get(hour)
        rows = known ?? []
        if (known === undefined) hours.set(hour, rows)
      }
      rows.push(row)
    }
    return hours
  }
}
