import * as Effect from "effect/Effect"
import { merchantStream, type Partition, partitionOf } from "../../domain/Partition.js"
import { compare, type Position } from "../../domain/Position.js"
import { bucketStart, type Range } from "../../domain/TimeBuckets.js"
import type { EventLogService } from "../../eventlog/EventLog.js"
import {
  Columns,
  comesBefore,
  type Day,
  daysOf,
  daysScan,
  keptFor,
  type Part,
  PROJECTION,
  SESSION_GAP,
  type Segment,
} from "../../projections/metrics.js"
import type { ReadModelsService } from "../../readmodels/ReadModels.js"
import { MAX_AS_OF_FACTS, MAX_TIES, tooManyAsOfFacts, tooManyTies } from "../Costs.js"
import { readRevisions } from "../EventReads.js"
import type { Freshness } from "../Freshness.js"
import type { BucketReading, BucketsOf } from "../MerchantBuckets.js"
import { type QueryError, refused, stalled } from "../QueryError.js"
import { AHEAD_MS } from "../TimeRange.js"
import type { Zones } from "../Zones.js"
import { AsOfFold, type AsOfWanted, mayHaveOthers, startsIn } from "./AsOfFold.js"
import { DayFacts } from "./DayFacts.js"
import type { MomentReads } from "./Moment.js"
import type { FoundSession } from "./SessionRows.js"

/**
 * Answers as it stood at a position: buckets and sessions are made anew of the facts up to there, as those
 * that are kept know of later events. Same answers as a fold of the log that ends at the position.
 */
export interface AsOfBuckets {
  readonly read: (
    merchant: BucketsOf,
    parts: ReadonlyArray<Part>,
    wanted: AsOfWanted,
    upTo: Position,
  ) => Effect.Effect<BucketReading, QueryError>
}

const HOUR = 3_600_000
const LONGEST_STEP = 24 * HOUR
/** Facts taken before others get their turn. */
const FACTS_AT_ONCE = 8_192
/** Sessions looked at before others get their turn. */
const SESSIONS_AT_ONCE = 20_000
/** Tied events lie all over a day: many small reads of the log take longer than what lies between. */
const TIE_GAP = 64
/** Segments read backwards in one go: few at first. */
const FIRST_BACK = 2
const MOST_BACK = 64

const unionOf = (parts: ReadonlyArray<Part>): Range => ({
  from: Math.min(...parts.map(({ range }) => range.from)),
  to: Math.max(...parts.map(({ range }) => range.to)),
})

/** Clocks of partitions may differ by less. */
const DAY = 24 * HOUR

/** Whether some of it may have expired at a time that the partition's own newest event decides. */
const mayBeExpired = ({ interval, range }: Part, recordedAt: number | null): boolean => {
  const kept = keptFor(interval)
  return kept !== undefined && recordedAt !== null && range.from < recordedAt - kept + DAY
}

/** One question in the making. */
class Reading {
  private readonly days = new Map<string, DayFacts>()
  private cost = 0
  private pauseAt = FACTS_AT_ONCE
  private readTo: number
  readonly range: Range
  /** Events from here on say whether a session began in the range. */
  readonly since: number
  readonly fold: AsOfFold
  readonly build: string

  constructor(
    private readonly readModels: ReadModelsService,
    build: { readonly id: string },
    private readonly partition: Partition,
    private readonly merchant: BucketsOf,
    private readonly zones: ReadonlyArray<string>,
    parts: ReadonlyArray<Part>,
    private readonly wanted: AsOfWanted,
    private readonly upTo: Position,
  ) {
    this.build = build.id
    this.range = unionOf(parts)
    this.since = wanted.sessions ? this.range.from - SESSION_GAP : this.range.from
    this.readTo = this.since
    this.fold = new AsOfFold(merchant.timezone, parts, wanted, this.since)
  }

  /** Takes all facts of the range's days that happened before `below` and were not taken yet. */
  readonly takeUntil = (below: number): Effect.Effect<void, QueryError> =>
    Effect.gen(this, function* () {
      const { id } = this.merchant
      const scans = this.zones.map((zone) => daysScan(id, zone, { from: this.readTo, to: below }))
      this.readTo = below
      const answer = yield* this.readModels.query(this.build, this.partition, scans)
      for (const [index, zone] of this.zones.entries()) {
        for (const day of daysOf(zone, answer.rows[index] ?? [])) yield* this.open(day)
      }
      for (const facts of this.days.values()) {
        for (let scan = facts.scan(below); scan !== undefined; scan = facts.scan(below)) {
          const piece = yield* this.readModels.query(this.build, this.partition, [scan])
          yield* this.pay(facts.take(piece.rows[0] ?? [], this.fold.take))
        }
        yield* this.pay(facts.takeTail(this.fold.take))
      }
    })

  private open(day: Day): Effect.Effect<void, QueryError> {
    const name = `${day.zone} ${day.start}`
    if (this.days.has(name)) return Effect.void
    const facts = new DayFacts(day, this.merchant.id, this.upTo, mayHaveOthers(day, this.wanted))
    this.days.set(name, facts)
    // The day after begins 20 to 28 hours later, whatever the clocks do.
    const end = bucketStart(day.zone, "DAY", day.start + 28 * HOUR)
    return end <= this.range.from ? this.takeEnd(facts) : Effect.void
  }

