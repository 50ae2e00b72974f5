import { type Dimension, type Interval, NONE } from "../domain/Metrics.js"
import { bucketStart, cut, type Range } from "../domain/TimeBuckets.js"
import { clean } from "../readmodels/Key.js"
import type { Bucket } from "./Buckets.js"
import { changeSessions, countRow, noCounts, type SessionChange, wholeSession } from "./Counts.js"
import type { WaitingSession } from "./DayFold.js"
import { indexOf, type Values } from "./Dimensions.js"
import type { Columns } from "./Facts.js"
import type { Session } from "./Sessions.js"
import { VisitorSet } from "./VisitorSet.js"

/** A part of a question: buckets of one interval in a range. */
export interface Part {
  readonly interval: Interval
  /** Epoch ms. */
  readonly range: Range
}

const startIn = (zone: string, interval: Interval, at: number): number => {
  switch (interval) {
    case "MINUTE":
      return cut(zone, at).minute
    case "TEN_MINUTES":
      return cut(zone, at).tenMinutes
    case "HOUR":
      return cut(zone, at).hour
    case "DAY":
      return cut(zone, at).day
    default:
      return bucketStart(zone, interval, at)
  }
}

/** Values as they show: each text is looked at once. */
class Shown {
  private readonly known = new Map<string, string>()

  of(value: string | null): string {
    if (value === null) return NONE
    let shown = this.known.get(value)
    if (shown === undefined) {
      shown = clean(value)
      this.known.set(value, shown)
    }
    return shown
  }
}

/** What a breakdown is made by: the name of a custom property comes with PROPERTY. */
export interface By {
  readonly dimension: Dimension
  readonly property?: string | undefined
}

/**
 * Makes buckets from facts and sessions on reading: of what is not settled into buckets, and wherever a
 * filter or a custom property is asked for. The zone is that in which the question is asked; parts may overlap.
 */
export class FactFold {
  private readonly found: ReadonlyArray<Map<string | undefined, Map<number, Bucket>>>
  private readonly shown = new Shown()

  constructor(
    private readonly zone: string,
    private readonly parts: ReadonlyArray<Part>,
    private readonly visitors: boolean,
    private readonly by: By | undefined,
  ) {
    this.found = parts.map(() => new Map())
  }

  /**
   * The facts that a part holds and that are accepted, by their index. `valueAt`: what they are broken down by,
   * where that is not simply their own value.
   */
  addFacts(
    columns: Columns,
    accepts?: (index: number) => boolean,
    valueAt = (index: number, by: By): string | null => factValue(columns, index, by),
  ): void {
    const { by } = this
    for (let part = 0; part < this.parts.length; part++) {
      const { from, to } = (this.parts[part] as Part).range
      for (let i = 0; i < columns.size; i++) {
        const at = columns.at(i)
        if (at < from || at >= to || accepts?.(i) === false) continue
        const value = by === undefined ? undefined : valueAt(i, by)
        const bucket = this.bucket(part, at, value)
        countRow(bucket.counts, columns, i)
        const visitor = this.visitors ? columns.visitor(i) : null
        if (visitor !== null) bucket.visitors?.add(visitor)
      }
    }
  }

  /** A session, where a part holds its start. `property`: of its earliest event, by name. */
  addSession(session: Session, property: (name: string) => string | null): void {
    const { by } = this
    const value = by === undefined ? undefined : sessionValue(session, by, property)
    this.change(session.start, value, wholeSession(session, 1))
  }

  /** A change of a session, where a part holds its start. */
  addChange({ start, values, change }: WaitingSession): void {
    const { by } = this
    this.change(start, by === undefined ? undefined : dimensionValue(values, by.dimension), change)
  }

  /** A change of the sessions that start at an instant, with the value that they are broken down by. */
  change(start: number, value: string | null | undefined, change: SessionChange): void {
    this.parts.forEach(({ range }, part) => {
      if (start < range.from || start >= range.to) return
      changeSessions(this.bucket(part, start, value).counts, change)
    })
  }

  /** For each part, in no order. */
  buckets(): ReadonlyArray<ReadonlyArray<Bucket>> {
    return this.found.map((values) => [...values.values()].flatMap((buckets) => [...buckets.values()]))
  }

  private bucket(part: number, at: number, raw: string | null | undefined): Bucket {
    const value = raw === undefined ? undefined : this.shown.of(raw)
    const values = this.found[part] as Map<string | undefined, Map<number, Bucket>>
    let buckets = values.get(value)
    if (buckets === undefined) {
      buckets = new Map()
      values.set(value, buckets)
    }
    const start = startIn(this.zone, (this.parts[part] as Part).interval, at)
    let bucket = buckets.get(start)
    if (bucket === undefined) {
      const visitors = this.visitors ? VisitorSet.of(undefined) : undefined
      bucket = { at: start, value, counts: noCounts(), visitors }
      buckets.set(start, bucket)
    }
    return bucket
  }
}

/** What a fact is broken down by. */
export const factValue = (columns: Columns, i: number, { dimension, property }: By): string | null =>
  dimension === "PROPERTY" ? columns.property(i, property ?? "") : columns.value(i, indexOf[dimension])

const dimensionValue = (values: Values, dimension: Dimension): string | null =>
  dimension === "PROPERTY" ? null : (values[indexOf[dimension]] ?? null)

const sessionValue = (
  session: Session,
  { dimension, property }: By,
  propertyOf: (name: string) => string | null,
): string | null =>
  dimension === "PROPERTY" ? propertyOf(property ?? "") : dimensionValue(session.values, dimension)
