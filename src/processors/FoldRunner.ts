import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { start as beginning, compare } from "../domain/Position.js"
import type { EventLogService, Past } from "../eventlog/EventLog.js"
import { type Build, type ReadModelsService, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { BuildFold } from "./BuildFold.js"
import { type DeadLetterPolicy, DeadLetters, deadLettersOf } from "./DeadLetters.js"
import { deliverAll } from "./Delivering.js"
import { FoldGroup, mostOfPast, SLICE_LONG_AGO, type Turns } from "./FoldGroup.js"
import { logOnce, UnknownEvents } from "./KnownEvents.js"
import type { Lane } from "./Lanes.js"
import { merchantLog } from "./MerchantLog.js"
import type { Progress } from "./Processors.js"
import { definitionOf, type Projection } from "./Projection.js"
import { type AnyReactor, foldOf as reactorFold } from "./Reactor.js"
import type { Runner } from "./Runner.js"
import { defaultLimits, WorkingSet, type WorkingSetLimits } from "./WorkingSet.js"

export interface FoldRunnerOptions {
  readonly log: EventLogService
  readonly readModels: ReadModelsService
  readonly projections: ReadonlyArray<Projection>
  readonly reactors?: ReadonlyArray<AnyReactor>
  readonly limits?: WorkingSetLimits
  /** `live` when missing. */
  readonly deadLetters?: DeadLetterPolicy
  /** The part of every build that is folded here; missing: all of it. */
  readonly lane?: Lane
  /** Missing: it is always its turn. */
  readonly turns?: Turns
}

const retry = Schedule.exponential("200 millis").pipe(
  Schedule.union(Schedule.spaced("5 seconds")),
  Schedule.jittered,
  Schedule.resetAfter("1 minute"),
)

/** How long writing what is folded may take at the end. */
const LAST_WRITE = Duration.seconds(5)

/** Another lane may be writing for the first time, which takes as long as the disk does. */
const whileOthersWrite = Schedule.spaced("200 millis").pipe(Schedule.upTo("1 minute"))

/** A rate that nobody has renewed for this long is over. */
const RATE_LASTS_MS = 5_000

/** The same with the rates of builds that fold nothing now. */
export const withoutOldRates = (
  all: Iterable<{ readonly progress: Progress; readonly at: number }>,
): ReadonlyArray<Progress> =>
  [...all].map(({ progress, at }) =>
    Date.now() - at > RATE_LASTS_MS ? { ...progress, eventsPerSecond: 0 } : progress,
  )

interface Running {
  readonly fold: BuildFold
  readonly group: FoldGroup
  /** Of the group: closing it writes what is folded. */
  readonly scope: Scope.CloseableScope
}

/** Folds in this thread, until the scope closes; what is folded by then is committed. */
export const makeFoldRunner = (options: FoldRunnerOptions): Effect.Effect<Runner, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { log, readModels, projections, reactors = [], deadLetters: policy = "live", lane } = options
    const { documents, bytes } = options.limits ?? defaultLimits
    const lanes = lane?.of ?? 1
    const limits = { documents: documents / lanes, bytes: bytes / lanes }
    const changes = yield* PubSub.sliding<Progress>(64)
    const latest = new Map<string, { readonly progress: Progress; readonly at: number }>()
    const running = new Map<string, Running>()
    const outer = yield* Scope.make()
    // All at once: each is waited for, one after the other.
    yield* Effect.addFinalizer((exit) =>
      Effect.forEach([...running.values()], ({ group }) => group.end, { discard: true }).pipe(
        Effect.zipRight(Scope.close(outer, exit)),
      ),
    )
    /** Builds of reactors: told of each commit. */
    const delivering = new Map<string, Queue.Queue<boolean>>()

    const publish = (progress: Progress) =>
      Effect.suspend(() => {
        latest.set(progress.build, { progress, at: Date.now() })
        delivering.get(progress.build)?.unsafeOffer(true)
        return PubSub.publish(changes, progress)
      })

    const logFirst = yield* logOnce
    const reactorOf = ({ definition }: Build) => reactors.find((one) => definitionOf(one) === definition)

    /** What is rebuilt must leave nothing out: it stops where it would. */
    const foldOf = (build: Build, isStrict: boolean): Effect.Effect<BuildFold, ReadModelsUnavailable> =>
      Effect.gen(function* () {
        const reactor = reactorOf(build)
        const projection =
          reactor === undefined
            ? projections.find((one) => definitionOf(one) === build.definition)
            : reactorFold(reactor, build.gate ?? beginning)
        if (projection === undefined) {
          return yield* Effect.dieMessage(`this program has no code of ${build.definition}`)
        }
        const checkpoints = yield* readModels.checkpoints(build.id)
        const now = readModels.loadNow
        const working = new WorkingSet(
          now === undefined ? () => undefined : (collection, key) => now(build.id, { collection, key }),
          limits,
        )
        const unknown = new UnknownEvents(isStrict, logFirst)
        const stored = (yield* deadLettersOf(readModels, build.id)).filter(
          ({ partition }) => lane?.partitions.has(partition) !== false,
        )
        const isParking = policy === "always" || (policy === "live" && !isStrict)
        // What was set aside before waits on, whatever is set now: nothing may pass it.
        const letters = isParking || stored.length > 0 ? new DeadLetters(stored) : undefined
        return new BuildFold(build, projection, checkpoints, working, unknown, letters, lane?.partitions)
      })

    const startGroup = (builds: ReadonlyArray<Build>, where: "live" | "aside", log: EventLogService) =>
      Effect.gen(function* () {
        const folds = yield* Effect.forEach(builds, (build) => foldOf(build, where === "aside"))
        if (folds.length === 0) return
        yield* stopWhenAhead(log, folds).pipe(
          Effect.catchAll((error) => Effect.logWarning("the head of the event log could not be read", error)),
        )
        // Makes the store of a new build, before another of its lanes does.
        if (lane !== undefined) {
          for (const { build } of folds)
            yield* readModels.commit(build.id, [], new Map()).pipe(Effect.retry(whileOthersWrite))
        }
        const scope = yield* Scope.fork(outer, { _tag: "Sequential" })
        const group = new FoldGroup(
          log,
          readModels,
          folds,
          (progress) => Effect.forEach(progress, publish),
          lanes,
          options.turns,
        )
        for (const fold of folds) running.set(fold.build.id, { fold, group, scope })
        yield* group.announce
        // What reactors do is noted between slices, and that should be soon.
        const hasStretches = readModels.loadNow !== undefined && builds.every((one) => !reactorOf(one))
        yield* run(group, log, hasStretches, lane).pipe(Scope.extend(scope))
        for (const { build } of folds) {
          const reactor = reactorOf(build)
          if (reactor === undefined) continue
          const wake = yield* Queue.sliding<boolean>(1)
          delivering.set(build.id, wake)
          const at = (id: string) => latest.get(id)?.progress.position
          yield* deliverAll({ readModels, build: build.id, reactor, alone: group.alone, wake, at }).pipe(
            Effect.forkIn(scope),
          )
        }
        for (const fold of folds) {
          if (fold.letters?.isRetrying !== true) continue
          yield* group.retry(fold).pipe(
            Effect.catchAll((error) =>
              Effect.logWarning("what was set aside could not be folded to its end: retry it", error),
            ),
            Effect.forkIn(scope),
          )
        }
      })

    const start: Runner["start"] = (builds, where) =>
      Effect.gen(function* () {
        const whole = builds.filter(({ merchantId }) => merchantId === undefined)
        yield* startGroup(whole, where, log)
        for (const build of builds) {
          if (build.merchantId === undefined) continue
          yield* startGroup([build], where, merchantLog(log, build.merchantId))
        }
      })

    const stop: Runner["stop"] = (build) =>
      Effect.gen(function* () {
        const found = running.get(build)
        if (found === undefined) return
        running.delete(build)
        yield* found.group.letGo
        const isLast = yield* found.group.remove(build)
        delivering.delete(build)
        latest.delete(build)
        if (isLast) yield* Scope.close(found.scope, Exit.void)
      })

    return {
      start,
      stop,
      retry: (build) =>
        Effect.suspend(() => {
          const found = running.get(build)
          if (found === undefined) return Effect.void
          return found.group
            .retry(found.fold)
            .pipe(Effect.mapError(({ message }) => new ReadModelsUnavailable({ reason: message })))
        }),
      drop: (build) => readModels.dropBuild(build),
      hold: (build, at) =>
        Effect.suspend(() => {
          const found = running.get(build)
          return found === undefined ? Effect.succeed(undefined) : found.group.hold(found.fold, at)
        }),
      letGo: (build) => Effect.suspend(() => running.get(build)?.group.letGo ?? Effect.void),
      progress: Effect.sync(() => withoutOldRates(latest.values())),
      changes: Stream.fromPubSub(changes),
    }
  })

