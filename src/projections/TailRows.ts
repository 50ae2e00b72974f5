import { bucketDimensions } from "../domain/Metrics.js"
import { type Cut, cut } from "../domain/TimeBuckets.js"
import { type Counts, countRow, noCounts, TYPE } from "./Counts.js"
import { Columns, type FactRows } from "./Facts.js"
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

/** A fact as it is counted. */
export interface TailRow {
  readonly at: Cut
  /** 0, `PAGE_VIEW` or `MONEY`. */
  readonly kind: number
  /** What a payment or refund counts. */
  readonly money: Counts | undefined
  /** The visitor. */
  readonly member: number | undefined
}

/** Rows of one hour, in the order in which they came. */
export interface HourRows {
  readonly rows: Array<number>
  /** Those that are payments and refunds, with what they count. */
  readonly money: Array<readonly [row: number, counts: Counts]>
}

const UNKNOWN = -2
/** Used again for each call. */
let byCode = new Int32Array(1_024)

/** For each code of the columns `UNKNOWN`. What was given before is no more. */
const unknown = ({ texts }: Columns): Int32Array => {
  const codes = texts.length + 1
  if (codes > byCode.length) byCode = new Int32Array(2 * codes)
  return byCode.fill(UNKNOWN, 0, codes)
}

const grown = (cells: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> => {
  const larger = new Int32Array(length)
  larger.set(cells)
  return larger
}

/** Facts of a day that are counted together, with what is found of each once and asked for often. */
export class TailRows {
  size = 0
  /** Of each row: 0, `PAGE_VIEW` or `MONEY`. Longer than there are rows, as all that is by row. */
  kinds = new Int32Array(0)
  /** Of each row, the place of its visitor in `members`. */
  memberOf = new Int32Array(0)
  /** The visitors, each once, as `memberOf` gives them. */
  readonly members: Array<number> = []
  /** By the start of an hour. */
  readonly hours = new Map<number, HourRows>()
  /** The texts that codes stand for; 0 is none. */
  readonly texts: Array<string | null> = [null]
  private readonly codeOf = new Map<string, number>()
  /** For each dimension the code of each row. */
  private readonly dimensions: Array<Int32Array<ArrayBuffer>>
  /** For each dimension the code that all rows have, or `MANY`. */
  private readonly onlyCodes: Array<number>
  private readonly places = new Map<number, number>()

  constructor(
    private readonly zone: string,
    hasDimensions: boolean,
  ) {
    this.dimensions = hasDimensions ? bucketDimensions.map(() => new Int32Array(0)) : []
    this.onlyCodes = this.dimensions.map(() => 0)
  }

  /** `take`: called for each of the facts in their order. */
  append(facts: Columns | FactRows, take: (row: TailRow) => void): void {
    const first = this.size
    this.size += facts.size
    this.reserve()
    if (facts instanceof Columns) {
      this.appendMembers(facts, first)
      this.appendCodes(facts, first)
    } else {
      for (let row = 0; row < facts.size; row++) this.memberOf[first + row] = this.place(facts.visitor(row))
    }
    const { kinds, memberOf, members, zone } = this
    for (let row = 0; row < facts.size; row++) {
      const at = cut(zone, facts.at(row))
      const kind = kindOf(facts.value(row, TYPE))
      kinds[first + row] = kind
      const hour = this.hour(at.hour)
      hour.rows.push(first + row)
      let money: Counts | undefined
      if (kind === MONEY) {
        money = noCounts()
        countRow(money, facts, row)
        hour.money.push([first + row, money])
      }
      const place = memberOf[first + row] as number
      take({ at, kind, money, member: place === NO_MEMBER ? undefined : members[place] })
    }
  }

  private reserve(): void {
    if (this.size <= this.kinds.length) return
    const length = Math.max(this.size, 2 * this.kinds.length)
    this.kinds = grown(this.kinds, length)
    this.memberOf = grown(this.memberOf, length)
    const { dimensions } = this
    for (let i = 0; i < dimensions.length; i++)
      dimensions[i] = grown(dimensions[i] as Int32Array<ArrayBuffer>, length)
  }

  /** The code of a row in a dimension, an index into `bucketDimensions`. */
  codesOf(index: number): Int32Array {
    return this.dimensions[index] as Int32Array
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

  private appendMembers(columns: Columns, first: number): void {
    const placeOf = unknown(columns)
    for (let row = 0; row < columns.size; row++) {
      const code = columns.visitorCode(row)
      if (placeOf[code] === UNKNOWN) placeOf[code] = this.place(columns.text(code))
      this.memberOf[first + row] = placeOf[code] as number
    }
  }

  /** Of a visitor in `members`. */
  private place(visitor: string | null): number {
    if (visitor === null) return NO_MEMBER
    const member = memberOf(visitor)
    let place = this.places.get(member)
    if (place === undefined) {
      place = this.members.push(member) - 1
      this.places.set(member, place)
    }
    return place
  }

  private appendCodes(columns: Columns, first: number): void {
    // Their texts are those of all dimensions.
    const codeOf = unknown(columns)
    for (let index = 0; index < this.dimensions.length; index++) {
      const only = columns.isUniform(index) ? this.code(columns.value(0, index)) : MANY
      const codes = this.dimensions[index] as Int32Array
      if (only !== MANY) codes.fill(only, first, this.size)
      else {
        for (let row = 0; row < columns.size; row++) {
          const own = columns.code(row, index)
          let code = codeOf[own] as number
          if (code === UNKNOWN) {
            code = this.code(columns.text(own))
            codeOf[own] = code
          }
          codes[first + row] = code
        }
      }
      if (first === 0) this.onlyCodes[index] = only
      else if (this.onlyCodes[index] !== only) this.onlyCodes[index] = MANY
    }
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
