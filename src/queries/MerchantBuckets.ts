import * as Effect from "effect/Effect"
import type { Interval } from "../domain/Metrics.js"
import type { Partition } from "../domain/Partition.js"
import { bucketStart, cut, type Range } from "../domain/TimeBuckets.js"
import { offsetAt } from "../domain/Zone.js"
import { FactFold } from "../projections/FactFold.js"
import {
  type Bucket,
  bucketScans,
  Columns,
  type Day,
  daysOf,
  daysScan,
  eachWaitingSession,
  type Kept,
  keptBuckets,
  type Part,
  PROJECTION,
  type Segment,
  segmentsScan,
  sessionsOf,
  sessionsScan,
  type Wanted,
} from "../projections/metrics.js"
import type { Build, Row, Rows, Scan } from "../readmodels/ReadModels.js"
import { MAX_DOCUMENTS, MAX_FACTS, tooManyDocuments, tooManyFacts } from "./Costs.js"
import { atOneBuild, type Freshness, type Reading } from "./Freshness.js"
import type { QueryError } from "./QueryError.js"
import { AHEAD_MS } from "./TimeRange.js"
import { hasOtherZones, otherZones, type Zones } from "./Zones.js"

export type { Part } from "../projections/metrics.js"

export interface BucketReading extends Reading {
  /** For each part, in no order. Buckets of one time and value may come in pieces: add them up. */
  readonly parts: ReadonlyArray<ReadonlyArray<Bucket>>
}

export interface BucketsWanted extends Wanted {
  /** Whether sessions are counted too. */
  readonly sessions: boolean
}

/** Whose buckets, and in which zone they are asked for. */
export interface BucketsOf {
  readonly id: string
  readonly timezone: string
  /** Where they are kept, when that does not follow from the id. */
  readonly partition?: Partition
  /** The build to read; the serving one when missing. */
  readonly build?: Build
}

export interface MerchantBuckets {
  /** Reads all parts at one moment. */
  readonly read: (
    merchant: BucketsOf,
    parts: ReadonlyArray<Part>,
    wanted: BucketsWanted,
  ) => Effect.Effect<BucketReading, QueryError>
}

const keptInterval = (interval: Interval): Kept =>
  interval === "WEEK" || interval === "MONTH" ? "DAY" : interval

/** The interval in which buckets of a former zone are read, to be put into those of today's zone. */
const finer = (interval: Interval): Kept =>
  interval === "MINUTE" || interval === "TEN_MINUTES" ? interval : "HOUR"

const unit: Record<Kept, number> = { MINUTE: 60_000, TEN_MINUTES: 600_000, HOUR: 3_600_000, DAY: 3_600_000 }

/** Buckets of one zone for one part. */
interface Piece {
  readonly zone: string
  readonly part: Part
  readonly index: number
  readonly interval: Kept
  readonly scans: ReadonlyArray<Scan>
}

const union = (ranges: ReadonlyArray<Range>): Range => ({
  from: Math.min(...ranges.map(({ from }) => from)),
  to: Math.max(...ranges.map(({ to }) => to)),
})

const merge = (ranges: ReadonlyArray<Range>): ReadonlyArray<Range> => {
  const merged: Array<Range> = []
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last !== undefined && range.from <= last.to) {
      merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) }
    } else merged.push(range)
  }
  return merged
}

/** Buckets are not by property. */
const noProperty = () => null

/** One question to the read models, in the making: which rows answer what. */
class Question {
  readonly pieces: ReadonlyArray<Piece>
  readonly first: ReadonlyArray<Scan>
  private readonly range: Range
  private days: ReadonlyArray<Day> = []
  private fromFacts: ReadonlySet<Day> = new Set()
  private sessionRanges: ReadonlyArray<Range> = []

  constructor(
    private readonly merchant: BucketsOf,
    private readonly zones: ReadonlyArray<string>,
    private readonly parts: ReadonlyArray<Part>,
    private readonly wanted: BucketsWanted,
  ) {
    const { id, timezone } = merchant
    this.range = union(parts.map(({ range }) => range))
    this.pieces = zones.flatMap((zone) =>
      parts.map((part, index) => {
        const interval = zone === timezone ? keptInterval(part.interval) : finer(part.interval)
        return { zone, part, index, interval, scans: bucketScans(id, zone, interval, part.range, wanted) }
      }),
    )
    const { from, to } = this.range
    const daysIn = { from, to: wanted.sessions ? to + AHEAD_MS : to }
    this.first = [
      ...zones.map((zone) => daysScan(id, zone, daysIn)),
      ...this.pieces.flatMap(({ scans }) => scans),
    ].map((scan) => ({ ...scan, limit: MAX_DOCUMENTS }))
  }

