import { bucketDimensions } from "../domain/Metrics.js"
import type { Position } from "../domain/Position.js"
import type { Values } from "./Dimensions.js"

export interface Fact {
  /** When it happened and when it was recorded, epoch ms. */
  readonly at: number
  readonly recordedAt: number
  readonly position: Position
  /** In the merchant's stream. */
  readonly revision: number
  /** Client key. */
  readonly visitor: string | null
  /** In the order of `bucketDimensions`. */
  readonly values: Values
  /** Minor units of the currency among the values. */
  readonly amount: number | null
  readonly pointsUsed: number | null
  readonly pointsEarned: number | null
  /** Texts of the custom properties that are not null. */
  readonly properties: Readonly<Record<string, string>> | null
}

/** One cell for every fact; a single one while all are the same. */
export type Column<A extends number | string = number> = A | Array<A>

/** What facts are counted from. */
export interface CountedRows {
  readonly size: number
  at(row: number): number
  /** `dimension` is an index into `bucketDimensions`. */
  value(row: number, dimension: number): string | null
  amount(row: number): number | null
  pointsUsed(row: number): number | null
  pointsEarned(row: number): number | null
}

/** Facts that lie in no segment. */
export class FactRows implements CountedRows {
  constructor(private readonly facts: ReadonlyArray<Fact>) {}

  get size(): number {
    return this.facts.length
  }

  private fact(row: number): Fact {
    return this.facts[row] as Fact
  }

  at(row: number): number {
    return this.fact(row).at
  }

  visitor(row: number): string | null {
    return this.fact(row).visitor
  }

  value(row: number, dimension: number): string | null {
    return this.fact(row).values[dimension] ?? null
  }

  values(row: number): Values {
    return this.fact(row).values
  }

  amount(row: number): number | null {
    return this.fact(row).amount
  }

  pointsUsed(row: number): number | null {
    return this.fact(row).pointsUsed
  }

  pointsEarned(row: number): number | null {
    return this.fact(row).pointsEarned
  }
}

/**
 * A segment as it is stored. Texts stand once, in `s`; cells hold their place there from 1 on, and 0 for
 * none. Numbers that can be missing are one too high, and 0 when they are. Times, positions and revisions
 * are differences to the fact before.
 */
export interface Segment {
  /** How many facts it has. */
  n: number
  /** The instant that the first differences of time count from, epoch ms. */
  readonly d: number
  /** The latest time of the facts in the segments before this one, as a difference to `d`. */
  readonly l?: number
  /** How many facts the segments before this one have. */
  readonly o?: number
  /** Position of the first fact. */
  b: string
  readonly s: Array<string>
  /** Times, revision, visitor and amounts: see `own`. */
  readonly c: Array<Column>
  /** The dimensions. */
  readonly v: Array<Column>
  /** Positions; a difference past 2^53 is a decimal string. */
  p: Column<number | string>
  /**
   * Properties; none while it is missing. `h` are the sets of names that occur, `r` has for each fact its
   * set, from 1 on (0 for a fact without properties), and then the values.
   */
  x?: { readonly h: Array<Array<number>>; readonly r: Array<number> }
}

/** Places in `c`. They are the storage format. */
export const own = {
  at: 0,
  recordedAt: 1,
  revision: 2,
  visitor: 3,
  amount: 4,
  pointsUsed: 5,
  pointsEarned: 6,
}

/** Positions of up to so many digits are exact as numbers. */
export const EXACT_DIGITS = 15

const presented = (cell: number): number | null => (cell === 0 ? null : cell < 0 ? cell : cell - 1)

const cell = (column: Column | undefined, row: number): number =>
  typeof column === "object" ? (column[row] as number) : (column ?? 0)

const sums = (column: Column | undefined, size: number, base: number): Float64Array => {
  const all = new Float64Array(size)
  let sum = base
  for (let row = 0; row < size; row++) {
    sum += cell(column, row)
    all[row] = sum
  }
  return all
}

/** A segment to read from, by column and row. The segment must not change meanwhile. */
export class Columns implements CountedRows {
  readonly size: number
  /** Texts by their codes, the first of which is 1. */
  readonly texts: ReadonlyArray<string>
  private readonly ats: Float64Array
  private recordedAts: Float64Array | undefined
  private revisions: Float64Array | undefined
  private positions: ReadonlyArray<number | bigint> | undefined
  private rows: Int32Array | undefined
  private readonly slots = new Map<string, ReadonlyArray<number>>()

  constructor(private readonly segment: Segment) {
    this.size = segment.n
    this.texts = segment.s
    this.ats = sums(segment.c[own.at], segment.n, segment.d)
  }

