import type { EventData, RecordedEvent } from "../domain/Event.js"
import { bucketDimensions } from "../domain/Metrics.js"
import type { Position } from "../domain/Position.js"
import { key } from "../readmodels/Key.js"
import { indexOf, valuesOf } from "./Dimensions.js"
import { type Column, Columns, EXACT_DIGITS, type Fact, own, type Segment } from "./Segments.js"
import { timePart } from "./TimePart.js"

export { Columns, type Fact, type Segment } from "./Segments.js"

/**
 * Facts: one narrow row for each business event. They answer what buckets can't: filters, lists, evidence.
 * They lie by columns in segments, in the order in which they were recorded, because a column of small
 * numbers is a quarter of the size of objects and is searched without making any.
 */
export const FACTS = "facts"

/** Facts in one document, at most. */
export const SEGMENT = 256

/**
 * What the texts and properties of a document may weigh before no more facts go in, in characters: it is
 * written anew with each commit while it grows, and properties of one event may be as long as this.
 */
const MOST_WEIGHT = 64 * 1024
/** Of a property beside its texts. */
const PROPERTY_WEIGHT = 5

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))

const propertiesOf = ({ properties }: EventData): Fact["properties"] => {
  if (properties === undefined) return null
  let texts: Record<string, string> | null = null
  for (const name of Object.keys(properties)) {
    const value = properties[name]
    if (value === null || value === undefined) continue
    // Without a prototype, so that every name is one of its own.
    texts ??= Object.create(null) as Record<string, string>
    texts[name] = textOf(value)
  }
  return texts
}

/** The fact of a business event that was read from its merchant's stream. */
export const factOf = ({ event, metadata, position, revision }: RecordedEvent): Fact => ({
  at: event.at,
  recordedAt: metadata.recordedAt,
  position,
  revision,
  visitor: event.data.clientKey ?? null,
  values: valuesOf(event),
  amount: event.data.amount ?? null,
  pointsUsed: event.data.pointsUsed ?? null,
  pointsEarned: event.data.pointsEarned ?? null,
  properties: propertiesOf(event.data),
})

/**
 * `day` is the start of the bucket's day, epoch ms; `previous` is the day's segment before, if there is one.
 * With it who reads from the last segment back knows when all that is left happened before some time.
 */
export const newSegment = (day: number, previous?: Segment): Segment => ({
  n: 0,
  d: day,
  ...(previous === undefined
    ? {}
    : { l: new Columns(previous).latest - day, o: (previous.o ?? 0) + previous.n }),
  b: "0",
  s: [],
  c: Object.keys(own).map(() => 0),
  v: bucketDimensions.map(() => 0),
  p: 0,
})

export const segmentSize = (segment: Segment): number => segment.n

/** Where the segment with this number lies, 0 for the first of its merchant, zone and day (epoch ms). */
export const segmentKey = (merchantId: string, zone: string, day: number, number: number): string =>
  key(merchantId, zone, timePart(day), number.toString(36).padStart(4, "0"))

/** What appending needs to know of a segment besides its columns. */
interface Writer {
  rows: number
  at: number
  recordedAt: number
  revision: number
  position: string
  /** Of each dimension the last value that came, and its code: neighbours mostly share some. */
  readonly lastTexts: Array<string | null>
  readonly lastCodes: Array<number>
  /** Characters of the texts. */
  length: number
  readonly strings: Map<string, number>
  /** By the names' places, joined. */
  readonly shapes: Map<string, number>
}

/** Made again for a segment that came from the store. */
const writers = new WeakMap<Segment, Writer>()

const lastOf = (columns: Columns): Pick<Fact, "at" | "recordedAt" | "revision" | "position"> => {
  const last = columns.size - 1
  return {
    at: columns.at(last),
    recordedAt: columns.recordedAt(last),
    revision: columns.revision(last),
    position: columns.position(last),
  }
}

const writerOf = (segment: Segment): Writer => {
  const known = writers.get(segment)
  if (known !== undefined && known.rows === segment.n) return known
  const { n, d, s, x } = segment
  const last =
    n === 0 ? { at: d, recordedAt: d, revision: 0, position: segment.b } : lastOf(new Columns(segment))
  const writer: Writer = {
    rows: n,
    ...last,
    lastTexts: bucketDimensions.map(() => null),
    lastCodes: bucketDimensions.map(() => 0),
    length: s.reduce((sum, text) => sum + text.length, 0),
    strings: new Map(s.map((text, index) => [text, index + 1])),
    shapes: new Map(x?.h.map((names, index) => [names.join(), index + 1])),
  }
  writers.set(segment, writer)
  return writer
}

