import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../../domain/Event.js"
import { type Partition, prefixesOf } from "../../domain/Partition.js"
import { compare, type Position } from "../../domain/Position.js"
import type { EventLogService, LogError, ReadAllOptions } from "../../eventlog/EventLog.js"

/** What the log says of a position. */
export interface Moment {
  /** When the last event up to the position was recorded, epoch ms; null before the first. */
  readonly recordedAt: number | null
  /** Age in ms of the oldest event beyond it; 0 when there is none. */
  readonly lagMs: number
  /** Everything recorded before this instant is not beyond it. */
  readonly caughtUpTo: number
}

export interface MomentReads {
  readonly at: (position: Position) => Effect.Effect<Moment, LogError>
  /** When the partition's last event up to the position was recorded; null before its first. */
  readonly newestIn: (partition: Partition, position: Position) => Effect.Effect<number | null, LogError>
}

export const makeMomentReads = (log: EventLogService, now: () => number): MomentReads => {
  const one = (options: ReadAllOptions): Effect.Effect<RecordedEvent | undefined, LogError> =>
    log.readAll({ ...options, limit: 1 }).pipe(
      Stream.flattenIterables,
      Stream.take(1),
      Stream.runCollect,
      Effect.map((events) => Option.getOrUndefined(Chunk.head(events))),
    )
  const after = (position: Position) => one({ direction: "forwards", from: position })

  /** The last event up to the position: a position is asked from only where an event is, so this takes two reads. */
  const last = (position: Position, prefixes?: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const more = prefixes === undefined ? {} : { prefixes }
      let next = yield* after(position)
      let event = yield* one({
        direction: "backwards",
        ...(next === undefined ? {} : { from: next.position }),
        ...more,
      })
      // What was recorded between the two reads comes before it.
      while (event !== undefined && compare(event.position, position) > 0) {
        next ??= event
        event = yield* one({ direction: "backwards", from: event.position, ...more })
      }
      return { event, next }
    })

  return {
    at: (position) =>
      Effect.map(last(position), ({ event, next }) => {
        const asked = now()
        const lagMs = next === undefined ? 0 : Math.max(0, asked - next.metadata.recordedAt)
        return { recordedAt: event?.metadata.recordedAt ?? null, lagMs, caughtUpTo: asked - lagMs }
      }),
    newestIn: (partition, position) =>
      Effect.map(last(position, prefixesOf(partition)), ({ event }) => event?.metadata.recordedAt ?? null),
  }
}