  /** A large day of a former zone whose buckets straddle those of today's: its facts are cut anew. */
  private isMisaligned({ zone, start }: Day): boolean {
    const { timezone } = this.merchant
    if (zone === timezone) return false
    const units = this.parts.map(({ interval }) => unit[finer(interval)])
    // Clocks may be set by half an hour within the day, those of either zone.
    return [start, this.endOf(zone, start) - 1].some((at) => {
      const apart = Math.abs(offsetAt(zone, at) - offsetAt(timezone, at))
      return units.some((length) => apart % length !== 0)
    })
  }

  /** What has to be read once it is known which days have no buckets that can be taken. */
  follow(rows: ReadonlyArray<ReadonlyArray<Row>>): ReadonlyArray<Scan> {
    const { id } = this.merchant
    this.days = this.zones.flatMap((zone, index) => daysOf(zone, rows[index] ?? []))
    this.fromFacts = new Set(
      this.days.filter((day) => day.start < this.range.to && (!day.isLarge || this.isMisaligned(day))),
    )
    if (this.facts > MAX_FACTS) return []
    const scans = [...this.fromFacts]
      .filter(({ isLarge }) => isLarge)
      .map(({ zone, start }) => segmentsScan(id, zone, start, start))
    // Sessions of many merchants together lie with theirs; what no bucket counts comes with the days.
    if (!this.wanted.sessions || this.isTogether) return scans
    this.sessionRanges = merge(this.zones.flatMap((zone) => this.uncounted(zone)))
    return [
      ...scans,
      ...this.sessionRanges.map(({ from, to }) => ({ ...sessionsScan(id, from, to), limit: MAX_DOCUMENTS })),
    ]
  }

  /**
   * Where sessions of the zone may begin that no bucket counts: on its days that are kept as facts, and
   * shortly before a day, as an event's clock may have been ahead of its arrival.
   */
  private uncounted(zone: string): ReadonlyArray<Range> {
    const days = this.days.filter((day) => day.zone === zone)
    const counted = days.filter((day) => !this.fromFacts.has(day))
    const countedEnds = new Set(counted.map(({ start }) => this.endOf(zone, start)))
    return days
      .map((day) => ({
        from: countedEnds.has(day.start) ? day.start : day.start - AHEAD_MS,
        to: this.fromFacts.has(day) ? this.endOf(zone, day.start) : day.start,
      }))
      .map(({ from, to }) => ({ from: Math.max(from, this.range.from), to: Math.min(to, this.range.to) }))
      .filter(({ from, to }) => from < to)
  }

  private get isTogether(): boolean {
    return this.merchant.partition !== undefined
  }

  private endOf(zone: string, start: number): number {
    // The day after begins 20 to 28 hours later, whatever the clocks do.
    return bucketStart(zone, "DAY", start + 28 * 3_600_000)
  }

  /** Facts that are read, of days that are large but can't be taken as they lie. */
  get facts(): number {
    return [...this.fromFacts].reduce((sum, { isLarge, facts }) => (isLarge ? sum + facts : sum), 0)
  }

  /** Once. */
  answer(rows: ReadonlyArray<ReadonlyArray<Row>>): ReadonlyArray<ReadonlyArray<Bucket>> {
    const found = this.parts.map((): Array<Bucket> => [])
    let at = this.zones.length
    for (const piece of this.pieces) {
      const scanned = piece.scans.map(({ collection }, index) => ({
        collection,
        rows: rows[at + index] ?? [],
      }))
      at += piece.scans.length
      this.addKept(piece, scanned, found[piece.index] as Array<Bucket>)
    }
    const fold = this.foldRest(rows, at)
    fold.buckets().forEach((buckets, index) => {
      found[index]?.push(...buckets)
    })
    this.letGo()
    return found
  }

  /** Who waited for the rows refers to the question until the next full collection (decision 0034). */
  private letGo(): void {
    this.days = []
    this.fromFacts = new Set()
    this.kept = undefined
  }

