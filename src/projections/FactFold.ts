import type { Interval } from "../domain/Metrics.js"
import { NONE } from "../domain/Metrics.js"
import { bucketStart, cut, type Range } from "../domain/TimeBuckets.js"
import { clean } from "../readmodels/Key.js"
import type { Bucket } from "./Buckets.js"
import { changeSessions, countFact, noCounts, wholeSession } from "./Counts.js"
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

/**
 * Makes buckets from facts and sessions on reading: of days that are kept as facts alone, and wherever a
 * filter or a custom property is asked for. The zone is that in which the question is asked.
 */
export class FactFold {
  private readonly found: ReadonlyArray<Map<string | undefined, Map<number, Bucket>>>
  private readonly shown = new Shown()

  constructor(
    private readonly zone: string,
    private readonly parts: ReadonlyArray<Part>,
    private readonly visitors: boolean,
  ) {
    this.found = parts.map(() => new Map())
  }

  /** Index of the part that holds the instant; -1 when none does. */
  partOf(at: number): number {
    for (let i = 0; i < this.parts.length; i++) {
      const { from, to } = (this.parts[i] as Part).range
      if (at >= from && at < to) return i
    }
    return -1
  }

  /** Fact `i` of the columns, when a part holds it. `value`: of the dimension; undefined without one. */
  addFact(columns: Columns, i: number, value: string | null | undefined): void {
    const at = columns.at(i)
    const part = this.partOf(at)
    if (part < 0) return
    const bucket = this.bucket(part, at, value)
    countFact(bucket.counts, columns.fact(i))
    if (!this.visitors) return
    const visitor = columns.visitor(i)
    if (visitor !== null) bucket.visitors?.add(visitor)
  }

  addSession(session: Session, value: string | null | undefined): void {
    const part = this.partOf(session.start)
    if (part < 0) return
    changeSessions(this.bucket(part, session.start, value).counts, wholeSession(session, 1))
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
      const visitors = this.visitors ? new VisitorSet() : undefined
      bucket = { at: start, value, counts: noCounts(), visitors }
      buckets.set(start, bucket)
    }
    return bucket
  }
}
