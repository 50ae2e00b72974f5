import * as Effect from "effect/Effect"
import { partitionOf } from "../domain/Partition.js"
import type { Position } from "../domain/Position.js"
import type { Range } from "../domain/TimeBuckets.js"
import { type By, FactFold, type Part } from "../projections/FactFold.js"
import {
  Columns,
  type Day,
  daysOf,
  daysScan,
  PROJECTION,
  type Segment,
  type Session,
  segmentsScan,
  sessionsOf,
  sessionsScan,
} from "../projections/metrics.js"
import { afterKey } from "../readmodels/Key.js"
import type { ReadModelsService, Row } from "../readmodels/ReadModels.js"
import { MAX_FACTS, MAX_SESSION_DOCUMENTS, tooManyFacts, tooManySessions } from "./Costs.js"
import { type CheckedFilter, matchFacts, matchValues } from "./Filter.js"
import { atOneBuild, type Freshness } from "./Freshness.js"
import type { BucketReading, BucketsOf } from "./MerchantBuckets.js"
import type { QueryError } from "./QueryError.js"
import { AHEAD_MS } from "./TimeRange.js"
import type { Zones } from "./Zones.js"

export interface FactsWanted {
  readonly by?: By | undefined
  readonly filter?: CheckedFilter | undefined
  readonly visitors: boolean
  readonly sessions: boolean
}

/** Answers from facts, event by event: for filters and custom properties. Same answers as from buckets. */
export interface FilteredBuckets {
  readonly read: (
    merchant: BucketsOf,
    parts: ReadonlyArray<Part>,
    wanted: FactsWanted,
  ) => Effect.Effect<BucketReading, QueryError>
}

/** Segments read in one go, some 10 ms; then others get their turn. */
const SLICE = 32

const unionOf = (parts: ReadonlyArray<Part>): Range => ({
  from: Math.min(...parts.map(({ range }) => range.from)),
  to: Math.max(...parts.map(({ range }) => range.to)),
})

const propertiesIn = ({ by, filter }: FactsWanted): ReadonlyArray<string> => {
  const named = (filter?.terms ?? []).flatMap((term) => (typeof term.by === "string" ? term.by : []))
  return [...new Set(by?.property === undefined ? named : [...named, by.property])]
}

/** Takes facts one document at a time, and then sessions. */
class Scan {
  private readonly fold: FactFold
  private readonly names: ReadonlyArray<string>
  /** Of sessions' earliest events, by position: the properties that are asked about. */
  private readonly properties = new Map<Position, ReadonlyMap<string, string | null>>()
  private readonly starts = new Set<Position>()

  constructor(
    zone: string,
    parts: ReadonlyArray<Part>,
    private readonly wanted: FactsWanted,
  ) {
    this.fold = new FactFold(zone, parts, wanted.visitors, wanted.by)
    this.names = propertiesIn(wanted)
  }

  /** Whether `expect` has to be told of all sessions before facts are taken. */
  get isByProperty(): boolean {
    return this.names.length > 0
  }

  expect(session: Session): void {
    this.starts.add(session.position)
  }

  take(segment: Segment): void {
    const columns = new Columns(segment)
    const passes = this.wanted.filter === undefined ? undefined : matchFacts(this.wanted.filter, columns)
    this.fold.addFacts(columns, passes)
    if (this.starts.size === 0) return
    for (let i = 0; i < columns.size; i++) {
      const position = columns.position(i)
      if (!this.starts.has(position)) continue
      this.properties.set(position, new Map(this.names.map((name) => [name, columns.property(i, name)])))
    }
  }

  takeSession(session: Session): void {
    const known = this.properties.get(session.position)
    const property = (name: string) => known?.get(name) ?? null
    const { filter } = this.wanted
    if (filter !== undefined && !matchValues(filter, session.values, property)) return
    this.fold.addSession(session, property)
  }

  buckets() {
    return this.fold.buckets()
  }
}

/** Documents of sessions looked at in one go, some 10 ms. */
const SESSION_SLICE = 64

/** Every session of the rows that starts in the range; others get their turn in between. */
const eachSession = (rows: ReadonlyArray<Row>, { from, to }: Range, take: (session: Session) => void) =>
  Effect.gen(function* () {
    for (let at = 0; at < rows.length; at += SESSION_SLICE) {
      for (const { session } of sessionsOf(rows.slice(at, at + SESSION_SLICE), from, to)) take(session)
      yield* Effect.sleep(0)
    }
  })

/** Neighbouring days in runs, so that one scan reads many. */
const runsOf = (days: ReadonlyArray<Day>): ReadonlyArray<{ zone: string; first: number; last: number }> => {
  const runs: Array<{ zone: string; first: number; last: number }> = []
  for (const { zone, start } of days) {
    const run = runs.at(-1)
    if (run !== undefined && run.zone === zone && start > run.last) run.last = start
    else runs.push({ zone, first: start, last: start })
  }
  return runs
}

export const makeFilteredBuckets = (
  readModels: ReadModelsService,
  freshness: Freshness,
  zones: Zones,
): FilteredBuckets => ({
  read: (merchant, parts, wanted) =>
    atOneBuild(
      Effect.gen(function* () {
        const { id, timezone } = merchant
        const all = [...new Set([timezone, ...(yield* zones.of(id))])]
        const range = unionOf(parts)
        const isByProperty = wanted.sessions && propertiesIn(wanted).length > 0
        const factsIn = isByProperty ? { from: range.from, to: range.to + AHEAD_MS } : range
        const partition = partitionOf(id)
        let days: ReadonlyArray<Day> = []
        let cost = 0
        const reading = yield* freshness.read(
          PROJECTION,
          id,
          all.map((zone) => daysScan(id, zone, factsIn)),
          (rows) => {
            days = all.flatMap((zone, index) => daysOf(zone, rows[index] ?? []))
            cost = days.reduce((sum, { facts }) => sum + facts, 0)
            if (!wanted.sessions || cost > MAX_FACTS) return []
            return [{ ...sessionsScan(id, range.from, range.to), limit: MAX_SESSION_DOCUMENTS }]
          },
        )
        if (cost > MAX_FACTS) return yield* tooManyFacts(cost)
        const sessions = reading.answer.rows[all.length] ?? []
        if (sessions.length >= MAX_SESSION_DOCUMENTS) return yield* tooManySessions
        const scan = new Scan(timezone, parts, wanted)
        if (scan.isByProperty) yield* eachSession(sessions, range, (session) => scan.expect(session))
        for (const { doc } of days) if (doc.f !== undefined) scan.take(doc.f)
        for (const { zone, first, last } of runsOf(days.filter(({ isLarge }) => isLarge))) {
          const settled = new Map(
            days.filter((day) => day.zone === zone).map((day): [number, number] => [day.start, day.settled]),
          )
          let next = segmentsScan(id, zone, first, last)
          for (;;) {
            const answer = yield* readModels.query(reading.build.id, partition, [{ ...next, limit: SLICE }])
            const rows = answer.rows[0] ?? []
            for (const { doc } of rows) {
              const segment = doc as Segment
              // What was settled after the day was read was taken with the day's tail, or is later than the answer.
              if ((segment.o ?? 0) < (settled.get(segment.d) ?? 0)) scan.take(segment)
            }
            const end = rows.at(-1)
            if (end === undefined || rows.length < SLICE) break
            next = { ...next, from: afterKey(end.key) }
            yield* Effect.sleep(0)
          }
        }
        yield* eachSession(sessions, range, (session) => scan.takeSession(session))
        return { ...reading, parts: scan.buckets() }
      }),
    ),
})
