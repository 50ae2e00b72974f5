import { Duration, Effect, PubSub, Ref, Schedule, type Scope, Stream } from "effect"
import { compare } from "../domain/Position.js"
import type { EventLogService } from "../eventlog/EventLog.js"
import type { ReadModelsService, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { BuildFold } from "./BuildFold.js"
import { type Planned, planBuild } from "./Builds.js"
import { FoldGroup } from "./FoldGroup.js"
import { logOnce, UnknownEvents } from "./KnownEvents.js"
import type { ProcessorsService, Progress } from "./Processors.js"
import type { Projection } from "./Projection.js"
import { WorkingSet, type WorkingSetLimits } from "./WorkingSet.js"

export interface EngineOptions {
  readonly log: EventLogService
  readonly readModels: ReadModelsService
  readonly projections: ReadonlyArray<Projection>
  readonly limits?: WorkingSetLimits
}

const retry = Schedule.exponential("200 millis").pipe(
  Schedule.union(Schedule.spaced("5 seconds")),
  Schedule.jittered,
  Schedule.resetAfter("1 minute"),
)

/** Under load a build is never at the head; so far behind it is level. */
const LEVEL_MS = 1_000

/** A rate that nobody has renewed for this long is over. */
const RATE_LASTS_MS = 5_000

/**
 * Runs the projections until the scope closes; what is folded by then is committed. Serving builds share
 * one subscription to the log; a build that is to replace one has its own, so that it holds up nobody.
 */
export const runEngine = (
  options: EngineOptions,
): Effect.Effect<ProcessorsService, ReadModelsUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { log, readModels, projections } = options
    const latest = yield* Ref.make<ReadonlyMap<string, { readonly progress: Progress; readonly at: number }>>(
      new Map(),
    )
    const changes = yield* PubSub.sliding<Progress>(64)
    const publish = (progress: Progress) =>
      Ref.update(latest, (all) => new Map(all).set(progress.build, { progress, at: Date.now() })).pipe(
        Effect.zipRight(PubSub.publish(changes, progress)),
      )

    const logFirst = yield* logOnce

    const foldOf = (planned: Planned) =>
      readModels.checkpoints(planned.build.id).pipe(
        Effect.map((checkpoints) => {
          const now = readModels.loadNow
          const { id } = planned.build
          const working = new WorkingSet(
            now === undefined ? () => undefined : (collection, key) => now(id, { collection, key }),
            options.limits,
          )
          const unknown = new UnknownEvents(planned.replaces !== undefined, logFirst)
          return new BuildFold(planned.build, planned.projection, checkpoints, working, unknown)
        }),
      )

    /** When a build has come level, it serves, and the one that it replaces is dropped. */
    const promoteWhenLevel = (planned: Planned, fold: BuildFold) => {
      let waiting = planned.replaces
      return Effect.gen(function* () {
        if (waiting === undefined) return
        const behind = Date.now() - (fold.lastRecordedAt ?? 0)
        if (behind > LEVEL_MS && compare(fold.committed, yield* log.head) < 0) return
        yield* readModels.saveBuild({ ...planned.build, state: "SERVING" })
        fold.unknown.strict = false
        yield* readModels.dropBuild(waiting.id)
        yield* Ref.update(latest, (all) => new Map([...all].filter(([id]) => id !== planned.replaces?.id)))
        waiting = undefined
      }).pipe(
        Effect.catchAll((error) => Effect.logWarning(`${planned.build.id} could not take over yet`, error)),
      )
    }

    const planned = yield* Effect.forEach(projections, (projection) => planBuild(readModels, projection))
    const folds = yield* Effect.forEach(planned, (plan) =>
      foldOf(plan).pipe(Effect.map((fold) => ({ plan, fold }))),
    )
    yield* stopWhenAhead(
      log,
      folds.map(({ fold }) => fold),
    ).pipe(
      Effect.catchAll((error) => Effect.logWarning("the head of the event log could not be read", error)),
    )
    const serving = folds.filter(({ plan }) => plan.replaces === undefined)
    const replacing = folds.filter(({ plan }) => plan.replaces !== undefined)
    const groups = [
      ...(serving.length > 0 ? [{ members: serving }] : []),
      ...replacing.map((one) => ({ members: [one] })),
    ]

    for (const { members } of groups) {
      const promotions = members.map(({ plan, fold }) => promoteWhenLevel(plan, fold))
      const group = new FoldGroup(
        readModels,
        members.map(({ fold }) => fold),
        (progress) =>
          Effect.forEach(progress, publish).pipe(Effect.zipRight(Effect.all(promotions)), Effect.asVoid),
      )
      yield* group.announce
      yield* Effect.all(promotions)
      yield* Effect.addFinalizer(() =>
        group.flush.pipe(
          Effect.timeout(Duration.seconds(20)),
          Effect.catchAll((error) =>
            Effect.logWarning("the last events were not written to the read models", error),
          ),
        ),
      )
      yield* Effect.forkScoped(group.flusher)
      yield* Effect.forkScoped(
        Effect.suspend(() =>
          log.subscribe({ after: group.after() }).pipe(Stream.runForEach(group.take)),
        ).pipe(
          Effect.zipRight(Effect.fail(new SubscriptionEnded())),
          Effect.catchTag("LogDamaged", (error) => group.stop(error.message)),
          Effect.tapError((error) => Effect.logWarning("reading the event log failed; trying again", error)),
          Effect.retry(retry),
          Effect.catchAllDefect((defect) => group.stop(`an error in Tidemark itself: ${String(defect)}`)),
        ),
      )
    }

    return {
      progress: Ref.get(latest).pipe(
        Effect.map((all) =>
          [...all.values()].map(({ progress, at }) =>
            Date.now() - at > RATE_LASTS_MS ? { ...progress, eventsPerSecond: 0 } : progress,
          ),
        ),
      ),
      changes: Stream.fromPubSub(changes),
    }
  })

/** Folding on would skip what the log records next under positions that these builds have seen. */
const stopWhenAhead = (log: EventLogService, folds: ReadonlyArray<BuildFold>) =>
  Effect.gen(function* () {
    const head = yield* log.head
    for (const fold of folds) {
      if (compare(fold.furthest, head) <= 0) continue
      const reason = `it holds events up to ${fold.furthest}, but the log ends at ${head}: an older copy of the log was put in its place. Stop, remove the read models and start again: they are folded anew`
      fold.stop({ position: head, eventType: undefined, reason })
      yield* Effect.logError(`${fold.build.id} has stopped`, reason)
    }
  })

class SubscriptionEnded {
  readonly _tag = "SubscriptionEnded"
  readonly message = "the subscription to the event log ended"
}
