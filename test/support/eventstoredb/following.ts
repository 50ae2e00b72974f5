import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import type { Position } from "../../../src/domain/Position.js"
import type { EventLogService } from "../../../src/eventlog/EventLog.js"

/** A subscriber that keeps everything it was given. */
export const following = (log: EventLogService, after: Position, prefixes?: ReadonlyArray<string>) => {
  const seen: Array<RecordedEvent> = []
  let upTo = after
  let failure: unknown
  const fiber = Effect.runFork(
    Stream.runForEach(log.subscribe({ after, ...(prefixes === undefined ? {} : { prefixes }) }), (batch) =>
      Effect.sync(() => {
        seen.push(...batch.events)
        upTo = batch.upTo
      }),
    ).pipe(Effect.tapError((error) => Effect.sync(() => (failure = error)))),
  )
  return {
    seen,
    upTo: () => upTo,
    failure: () => failure,
    stop: () => Effect.runPromise(Fiber.interrupt(fiber)),
  }
}
