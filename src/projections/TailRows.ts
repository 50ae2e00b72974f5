import { bucketDimensions } from "../domain/Metrics.js"
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

/** Of rows that do not all have the same. */
const MANY = -1

/** Rows of one hour, in the order in which they came. */
export interface HourRows {
  readonly rows: Array<number>
  /** Those that are payments and refunds, with what they count. */
  readonly money: Array<readonly [row: number, counts: Counts]>
}

/** Facts of a day that are counted together, with what is found of each once and asked for often. */
export class TailRows {
  size = 0
  readonly cuts: Array<Cut> = []
  /** Of each row: 0, `PAGE_VIEW` or `MONEY`. */
  readonly kinds: Array<number> = []
  /** Of each row, the place of its visitor in `members`. */
  readonly memberOf: Array<number> = []
  /** The visitors, each once, as `memberOf` gives them. */
  readonly members: Array<number> = []
  /** By the start of an hour. */
  readonly hours = new Map<number, HourRows>()
  /** The texts that codes stand for; 0 is none. */
  readonly texts: Array<string | null> = [null]
  private readonly codeOf = new Map<string, number>()
  /** For each dimension the code of each row. */
  private readonly dimensions: ReadonlyArray<Array<number>>
  /** For each dimension the code that all rows have, or `MANY`. */
  private readonly onlyCodes: Array<number>
  private readonly places = new Map<number, number>()

  constructor(
    private readonly zone: string,
    hasDimensions: boolean,
  ) {
    this.dimensions = hasDimensions ? bucketDimensions.map(() => []) : []
    this.onlyCodes = this.dimensions.map(() => 0)
  }

  append(columns: Columns): void {
    const first = this.size
    this.size += columns.size
    for (let row = 0; row < columns.size; row++) {
      const at = cut(this.zone, columns.at(row))
      const kind = kindOf(columns.value(row, TYPE))
      this.cuts.push(at)
      this.kinds.push(kind)
      const hour = this.hour(at.hour)
      hour.rows.push(first + row)
      if (kind !== MONEY) continue
      const counts = noCounts()
      countRow(counts, columns, row)
      hour.money.push([first + row, counts])
    }
    this.appendMembers(columns)
    for (let index = 0; index < this.dimensions.length; index++) this.appendCodes(columns, index, first)
  }

  /** The code of a row in a dimension, an index into `bucketDimensions`. */
  codesOf(index: number): ReadonlyArray<number> {
    return this.dimensions[index] as ReadonlyArray<number>
  }

  /** The code that all rows have; undefined when they may have several. */
  onlyCode(index: number): number | undefined {
    const code = this.onlyCodes[index]
    return code === MANY ? undefined : code
  }

  private hour(start: number): HourRows {
    let hour = this.hours.get(start)
    if (hour === undefined) {
      hour = { rows: [], money: [] }
      this.hours.set(start, hour)
    }
    return hour
  }

  private appendMembers(columns: Columns): void {
    const { members, places } = this
    const placeOf: Array<number> = []
    for (let row = 0; row < columns.size; row++) {
      const code = columns.visitorCode(row)
      if (code === 0) {
        this.memberOf.push(NO_MEMBER)
        continue
      }
      let place = placeOf[code]
      if (place === undefined) {
        const member = memberOf(columns.text(code) as string)
        place = places.get(member)
        if (place === undefined) {
          place = members.push(member) - 1
          places.set(member, place)
        }
        placeOf[code] = place
      }
      this.memberOf.push(place)
    }
  }

  private appendCodes(columns: Columns, index: number, first: number): void {
    const codes = this.dimensions[index] as Array<number>
    const only = columns.isUniform(index) ? this.code(columns.value(0, index)) : MANY
    if (only !== MANY) for (let row = 0; row < columns.size; row++) codes.push(only)
    else {
      const known: Array<number> = []
      for (let row = 0; row < columns.size; row++) {
        const own = columns.code(row, index)
        let code = known[own]
        if (code === undefined) {
          code = this.code(columns.text(own))
          known[own] = code
        }
        codes.push(code)
      }
    }
    if (first === 0) this.onlyCodes[index] = only
    else if (this.onlyCodes[index] !== only) this.onlyCodes[index] = MANY
  }

  private code(text: string | null): number {
    if (text === null) return 0
    let code = this.codeOf.get(text)
    if (code === undefined) {
      code = this.texts.push(text) - 1
      this.codeOf.set(text, code)
    }
    return code
  }
}