  private addKept(
    { zone, part, interval }: Piece,
    scanned: ReadonlyArray<{ readonly collection: string; readonly rows: ReadonlyArray<Row> }>,
    into: Array<Bucket>,
  ): void {
    const { timezone } = this.merchant
    const recut = zone !== timezone || interval !== part.interval
    const skipped = [...this.fromFacts]
      .filter((day) => day.zone === zone && day.isLarge)
      .map(({ start }) => start)
    const skips = skipped.length === 0 ? undefined : (at: number) => skipped.includes(cut(zone, at).day)
    const days = this.days.filter((day) => day.zone === zone)
    keptBuckets(interval, part.range, this.wanted, days, scanned, skips, (bucket) => {
      into.push(recut ? { ...bucket, at: bucketStart(timezone, part.interval, bucket.at) } : bucket)
    })
  }

  /** What the buckets do not hold; `first` is where the rows that `follow` asked for begin. */
  private foldRest(rows: ReadonlyArray<ReadonlyArray<Row>>, first: number): FactFold {
    const { dimension, visitors, sessions } = this.wanted
    const by = dimension === undefined ? undefined : { dimension }
    const fold = new FactFold(this.merchant.timezone, this.parts, visitors, by)
    let at = first
    for (const day of this.days) {
      const { doc, start, isLarge } = day
      const tail = doc.f === undefined ? undefined : new Columns(doc.f)
      if (tail !== undefined && start < this.range.to) fold.addFacts(tail)
      const isFromFacts = this.fromFacts.has(day)
      if (isFromFacts && isLarge) {
        for (const { doc } of rows[at++] ?? []) fold.addFacts(new Columns(doc as Segment))
      }
      // Else all its sessions are read.
      if (!sessions || (isFromFacts && !this.isTogether)) continue
      eachWaitingSession(start, doc.s, tail, (at, values, change) => fold.addChange(at, values, change))
    }
    for (const { from, to } of this.sessionRanges) {
      for (const { session } of sessionsOf(rows[at++] ?? [], from, to)) {
        if (!this.isKept(session.zone, session.start)) fold.addSession(session, noProperty)
      }
    }
    return fold
  }

  /** Whether a session is in the buckets of its day already. */
  private isKept(zone: string, start: number): boolean {
    const day = cut(zone, start).day
    return this.keptDays.has(`${zone} ${day}`)
  }

  private kept: ReadonlySet<string> | undefined
  private get keptDays(): ReadonlySet<string> {
    this.kept ??= new Set(
      this.days.filter((day) => !this.fromFacts.has(day)).map(({ zone, start }) => `${zone} ${start}`),
    )
    return this.kept
  }
}

/** Reads what a question needs, after `more`, whose rows come first and may say that it is of no use. */
const ask = (
  freshness: Freshness,
  { id, partition }: BucketsOf,
  question: Question,
  more: ReadonlyArray<Scan>,
  isOfUse: (rows: Rows) => boolean,
): Effect.Effect<Reading | undefined, QueryError> =>
  Effect.map(
    freshness.read(PROJECTION, partition ?? id, [...more, ...question.first], (rows) =>
      isOfUse(rows.slice(0, more.length)) ? question.follow(rows.slice(more.length)) : [],
    ),
    (reading) => {
      const { checkpoint, rows } = reading.answer
      if (!isOfUse(rows.slice(0, more.length))) return undefined
      return { ...reading, answer: { checkpoint, rows: rows.slice(more.length) } }
    },
  )

export const makeMerchantBuckets = (freshness: Freshness, zones: Zones): MerchantBuckets => ({
  read: (merchant, parts, wanted) =>
    atOneBuild(
      Effect.gen(function* () {
        const { id, timezone, partition } = merchant
        let question = new Question(merchant, [timezone], parts, wanted)
        const others = partition === undefined ? otherZones(id, timezone) : []
        let reading = yield* ask(freshness, merchant, question, others, (rows) => !hasOtherZones(rows))
        if (reading === undefined) {
          // Events stay in the buckets of the zone in force when they were recorded.
          const all = [...new Set([timezone, ...(yield* zones.of(id))])]
          question = new Question(merchant, all, parts, wanted)
          reading = yield* ask(freshness, merchant, question, [], () => true)
        }
        const { answer } = reading as Reading
        const documents = answer.rows.reduce((sum, rows) => sum + rows.length, 0)
        if (documents >= MAX_DOCUMENTS) return yield* tooManyDocuments
        if (question.facts > MAX_FACTS) return yield* tooManyFacts(question.facts)
        return { ...(reading as Reading), parts: question.answer(answer.rows) }
      }),
      merchant.build,
    ),
})