const place = (segment: Segment, writer: Writer, text: string | null): number => {
  if (text === null) return 0
  const known = writer.strings.get(text)
  if (known !== undefined) return known
  const made = segment.s.push(text)
  writer.length += text.length
  writer.strings.set(text, made)
  return made
}

const codeOf = (segment: Segment, writer: Writer, dimension: number, value: string | null): number => {
  if (writer.lastTexts[dimension] === value) return writer.lastCodes[dimension] as number
  const code = place(segment, writer, value)
  writer.lastTexts[dimension] = value
  writer.lastCodes[dimension] = code
  return code
}

const extended = <A extends number | string>(column: Column<A>, rows: number, value: A): Column<A> => {
  if (typeof column === "object") column.push(value)
  else if (rows === 0) return value
  else if (column !== value) {
    const cells = new Array<A>(rows).fill(column)
    cells.push(value)
    return cells
  }
  return column
}

const extend = (columns: Array<Column>, index: number, rows: number, value: number): void => {
  columns[index] = extended(columns[index] ?? 0, rows, value)
}

const step = (from: string, to: string): number | string => {
  if (from.length <= EXACT_DIGITS && to.length <= EXACT_DIGITS) return Number(to) - Number(from)
  const difference = BigInt(to) - BigInt(from)
  const number = Number(difference)
  return Number.isSafeInteger(number) ? number : String(difference)
}

const present = (value: number | null): number => (value === null ? 0 : value < 0 ? value : value + 1)
const appendProperties = (segment: Segment, writer: Writer, properties: Fact["properties"]): void => {
  if (properties === null) {
    segment.x?.r.push(0)
    return
  }
  segment.x ??= { h: [], r: new Array<number>(segment.n).fill(0) }
  const { h, r } = segment.x
  const names = Object.keys(properties)
  const places = names.map((name) => place(segment, writer, name))
  const joined = places.join()
  let shape = writer.shapes.get(joined)
  if (shape === undefined) {
    shape = h.push(places)
    writer.shapes.set(joined, shape)
  }
  r.push(shape)
  for (const name of names) r.push(place(segment, writer, properties[name] ?? null))
}

const weighsMuch = ({ x }: Segment, { length }: Writer): boolean =>
  length + (x === undefined ? 0 : x.r.length * PROPERTY_WEIGHT) >= MOST_WEIGHT

/** Whether its facts are so heavy that no more should go in. */
export const isHeavy = (segment: Segment): boolean => weighsMuch(segment, writerOf(segment))

/** Position of the fact that was appended last. */
export const lastPosition = (segment: Segment): Position => writerOf(segment).position as Position

/** Appends in place. The segment must have come from `newSegment` or from the store. */
export const appendFact = (segment: Segment, fact: Fact): void => {
  const writer = writerOf(segment)
  appendOwn(segment, writer, fact)
  const { v, n } = segment
  const { values } = fact
  for (let i = 0; i < values.length; i++) extend(v, i, n, codeOf(segment, writer, i, values[i] ?? null))
  appendProperties(segment, writer, fact.properties)
  end(segment, writer, fact)
}

const TYPE = indexOf.TYPE
const CURRENCY = indexOf.CURRENCY

/** The same of what numbers of all merchants together are made of: type and currency are the only dimensions. */
export const appendPlain = (segment: Segment, fact: Fact): void => {
  const writer = writerOf(segment)
  appendOwn(segment, writer, fact)
  const { v, n } = segment
  extend(v, TYPE, n, codeOf(segment, writer, TYPE, fact.values[TYPE] ?? null))
  extend(v, CURRENCY, n, codeOf(segment, writer, CURRENCY, fact.values[CURRENCY] ?? null))
  end(segment, writer, fact)
}

const appendOwn = (segment: Segment, writer: Writer, fact: Fact): void => {
  const { c, n } = segment
  extend(c, own.at, n, fact.at - writer.at)
  extend(c, own.recordedAt, n, fact.recordedAt - writer.recordedAt)
  extend(c, own.revision, n, fact.revision - writer.revision)
  extend(c, own.visitor, n, place(segment, writer, fact.visitor))
  extend(c, own.amount, n, present(fact.amount))
  extend(c, own.pointsUsed, n, present(fact.pointsUsed))
  extend(c, own.pointsEarned, n, present(fact.pointsEarned))
  if (n === 0) segment.b = fact.position
  segment.p = extended<number | string>(segment.p, n, n === 0 ? 0 : step(writer.position, fact.position))
}

const end = (segment: Segment, writer: Writer, fact: Fact): void => {
  writer.at = fact.at
  writer.recordedAt = fact.recordedAt
  writer.revision = fact.revision
  writer.position = fact.position
  segment.n++
  writer.rows = segment.n
}