  /** Of a day that is over when the range begins, its last events alone, which mostly were recorded last. */
  private takeEnd(facts: DayFacts): Effect.Effect<void, QueryError> {
    return Effect.gen(this, function* () {
      let end = yield* this.segmentsUpTo(facts)
      for (let length = FIRST_BACK; end > 0; length = Math.min(length * 4, MOST_BACK)) {
        const piece = new DayFacts(facts.day, this.merchant.id, this.upTo, true)
        const from = Math.max(0, end - length)
        const answer = yield* this.readModels.query(this.build, this.partition, [facts.between(from, end)])
        const rows = answer.rows[0] ?? []
        yield* this.pay(piece.take(rows, this.fold.take))
        end = from
        const before = rows[0] === undefined ? undefined : new Columns(rows[0].doc as Segment).latestBefore
        if (before !== undefined && before < this.since) break
      }
      facts.finish()
    })
  }

  /** How many of the day's segments have a fact that is not beyond the position. */
  private segmentsUpTo(facts: DayFacts): Effect.Effect<number, QueryError> {
    return Effect.gen(this, function* () {
      let low = 0
      let high = facts.segments
      while (low < high) {
        const middle = (low + high) >> 1
        const answer = yield* this.readModels.query(this.build, this.partition, [
          facts.between(middle, middle + 1),
        ])
        const segment = answer.rows[0]?.[0]?.doc as Segment | undefined
        if (segment !== undefined && compare(new Columns(segment).position(0), this.upTo) <= 0)
          low = middle + 1
        else high = middle
      }
      return low
    })
  }

  private pay(facts: number): Effect.Effect<void, QueryError> {
    this.cost += facts
    if (this.cost > MAX_AS_OF_FACTS) return tooManyAsOfFacts
    if (this.cost < this.pauseAt) return Effect.void
    this.pauseAt = this.cost + FACTS_AT_ONCE
    return Effect.sleep(0)
  }
}

export const makeAsOfBuckets = (deps: {
  readonly readModels: ReadModelsService
  readonly freshness: Freshness
  readonly zones: Zones
  readonly log: EventLogService
  readonly moments: MomentReads
}): AsOfBuckets => {
  const { readModels, freshness, zones, log, moments } = deps

  /**
   * Takes the sessions that start in the range. One that goes on after what was read is looked at again with
   * what follows: every hour that it goes on has an event that says so.
   */
  const takeSessions = (merchantId: string, reading: Reading, read: number) =>
    Effect.gen(function* () {
      const { fold, range } = reading
      const tied: Array<FoundSession> = []
      let below = read
      let only: ReadonlySet<number> | undefined
      for (let step = HOUR; ; step = Math.min(step * 2, LONGEST_STEP)) {
        const open = new Set<number>()
        let looked = 0
        for (const [visitor, all] of fold.rows.sessions(only)) {
          if (++looked % SESSIONS_AT_ONCE === 0) yield* Effect.sleep(0)
          const own = all.filter((session) => startsIn(range, session))
          // An event's clock may be ahead of the time at which sessions have it.
          if (own.some(({ end }) => end + SESSION_GAP > below - AHEAD_MS)) {
            open.add(visitor)
            continue
          }
          for (const session of own) {
            if (isTied(reading, session)) tied.push(session)
            else fold.takeSession(session, session.first[0] as number)
          }
        }
        if (open.size === 0) break
        only = open
        below += step
        yield* reading.takeUntil(below)
      }
      yield* takeTied(merchantId, reading, tied)
    })

  /** Whether it matters which of the events at its first instant is the earliest. */
  const isTied = ({ fold: { rows } }: Reading, { first }: FoundSession): boolean =>
    first.some((row) => rows.what(row) !== rows.what(first[0] as number))

  /** Facts do not have the ids that decide between events of one instant: those are in the log. */
  const takeTied = (merchantId: string, { fold }: Reading, tied: ReadonlyArray<FoundSession>) =>
    Effect.gen(function* () {
      if (tied.length === 0) return
      const revisions = tied.flatMap(({ first }) => first.map((row) => fold.rows.revision(row)))
      if (revisions.length > MAX_TIES) return yield* tooManyTies
      const stream = merchantStream(partitionOf(merchantId), merchantId)
      const events = yield* readRevisions(log, stream, revisions, TIE_GAP)
      const idOf = (row: number): string => events.get(fold.rows.revision(row))?.event.data.id ?? ""
      for (const session of tied) {
        const first = session.first.reduce((best, row) => (comesBefore(idOf(row), idOf(best)) ? row : best))
        fold.takeSession(session, first)
      }
    })

  return {
    read: (merchant, parts, wanted, upTo) =>
      Effect.gen(function* () {
        const { id } = merchant
        const partition = partitionOf(id)
        const all = yield* zones.of(id)
        const now = yield* freshness.read(PROJECTION, id, [])
        if (compare(now.asOf.position, upTo) < 0) {
          const { stalledAt } = now.asOf
          if (stalledAt !== undefined) return yield* stalled(upTo, stalledAt, now.asOf.position)
          return yield* refused("NOT_YET", `the read model is not at position ${upTo} yet: ask again`, {
            reached: now.asOf.position,
          })
        }
        const reading = new Reading(readModels, now.build, partition, merchant, all, parts, wanted, upTo)
        const { range } = reading
        const below = wanted.sessions ? range.to + SESSION_GAP + AHEAD_MS : range.to
        yield* reading.takeUntil(below)
        if (wanted.sessions) yield* takeSessions(id, reading, below)
        const moment = yield* moments.at(upTo)
        const newest = parts.some((part) => mayBeExpired(part, moment.recordedAt))
          ? yield* moments.newestIn(partition, upTo)
          : moment.recordedAt
        return {
          answer: { checkpoint: { position: upTo, recordedAt: newest }, rows: [] },
          asOf: {
            position: upTo,
            recordedAt: moment.recordedAt,
            lagMs: moment.lagMs,
            build: now.build.id,
          },
          build: now.build,
          caughtUpTo: moment.caughtUpTo,
          parts: reading.fold.buckets(),
        }
      }),
  }
}