const run = (
  group: FoldGroup,
  log: EventLogService,
  /** Whether it may fold the past in stretches, where the log has them. */
  hasStretches: boolean,
  lane: Lane | undefined,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const of = lane === undefined ? {} : { partitions: lane.partitions }
    const { past } = log
    const most = mostOfPast(lane?.of ?? 1)
    const foldPast: Effect.Effect<void> = Effect.suspend(() => {
      if (past === undefined || !hasStretches) return Effect.void
      let isLater = false
      const take = (stretch: Past) =>
        Effect.map(group.takePast(stretch), (outcome) => {
          isLater = outcome === "Later"
          return outcome === "Folded"
        })
      return past({ after: group.after(), ...of, most }).pipe(
        Stream.runForEachWhile(take),
        Effect.flatMap(() => (isLater ? foldPast : Effect.void)),
      )
    })
    yield* Effect.addFinalizer(() =>
      group.letGo.pipe(
        Effect.zipRight(group.lastFlush),
        // Finalizers are not, and the timeout would wait for it.
        Effect.interruptible,
        Effect.timeout(LAST_WRITE),
        Effect.catchAllCause((cause) =>
          Effect.logWarning(
            "the last events were not written to the read models: they are folded again",
            cause,
          ),
        ),
      ),
    )
    yield* Effect.forkScoped(group.flusher)
    yield* Effect.forkScoped(
      Effect.zipRight(
        foldPast,
        Effect.suspend(() =>
          log
            .subscribe({ after: group.after(), ...of, most: SLICE_LONG_AGO })
            .pipe(Stream.runForEach(group.take)),
        ),
      ).pipe(
        Effect.zipRight(Effect.fail(new SubscriptionEnded())),
        Effect.catchTag("LogDamaged", (error) => group.stop(error.message)),
        Effect.tapError((error) => Effect.logWarning("reading the event log failed; trying again", error)),
        Effect.retry(retry),
        Effect.catchAllDefect((defect) => group.stop(`an error in Tidemark itself: ${String(defect)}`)),
      ),
    )
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
