import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../domain/Event.js"
import { compare, type Position, start } from "../domain/Position.js"
import type { EventLogService } from "../eventlog/EventLog.js"
import type { ReadModelsService } from "../readmodels/ReadModels.js"
import type { BuildFold, Failed } from "./BuildFold.js"
import { byPartition } from "./ByPartition.js"
import { MOST_DEAD_LETTERS } from "./DeadLetters.js"
import { preloadFor } from "./Speculation.js"

export interface Folding {
  readonly log: EventLogService
  readonly readModels: ReadModelsService
  /** Writes what the build has folded. It may stop the build, and says so then. */
  readonly commit: (fold: BuildFold) => Effect.Effect<void>
}

const retry = Schedule.exponential("100 millis").pipe(Schedule.union(Schedule.spaced("5 seconds")))

/** Brings what folding the events will ask for into the working set, where the store can't answer at once. */
export const loadFor = (
  { readModels }: Pick<Folding, "readModels">,
  fold: BuildFold,
  events: ReadonlyArray<RecordedEvent>,
): Effect.Effect<void> =>
  readModels.loadNow !== undefined
    ? Effect.void
    : preloadFor(
        readModels,
        fold.build.id,
        fold.projection,
        events.filter((event) => fold.isOwn(event)),
        fold.working,
      ).pipe(
        Effect.tapError((error) => Effect.logWarning("read models can't be read; trying again", error)),
        Effect.retry(retry),
        Effect.orDie,
      )

/**
 * Folds what the build has not folded yet of a batch, and sets aside what can't be folded. Long ago: nobody waits for
 * these events, so that they may be folded partition after partition.
 */
export const foldInto = (
  folding: Folding,
  fold: BuildFold,
  all: ReadonlyArray<RecordedEvent>,
  upTo: Position,
  isLongAgo = false,
): Effect.Effect<void> => {
  const events = fold.beyond(all)
  if (!isLongAgo || folding.readModels.loadNow === undefined) return foldInOrder(folding, fold, events, upTo)
  return Effect.suspend(() => {
    const divided = byPartition(events)
    if (!fold.isOrderFree(divided)) return foldInOrder(folding, fold, events, upTo)
    if (fold.foldByPartition(divided, upTo)) return Effect.void
    // In the order of the log another event may be the first that fails.
    const first = events[0]
    const again = first === undefined ? Effect.void : backTo(folding, fold, first.position)
    return Effect.zipRight(
      again,
      Effect.suspend(() => {
        fold.foldedAgain()
        return fold.stopped === undefined ? foldInOrder(folding, fold, events, upTo) : Effect.void
      }),
    )
  })
}

const foldInOrder = (
  folding: Folding,
  fold: BuildFold,
  events: ReadonlyArray<RecordedEvent>,
  upTo: Position,
): Effect.Effect<void> => {
  const foldNow = Effect.suspend(() => {
    fold.fold(events, upTo)
    if (fold.failed !== undefined) return setAside(folding, fold, fold.failed, events, upTo)
    return fold.stopped === undefined
      ? Effect.void
      : Effect.logError(`${fold.build.id} has stopped`, fold.stopped)
  })
  if (folding.readModels.loadNow !== undefined) return foldNow
  return Effect.zipRight(loadFor(folding, fold, events), foldNow)
}

/**
 * The fold may have changed documents before it threw. So everything since the last commit is undone, folded
 * again up to the event, and committed; then the event is tried once more by itself, and undone alone. This costs
 * only builds that meet such an event.
 */
const setAside = (
  folding: Folding,
  fold: BuildFold,
  first: Failed,
  events: ReadonlyArray<RecordedEvent>,
  upTo: Position,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    let left = events
    for (let failed: Failed | undefined = first; failed !== undefined; failed = fold.failed) {
      const { event, index } = failed
      yield* backTo(folding, fold, event.position)
      if (fold.stopped !== undefined) return
      yield* folding.commit(fold)
      if (fold.stopped !== undefined) return
      yield* loadFor(folding, fold, [event])
      fold.fold([event], event.position)
      // Read anew: what was in the way may have gone.
      const again: Failed | undefined = fold.failed
      if (again !== undefined) {
        yield* parkOrStop(fold, again)
        if (fold.stopped !== undefined) return
        yield* folding.commit(fold)
      }
      fold.foldedAgain()
      left = left.slice(index + 1)
      yield* loadFor(folding, fold, left)
      fold.fold(left, upTo)
    }
    if (fold.stopped !== undefined) yield* Effect.logError(`${fold.build.id} has stopped`, fold.stopped)
  })

const parkOrStop = (fold: BuildFold, failed: Failed): Effect.Effect<void> => {
  const { event, error } = failed
  const { position } = event
  if ((fold.letters?.size ?? 0) >= MOST_DEAD_LETTERS) {
    const reason = `${fold.projection.name} could not fold it: ${error}. Events of ${MOST_DEAD_LETTERS} other merchants wait already, so that it is the code that has to change`
    fold.stop({ position, eventType: event.event.type, reason })
    return Effect.logError(`${fold.build.id} has stopped`, fold.stopped)
  }
  fold.park(failed)
  return Effect.logError(
    `${fold.build.id} can't fold ${event.event.type} at ${position} of ${event.event.data.merchantId}: ${error}. It is set aside, and what comes later of that merchant waits behind it; retry once that is put right`,
  )
}

/** Undoes everything since the last commit, and folds it again up to before the position. */
const backTo = (folding: Folding, fold: BuildFold, position: Position): Effect.Effect<void> =>
  Effect.suspend(() => {
    fold.revert()
    const from = fold.committed
    return folding.log.readAll({ direction: "forwards", ...(from === start ? {} : { from }) }).pipe(
      Stream.takeUntil((chunk) => compare(chunk.at(-1)?.position ?? start, position) >= 0),
      Stream.runForEach((chunk) => {
        const before = chunk.filter((event) => compare(event.position, position) < 0)
        const last = before.at(-1)
        return last === undefined || fold.stopped !== undefined
          ? Effect.void
          : foldInto(folding, fold, before, last.position)
      }),
    )
  }).pipe(
    Effect.tapError((error) => Effect.logWarning("reading the event log failed; trying again", error)),
    Effect.retry({ schedule: retry, while: ({ _tag }) => _tag === "LogUnavailable" }),
    Effect.catchAll((error) =>
      Effect.sync(() => fold.stop({ position: undefined, eventType: undefined, reason: error.message })),
    ),
  )
