import { bucketDimensions } from "../domain/Metrics.js"
import type { Position } from "../domain/Position.js"
import { whole } from "../domain/whole.js"
import { indexOf } from "./Dimensions.js"
import { type Column, Columns, EXACT_DIGITS, type Fact, own, type Segment } from "./Segments.js"

/** Of a property beside its texts, in characters. */
export const PROPERTY_WEIGHT = 5

const lastOf = (segment: Segment): Pick<Fact, "at" | "recordedAt" | "revision" | "position"> => {
  const last = segment.n - 1
  if (last < 0) return { at: segment.d, recordedAt: segment.d, revision: 0, position: segment.b as Position }
  const columns = new Columns(segment)
  return {
    at: columns.at(last),
    recordedAt: columns.recordedAt(last),
    revision: columns.revision(last),
    position: columns.position(last),
  }
}

const step = (from: string, to: string): number | string => {
  if (from.length <= EXACT_DIGITS && to.length <= EXACT_DIGITS) return whole(Number(to) - Number(from))
  const difference = BigInt(to) - BigInt(from)
  const number = Number(difference)
  return Number.isSafeInteger(number) ? number : String(difference)
}

const present = (value: number | null): number => (value === null ? 0 : value < 0 ? value : value + 1)

/** Pushed one by one: what `new Array` and `fill` make, V8 writes as JSON half as fast. */
const repeated = <A>(value: A, count: number): Array<A> => {
  const all: Array<A> = []
  for (let i = 0; i < count; i++) all.push(value)
  return all
}

/** The column with the first `count` of the cells after its rows. */
const extended = <A extends number | string>(
  column: Column<A>,
  rows: number,
  cells: ReadonlyArray<A>,
  count: number,
): Column<A> => {
  if (typeof column === "object") {
    for (let i = 0; i < count; i++) column.push(cells[i] as A)
    return column
  }
  const same = rows === 0 ? (cells[0] as A) : column
  let i = 0
  while (i < count && cells[i] === same) i++
  if (i === count) return same
  if (rows === 0) return cells.slice(0, count)
  const all = repeated(same, rows)
  for (let j = 0; j < count; j++) all.push(cells[j] as A)
  return all
}

const TYPE = indexOf.TYPE
const CURRENCY = indexOf.CURRENCY
const everyDimension = bucketDimensions.map((_, dimension) => dimension)
/** What numbers of all merchants together are made of. */
const plainDimensions = [TYPE, CURRENCY]

/** Used again for each call. Each column has its own: one large number makes V8 keep all as floating-point ones. */
const ownCells: Readonly<Record<keyof typeof own, Array<number>>> = {
  at: [],
  recordedAt: [],
  revision: [],
  visitor: [],
  amount: [],
  pointsUsed: [],
  pointsEarned: [],
}
const ownNames = Object.keys(own) as Array<keyof typeof own>
const steps: Array<number | string> = []
const codes = bucketDimensions.map((): Array<number> => [])

/** Appends facts to a segment, which is new or was read from the store, in place. */
export class SegmentWriter {
  private last: Pick<Fact, "at" | "recordedAt" | "revision" | "position">
  /** Of each dimension the last value that came, and its code: neighbours mostly share some. */
  private readonly lastTexts: Array<string | null> = bucketDimensions.map(() => null)
  private readonly lastCodes: Array<number> = bucketDimensions.map(() => 0)
  private readonly strings: Map<string, number>
  /** By the names' places, joined. */
  private readonly shapes: Map<string, number>
  private length: number

  constructor(
    readonly segment: Segment,
    /** Only what numbers of all merchants together are made of. */
    private readonly isPlain = false,
  ) {
    const { s, x } = segment
    this.last = lastOf(segment)
    this.length = s.reduce((sum, text) => sum + text.length, 0)
    this.strings = new Map(s.map((text, index) => [text, index + 1]))
    this.shapes = new Map(x?.h.map((names, index) => [names.join(), index + 1]))
  }

