import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { compare, type Position } from "../domain/Position.js"
import type { EventLogService, LogError } from "../eventlog/EventLog.js"
import { sameTick } from "./SameTick.js"

/** What answers need to know about the end of the log, at a cost that does not follow their number. */
export interface LogTail {
  /** The head, no older than this many milliseconds. */
  readonly head: (maxAgeMs: number) => Effect.Effect<Position, LogError>
  /** Age in ms of the oldest event beyond the position; 0 when there is none. */
  readonly lagMs: (position: Position) => Effect.Effect<number, LogError>
}

export const HEAD_BELIEVED_MS = 100
const REMEMBERED = 1_000

export const makeLogTail = (log: EventLogService, now: () => number): LogTail => {
  let known: { readonly head: Position; readonly at: number } | undefined
  /** What follows a position never changes, so this is remembered without an end. */
  const nextRecordedAt = new Map<Position, number>()

  const askHead = sameTick(
    (keys: ReadonlyArray<"head">) => Effect.map(log.head, (position) => keys.map(() => position)),
    (key) => key,
  )

  const head = (maxAgeMs: number): Effect.Effect<Position, LogError> =>
    Effect.suspend(() => {
      const asked = now()
      if (known !== undefined && asked - known.at <= maxAgeMs && asked >= known.at) {
        return Effect.succeed(known.head)
      }
      return Effect.map(askHead("head"), (position) => {
        known = { head: position, at: asked }
        return position
      })
    })

  const readAfter = (position: Position): Effect.Effect<number | undefined, LogError> =>
    log.readAll({ direction: "forwards", from: position, limit: 1 }).pipe(
      Stream.take(1),
      Stream.runCollect,
      Effect.map((batches) => {
        const first = Option.getOrUndefined(Chunk.head(batches))?.[0]
        if (first === undefined) return undefined
        if (nextRecordedAt.size >= REMEMBERED) nextRecordedAt.clear()
        nextRecordedAt.set(position, first.metadata.recordedAt)
        return first.metadata.recordedAt
      }),
    )
  const askAfter = sameTick(
    (positions: ReadonlyArray<Position>) => Effect.forEach(positions, readAfter),
    (position) => position,
  )

  const recordedAfter = (position: Position): Effect.Effect<number | undefined, LogError> =>
    Effect.suspend(() => {
      const remembered = nextRecordedAt.get(position)
      return remembered === undefined ? askAfter(position) : Effect.succeed(remembered)
    })

  const lagMs = (position: Position): Effect.Effect<number, LogError> =>
    Effect.flatMap(head(HEAD_BELIEVED_MS), (end) =>
      compare(position, end) >= 0
        ? Effect.succeed(0)
        : Effect.map(recordedAfter(position), (at) => (at === undefined ? 0 : Math.max(0, now() - at))),
    )

  return { head, lagMs }
}
