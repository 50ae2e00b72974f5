import * as Effect from "effect/Effect"
import { partitionOf } from "../domain/Partition.js"
import { compare, type Position, start } from "../domain/Position.js"
import { type Columns, PROJECTION } from "../projections/metrics.js"
import type { ReadModelsService } from "../readmodels/ReadModels.js"
import { DaysOfZone, type Look, type Source } from "./FactSources.js"
import { atOneBuild, type Freshness } from "./Freshness.js"
import { type QueryError, refused } from "./QueryError.js"
import type { Range } from "./TimeRange.js"
import type { Zones } from "./Zones.js"

/** A place in the order of a list: newest first by time, and by position what happened at one time. */
export interface Place {
  /** Epoch ms. */
  readonly at: number
  readonly position: Position
}

export interface FoundFact extends Place {
  readonly revision: number
}

export interface FactsAsked {
  readonly merchantId: string
  readonly range: Range
  /** Only what comes after this place. */
  readonly after: Place | undefined
  readonly limit: number
  /** Which facts of a segment are wanted; undefined when none is. */
  readonly matches: (columns: Columns) => ((row: number) => boolean) | undefined
}

export interface FactsFound {
  /** At most `limit`, newest first. */
  readonly found: ReadonlyArray<FoundFact>
  /** Where to go on when looking ended before enough was found, and there is more to look through. */
  readonly stoppedAt: Place | undefined
}

export interface NewestFacts {
  readonly find: (asked: FactsAsked) => Effect.Effect<FactsFound, QueryError>
}

/** Facts looked through at a time, before a list says where to go on. */
export const LOOKED_THROUGH = 200_000
/** The most where looking can't end, as a day's facts are in no order of time: some two seconds. */
const MOST_LOOKED_THROUGH = 2_000_000

const newestFirst = (a: FoundFact, b: FoundFact): number => b.at - a.at || compare(b.position, a.position)

/** The newest facts of those that it is shown. */
class Newest {
  /** Facts before this instant are not among them. */
  since: number
  looked = 0
  private found: Array<FoundFact> = []

  constructor(
    private readonly asked: FactsAsked,
    private readonly before: number,
    private readonly upTo: Position,
  ) {
    this.since = asked.range.from
  }

  look: Look = (columns, count) => {
    const { size } = columns
    this.looked += size
    const wanted = this.asked.matches(columns)
    // Facts come in log order, and later ones may have come since the position was taken.
    const isWhole = size === 0 || compare(columns.position(size - 1), this.upTo) <= 0
    for (let row = size - 1; row >= 0; row--) {
      const at = columns.at(row)
      count?.(row, at)
      if (at >= this.before || at < this.since || wanted?.(row) !== true) continue
      const position = columns.position(row)
      if (!isWhole && compare(position, this.upTo) > 0) continue
      const { after } = this.asked
      if (after !== undefined && at === after.at && compare(position, after.position) >= 0) continue
      this.found.push({ at, position, revision: columns.revision(row) })
      if (this.found.length >= 2 * this.asked.limit + 64) this.trim()
    }
  }

  private trim(): void {
    const { limit } = this.asked
    this.found = this.found.toSorted(newestFirst).slice(0, limit)
    const last = this.found[limit - 1]
    if (last !== undefined) this.since = last.at
  }

  /** Those that happened at `at` or later. */
  from(at: number): ReadonlyArray<FoundFact> {
    this.trim()
    return this.found.filter((one) => one.at >= at)
  }
}

const latest = (sources: ReadonlyArray<Source>): Source | undefined =>
  sources.reduce<Source | undefined>(
    (best, one) => (best === undefined || one.below > best.below ? one : best),
    undefined,
  )

/** Walks from the newest day back, across all zones that a merchant had, reading no more than it needs. */
export const makeNewestFacts = (
  readModels: ReadModelsService,
  freshness: Freshness,
  zones: Zones,
  lookedThrough = LOOKED_THROUGH,
): NewestFacts => ({
  find: (asked) =>
    atOneBuild(
      Effect.gen(function* () {
        const { merchantId, range, after, limit } = asked
        // At the place's own instant there may be more, unless the place is before every position.
        const upper = after === undefined ? range.to : after.position === start ? after.at : after.at + 1
        const ours = { merchantId, from: range.from, to: Math.min(range.to, upper) }
        const nothing: FactsFound = { found: [], stoppedAt: undefined }
        if (ours.from >= ours.to) return nothing
        const all = yield* zones.of(merchantId)
        if (all.length === 0) return nothing
        const partition = partitionOf(merchantId)
        let sources: ReadonlyArray<Source> = all.map((zone) => new DaysOfZone(ours, zone))
        const scans = sources.map(({ scan }) => scan)
        const reading = yield* freshness.read(PROJECTION, merchantId, scans)
        const newest = new Newest(asked, ours.to, reading.asOf.position)
        const take = (source: Source, rows = reading.answer.rows[0] ?? []) => {
          const more = source.take(rows, newest.look)
          sources = [...sources, ...more].filter(({ below }) => below > ours.from)
        }
        sources.forEach((source, index) => {
          take(source, reading.answer.rows[index])
        })
        for (;;) {
          const source = latest(sources)
          const found = newest.from(source?.below ?? Number.NEGATIVE_INFINITY)
          if (source === undefined || found.length >= limit) return { found, stoppedAt: undefined }
          if (newest.looked >= lookedThrough && source.below < ours.to) {
            return { found, stoppedAt: { at: source.below, position: start } }
          }
          if (newest.looked >= MOST_LOOKED_THROUGH) {
            return yield* refused(
              "TOO_COSTLY",
              `more than ${MOST_LOOKED_THROUGH} events of one day would have to be looked through to go on, as they were not recorded in order of time: end the range before that day`,
              { limit: MOST_LOOKED_THROUGH },
            )
          }
          yield* Effect.sleep(0)
          const answer = yield* readModels.query(reading.build.id, partition, [source.scan])
          take(source, answer.rows[0] ?? [])
        }
      }),
    ),
})
