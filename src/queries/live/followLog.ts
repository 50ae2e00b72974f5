import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Position } from "../../domain/Position.js"
import type { EventLogService, LogBatch } from "../../eventlog/EventLog.js"

const again = Schedule.spaced("500 millis")

export interface Followed {
  /** Asked whenever a subscription begins: what lies after it is given. */
  readonly after: () => Position
  /** Of these streams alone. */
  readonly prefixes?: ReadonlyArray<string>
  readonly hear: (batch: LogBatch) => void
  /** Who it is for, in the log of this program. */
  readonly name: string
}

/** Gives what is recorded to a listener until it is interrupted, whatever happens to the subscription. */
export const followLog = (
  log: EventLogService,
  { after, prefixes, hear, name }: Followed,
): Effect.Effect<never> =>
  Effect.suspend(() =>
    Stream.runForEach(
      log.subscribe({ after: after(), ...(prefixes === undefined ? {} : { prefixes }) }),
      (batch) => Effect.sync(() => hear(batch)),
    ),
  ).pipe(
    Effect.tapError((error) => Effect.logWarning(`${name}: the log's subscription broke`, error)),
    Effect.retry(again),
    Effect.repeat(again),
    Effect.zipRight(Effect.never),
    Effect.orDie,
  )