  /** What texts and properties of its facts weigh, in characters. */
  get weight(): number {
    return this.length + (this.segment.x?.r.length ?? 0) * PROPERTY_WEIGHT
  }

  /** What they weigh once one of them has properties. */
  get weightWithProperties(): number {
    return this.segment.x === undefined ? this.length + this.segment.n * PROPERTY_WEIGHT : this.weight
  }

  get lastPosition(): Position {
    return this.last.position
  }

  append(facts: ReadonlyArray<Fact>): void {
    if (facts.length === 0) return
    this.appendNumbers(facts)
    const { segment, isPlain } = this
    const dimensions = isPlain ? plainDimensions : everyDimension
    const { visitor: visitors } = ownCells
    // Fact after fact: in which order texts come must not depend on how many facts come at once.
    for (let i = 0; i < facts.length; i++) {
      const { visitor, values, properties } = facts[i] as Fact
      visitors[i] = this.place(visitor)
      for (const dimension of dimensions) {
        ;(codes[dimension] as Array<number>)[i] = this.code(dimension, values[dimension] ?? null)
      }
      if (!isPlain) this.appendProperties(properties, i)
    }
    const { c, v, n } = segment
    for (const name of ownNames) c[own[name]] = extended(c[own[name]] ?? 0, n, ownCells[name], facts.length)
    for (const dimension of dimensions) {
      v[dimension] = extended(v[dimension] ?? 0, n, codes[dimension] as Array<number>, facts.length)
    }
    segment.n += facts.length
  }

  private appendNumbers(facts: ReadonlyArray<Fact>): void {
    const { segment } = this
    const { length } = facts
    const { at: ats, recordedAt: recordedAts, revision: revisions } = ownCells
    const { amount: amounts, pointsUsed: used, pointsEarned: earned } = ownCells
    let { at, recordedAt, revision, position } = this.last
    if (segment.n === 0) {
      position = (facts[0] as Fact).position
      segment.b = position
    }
    for (let i = 0; i < length; i++) {
      const fact = facts[i] as Fact
      ats[i] = whole(fact.at - at)
      at = fact.at
      recordedAts[i] = whole(fact.recordedAt - recordedAt)
      recordedAt = fact.recordedAt
      revisions[i] = fact.revision - revision
      revision = fact.revision
      amounts[i] = present(fact.amount)
      used[i] = present(fact.pointsUsed)
      earned[i] = present(fact.pointsEarned)
      steps[i] = step(position, fact.position)
      position = fact.position
    }
    segment.p = extended<number | string>(segment.p, segment.n, steps, length)
    this.last = { at, recordedAt, revision, position }
  }

  private place(text: string | null): number {
    if (text === null) return 0
    const known = this.strings.get(text)
    if (known !== undefined) return known
    const made = this.segment.s.push(text)
    this.length += text.length
    this.strings.set(text, made)
    return made
  }

  private code(dimension: number, value: string | null): number {
    if (this.lastTexts[dimension] === value) return this.lastCodes[dimension] as number
    const code = this.place(value)
    this.lastTexts[dimension] = value
    this.lastCodes[dimension] = code
    return code
  }

  /** `before`: how many facts of this call come before. */
  private appendProperties(properties: Fact["properties"], before: number): void {
    const { segment, shapes } = this
    if (properties === null) {
      segment.x?.r.push(0)
      return
    }
    segment.x ??= { h: [], r: repeated(0, segment.n + before) }
    const { h, r } = segment.x
    const names = Object.keys(properties)
    const places = names.map((name) => this.place(name))
    const joined = places.join()
    let shape = shapes.get(joined)
    if (shape === undefined) {
      shape = h.push(places)
      shapes.set(joined, shape)
    }
    r.push(shape)
    for (const name of names) r.push(this.place(properties[name] ?? null))
  }
}
