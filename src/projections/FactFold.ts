import { type Dimension, type Interval, NONE } from "../domain/Metrics.js"
import { bucketStart, nextBucket, type Range } from "../domain/TimeBuckets.js"
import { clean } from "../readmodels/Key.js"
import type { Bucket } from "./Buckets.js"
import { changeSessions, countRow, noCounts, type SessionChange, wholeSession } from "./Counts.js"
import { indexOf, type Values } from "./Dimensions.js"
import type { Columns } from "./Facts.js"
import type { Session } from "./Sessions.js"
import { memberOf, VisitorSet } from "./VisitorSet.js"

/** A part of a question: buckets of one interval in a range. */
export interface Part {
  readonly interval: Interval
  /** Epoch ms. */
  readonly range: Range
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
    valueAt?: (index: number) => string | null,
  ): void {
    const code = this.by === undefined ? noCode : codesOf(columns, this.by)
    const members: Array<number | undefined> = []
    this.parts.forEach(({ interval, range }, part) => {
      // Neighbours mostly are of one bucket of time.
      let time: Range = nothing
      let byCode: Array<Bucket | undefined> = []
      for (let i = 0; i < columns.size; i++) {
        const at = columns.at(i)
        if (at < range.from || at >= range.to || accepts?.(i) === false) continue
        if (at < time.from || at >= time.to) {
          time = bucketAt(this.zone, interval, at)
          byCode = []
        }
        if (valueAt !== undefined) {
          this.countFact(this.bucketIn(part, time.from, valueAt(i)), columns, i, members)
          continue
        }
        const one = code(i)
        let bucket = byCode[one]
        if (bucket === undefined) {
          bucket = this.bucketIn(part, time.from, this.by === undefined ? undefined : columns.text(one))
          byCode[one] = bucket
        }
        this.countFact(bucket, columns, i, members)
      }
    })
  }

  private countFact(bucket: Bucket, columns: Columns, row: number, members: Array<number | undefined>): void {
    countRow(bucket.counts, columns, row)
    if (bucket.visitors === undefined) return
    const visitor = columns.visitorCode(row)
    if (visitor === 0) return
    members[visitor] ??= memberOf(columns.text(visitor) as string)
    bucket.visitors.addMember(members[visitor] as number)
  }

  /** A session, where a part holds its start. `property`: of its earliest event, by name. */
  addSession(session: Session, property: (name: string) => string | null): void {
    const { by } = this
    const value = by === undefined ? undefined : sessionValue(session, by, property)
    this.change(session.start, value, wholeSession(session, 1))
  }

  /** A change of a session, where a part holds its start. */
  addChange(start: number, values: Values, change: SessionChange): void {
    const { by } = this
    this.change(start, by === undefined ? undefined : dimensionValue(values, by.dimension), change)
  }

  /** A change of the sessions that start at an instant, with the value that they are broken down by. */
  change(start: number, value: string | null | undefined, change: SessionChange): void {
    this.parts.forEach(({ interval, range }, part) => {
      if (start < range.from || start >= range.to) return
      const { from } = bucketAt(this.zone, interval, start)
      changeSessions(this.bucketIn(part, from, value).counts, change)
    })
  }

  /** For each part, in no order. */
  buckets(): ReadonlyArray<ReadonlyArray<Bucket>> {
    return this.found.map((values) => [...values.values()].flatMap((buckets) => [...buckets.values()]))
  }

  private bucketIn(part: number, start: number, raw: string | null | undefined): Bucket {
    const value = raw === undefined ? undefined : this.shown.of(raw)
    const values = this.found[part] as Map<string | undefined, Map<number, Bucket>>
    let buckets = values.get(value)
    if (buckets === undefined) {
      buckets = new Map()
      values.set(value, buckets)
    }
    let bucket = buckets.get(start)
    if (bucket === undefined) {
      const visitors = this.visitors ? VisitorSet.of(undefined) : undefined
      bucket = { at: start, value, counts: noCounts(), visitors }
      buckets.set(start, bucket)
    }
    return bucket
  }
}

const nothing: Range = { from: 0, to: 0 }

const bucketAt = (zone: string, interval: Interval, at: number): Range => ({
  from: bucketStart(zone, interval, at),
  to: nextBucket(zone, interval, at),
})

const noCode = (): number => 0

/** The text of what a breakdown is made by, as its code in the columns. */
export const codesOf = (columns: Columns, { dimension, property }: By): ((row: number) => number) => {
  if (dimension === "PROPERTY") return (row) => columns.propertyCode(row, property ?? "")
  const index = indexOf[dimension]
  return (row) => columns.code(row, index)
}

const dimensionValue = (values: Values, dimension: Dimension): string | null =>
  dimension === "PROPERTY" ? null : (values[indexOf[dimension]] ?? null)

const sessionValue = (
  session: Session,
  { dimension, property }: By,
  propertyOf: (name: string) => string | null,
): string | null =>
  dimension === "PROPERTY" ? propertyOf(property ?? "") : dimensionValue(session.values, dimension)
