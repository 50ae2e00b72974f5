import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../domain/Event.js"
import type { EventLogService, LogError } from "../eventlog/EventLog.js"
import { factOf } from "../projections/Facts.js"
import { type CheckedFilter, matchValues } from "./Filter.js"
import type { Range } from "./TimeRange.js"

/** Events between two wanted ones that are read along: less than another read costs. */
const GAP = 4
const READS_AT_ONCE = 8

const runsOf = (
  revisions: ReadonlyArray<number>,
  gap: number,
): ReadonlyArray<{ from: number; to: number }> => {
  const runs: Array<{ from: number; to: number }> = []
  for (const revision of revisions.toSorted((a, b) => a - b)) {
    const run = runs.at(-1)
    if (run !== undefined && revision - run.to <= gap) run.to = revision
    else runs.push({ from: revision, to: revision })
  }
  return runs
}

/** The stream's events with these revisions, by revision. `gap`: events between two wanted ones that are read along. */
export const readRevisions = (
  log: EventLogService,
  stream: string,
  revisions: ReadonlyArray<number>,
  gap = GAP,
): Effect.Effect<ReadonlyMap<number, RecordedEvent>, LogError> => {
  const wanted = new Set(revisions)
  return Effect.forEach(
    runsOf(revisions, gap),
    ({ from, to }) =>
      log.readStream(stream, { direction: "forwards", from, limit: to - from + 1 }).pipe(
        Stream.map((events) => events.filter(({ revision }) => wanted.has(revision))),
        Stream.flattenIterables,
        Stream.runCollect,
      ),
    { concurrency: READS_AT_ONCE },
  ).pipe(
    Effect.map(
      (runs) => new Map(runs.flatMap((run) => [...run].map((event) => [event.revision, event] as const))),
    ),
  )
}

export interface RequestsAsked {
  readonly stream: string
  readonly range: Range
  readonly filter: CheckedFilter
  /** Only revisions before this one. */
  readonly before: number | undefined
  readonly limit: number
}

export interface RequestsFound {
  /** At most `limit`, the last recorded first. */
  readonly found: ReadonlyArray<RecordedEvent>
  /** Looking ended here before enough was found: only revisions before this one were not looked at. */
  readonly stoppedAt: number | undefined
}

/** Events of a client looked through for one page. */
const LOOKED_THROUGH = 20_000
const CHUNK = 1_000

/** An event happened no later than it was recorded, but for what clocks may be wrong by: minutes, never a day. */
const CLOCKS = 86_400_000

/** The client's requests from the end of its stream backwards. */
export const readRequests = (
  log: EventLogService,
  { stream, range, filter, before, limit }: RequestsAsked,
): Effect.Effect<RequestsFound, LogError> =>
  Effect.gen(function* () {
    const passes = (recorded: RecordedEvent): boolean => {
      const { type, at } = recorded.event
      if (type !== "request" || at < range.from || at >= range.to) return false
      const { values, properties } = factOf(recorded)
      return matchValues(filter, values, (name) => properties?.[name] ?? null)
    }
    const found: Array<RecordedEvent> = []
    let next = before === undefined ? undefined : before - 1
    for (let looked = 0; looked < LOOKED_THROUGH; looked += CHUNK) {
      if (next !== undefined && next < 0) return { found, stoppedAt: undefined }
      const events = yield* log
        .readStream(stream, {
          ...{ direction: "backwards", limit: CHUNK },
          ...(next === undefined ? {} : { from: next }),
        })
        .pipe(Stream.flattenIterables, Stream.runCollect, Effect.map(Chunk.toReadonlyArray))
      for (const recorded of events) {
        if (passes(recorded)) found.push(recorded)
        if (found.length === limit) return { found, stoppedAt: undefined }
      }
      const last = events.at(-1)
      if (last === undefined || last.revision === 0) return { found, stoppedAt: undefined }
      if (last.metadata.recordedAt + CLOCKS < range.from) return { found, stoppedAt: undefined }
      next = last.revision - 1
      yield* Effect.sleep(0)
    }
    return { found, stoppedAt: next === undefined ? undefined : next + 1 }
  })
