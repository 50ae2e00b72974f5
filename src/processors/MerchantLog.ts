import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { partitionOf, prefixesOf } from "../domain/Partition.js"
import { compare, type Position, start } from "../domain/Position.js"
import type { EventLogService, LogBatch, LogError } from "../eventlog/EventLog.js"

/** What has come meanwhile is read with everybody else's when reading up to there took no longer than this. */
const SHORT_MS = 500

/**
 * The log as the build of one merchant reads it: of the past the merchant's partition alone, a 256th of it, then
 * everything that arrives. So a build that is level says a position whenever anything is recorded, as all others
 * do, and not only when something is recorded in its partition. It comes with the events of other merchants, so
 * that what is known of the partition's clock is the same as in a build of all.
 */
export const merchantLog = (log: EventLogService, merchantId: string): EventLogService => {
  const prefixes = prefixesOf(partitionOf(merchantId))

  /** Up to `target`, which is given at the end also when no event of the partition lies there. */
  const past = (after: Position, target: Position): Stream.Stream<LogBatch, LogError> =>
    log.readAll({ direction: "forwards", prefixes, ...(after === start ? {} : { from: after }) }).pipe(
      Stream.takeUntil((chunk) => compare(chunk.at(-1)?.position ?? start, target) >= 0),
      Stream.map((chunk) => chunk.filter(({ position }) => compare(position, target) <= 0)),
      Stream.filter((events) => events.length > 0),
      Stream.map((events) => ({ events, upTo: events.at(-1)?.position ?? after })),
      Stream.concat(Stream.make({ events: [], upTo: target })),
    )

  const follow = (after: Position): Stream.Stream<LogBatch, LogError> =>
    Stream.unwrap(
      Effect.map(beforeLast(log), (target) => {
        if (compare(target, after) <= 0) return log.subscribe({ after })
        const began = performance.now()
        const onwards = Stream.suspend(() =>
          performance.now() - began < SHORT_MS ? log.subscribe({ after: target }) : follow(target),
        )
        return Stream.concat(past(after, target), onwards)
      }),
    )

  // What it has of the past is little.
  const { past: _, ...rest } = log
  return {
    ...rest,
    readAll: (options) => log.readAll({ prefixes, ...options }),
    subscribe: ({ after }) => follow(after),
  }
}

/** The event before the last one: an event is left to come, with which everything up to there is written. */
const beforeLast = (log: EventLogService): Effect.Effect<Position, LogError> =>
  log.readAll({ direction: "backwards", limit: 2 }).pipe(
    Stream.flattenIterables,
    Stream.runCollect,
    Effect.map((last) => Chunk.toReadonlyArray(last)[1]?.position ?? start),
  )
