import type { EventData, RecordedEvent } from "../domain/Event.js"
import { bucketDimensions } from "../domain/Metrics.js"
import { key } from "../readmodels/Key.js"
import { valuesOf } from "./Dimensions.js"
import { Columns, type Fact, own, type Segment } from "./Segments.js"
import { timePart } from "./TimePart.js"

export { Columns, type CountedRows, type Fact, FactRows, type Segment } from "./Segments.js"

/**
 * Facts: one narrow row for each business event. They answer what buckets can't: filters, lists, evidence.
 * They lie by columns in segments, in the order in which they were recorded, because a column of small
 * numbers is a quarter of the size of objects and is searched without making any.
 */
export const FACTS = "facts"

/** Facts in one document, at most. */
export const SEGMENT = 256

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