  /** The latest time of the facts in the segments before this one, epoch ms; undefined in a first one. */
  get latestBefore(): number | undefined {
    const { l, d } = this.segment
    return l === undefined ? undefined : d + l
  }

  /** The latest time up to the end of this segment. */
  get latest(): number {
    return this.ats.reduce((a, b) => Math.max(a, b), this.latestBefore ?? Number.NEGATIVE_INFINITY)
  }

  at(row: number): number {
    return this.ats[row] as number
  }

  recordedAt(row: number): number {
    const { c, n, d } = this.segment
    this.recordedAts ??= sums(c[own.recordedAt], n, d)
    return this.recordedAts[row] as number
  }

  revision(row: number): number {
    this.revisions ??= sums(this.segment.c[own.revision], this.size, 0)
    return this.revisions[row] as number
  }

  position(row: number): Position {
    this.positions ??= this.readPositions()
    return String(this.positions[row]) as Position
  }

  private readPositions(): ReadonlyArray<number | bigint> {
    const { p, b } = this.segment
    let sum: number | bigint = b.length <= EXACT_DIGITS ? Number(b) : BigInt(b)
    return Array.from({ length: this.size }, (_, row) => {
      const by = typeof p === "object" ? (p[row] as number | string) : p
      if (typeof sum === "number" && typeof by === "number" && Number.isSafeInteger(sum + by)) sum += by
      else sum = BigInt(sum) + BigInt(by)
      return sum
    })
  }

  /** The text with this code; null for 0. */
  text(code: number): string | null {
    return code === 0 ? null : (this.texts[code - 1] as string)
  }

  /** Codes stand for texts, so that equal ones need not be compared again; 0 for none. */
  visitorCode(row: number): number {
    return cell(this.segment.c[own.visitor], row)
  }

  visitor(row: number): string | null {
    return this.text(this.visitorCode(row))
  }

  /** `dimension` is an index into `bucketDimensions`. */
  code(row: number, dimension: number): number {
    return cell(this.segment.v[dimension], row)
  }

  /** Whether all facts are known to have the same value. */
  isUniform(dimension: number): boolean {
    return typeof this.segment.v[dimension] !== "object"
  }

  value(row: number, dimension: number): string | null {
    return this.text(this.code(row, dimension))
  }

  values(row: number): Values {
    return bucketDimensions.map((_, dimension) => this.value(row, dimension))
  }

  amount(row: number): number | null {
    return presented(cell(this.segment.c[own.amount], row))
  }

  pointsUsed(row: number): number | null {
    return presented(cell(this.segment.c[own.pointsUsed], row))
  }

  pointsEarned(row: number): number | null {
    return presented(cell(this.segment.c[own.pointsEarned], row))
  }

  /** Where each fact's properties begin. */
  private rowStarts(h: ReadonlyArray<ReadonlyArray<number>>, r: ReadonlyArray<number>): Int32Array {
    const starts = new Int32Array(this.size)
    let next = 0
    for (let row = 0; row < this.size; row++) {
      starts[row] = next
      const shape = r[next] as number
      next += 1 + (shape === 0 ? 0 : (h[shape - 1] as ReadonlyArray<number>).length)
    }
    return starts
  }

  propertyCode(row: number, name: string): number {
    const { x } = this.segment
    if (x === undefined) return 0
    this.rows ??= this.rowStarts(x.h, x.r)
    let slots = this.slots.get(name)
    if (slots === undefined) {
      const sought = this.texts.indexOf(name) + 1
      slots = x.h.map((names) => names.indexOf(sought))
      this.slots.set(name, slots)
    }
    const start = this.rows[row] as number
    const slot = slots[(x.r[start] as number) - 1] ?? -1
    return slot < 0 ? 0 : (x.r[start + 1 + slot] as number)
  }

  property(row: number, name: string): string | null {
    return this.text(this.propertyCode(row, name))
  }

  private properties(row: number): Fact["properties"] {
    const { x } = this.segment
    if (x === undefined) return null
    this.rows ??= this.rowStarts(x.h, x.r)
    const start = this.rows[row] as number
    const names = x.h[(x.r[start] as number) - 1]
    if (names === undefined) return null
    const properties = Object.create(null) as Record<string, string>
    names.forEach((name, slot) => {
      properties[this.texts[name - 1] as string] = this.text(x.r[start + 1 + slot] as number) as string
    })
    return properties
  }

  fact(row: number): Fact {
    return {
      at: this.at(row),
      recordedAt: this.recordedAt(row),
      position: this.position(row),
      revision: this.revision(row),
      visitor: this.visitor(row),
      values: this.values(row),
      amount: this.amount(row),
      pointsUsed: this.pointsUsed(row),
      pointsEarned: this.pointsEarned(row),
      properties: this.properties(row),
    }
  }
}
