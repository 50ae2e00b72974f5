import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { EventLog, type EventLogService } from "../eventlog/EventLog.js"
import { type ControllerTuning, makeController } from "../processors/Controller.js"
import type { DeadLetterPolicy } from "../processors/DeadLetters.js"
import { allDefinitions } from "../processors/Fingerprint.js"
import { withoutOldRates } from "../processors/FoldRunner.js"
import { Processors, type Progress } from "../processors/Processors.js"
import { definitionOf } from "../processors/Projection.js"
import type { Runner } from "../processors/Runner.js"
import { projectionsWith } from "../projections/index.js"
import { type Build, ReadModels, type ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import type { LogForThread } from "./EventLogs.js"
import { type ProcessorsDied, startFoldingThread } from "./FoldingThread.js"
import { FoldingTurns } from "./FoldingTurns.js"
import { reactorsHere } from "./Reactors.js"
import type { ReadModelsData } from "./ReadModelStore.js"
import { type RebuildThreads, startRebuildThreads } from "./RebuildThreads.js"

export { ProcessorsDied } from "./FoldingThread.js"

export interface ProcessorsInThreadOptions {
  /** The log, once for each thread. */
  readonly forThread: () => LogForThread
  readonly readModels: ReadModelsData
  /** `live` when missing. */
  readonly deadLetters?: DeadLetterPolicy
  /** Called once, should the thread that serves end by itself while the layer lives. */
  readonly onDied: (error: ProcessorsDied) => void
  readonly tuning?: ControllerTuning
  /** How many threads fold a build that catches up, at most; 1 when missing. */
  readonly rebuildThreads?: number
}

interface Aside {
  /** Closing it writes what is folded. */
  readonly scope: Scope.CloseableScope
  /** Missing while they start. */
  readonly threads?: RebuildThreads
}

/**
 * Folds in threads: one for all builds that are up to date, and more for each that is being built, which
 * must not hold up those. A build moves over when its threads are told to stop and the other to start.
 */
const makeRunner = (
  options: ProcessorsInThreadOptions,
  log: EventLogService,
): Effect.Effect<Runner, ProcessorsDied, Scope.Scope> =>
  Effect.gen(function* () {
    const threads = { deadLetters: "live" as const, ...options }
    const runtime = yield* Effect.runtime<never>()
    const changes = yield* PubSub.sliding<Progress>(64)
    const outer = yield* Effect.scope
    const latest = new Map<string, { readonly progress: Progress; readonly at: number }>()
    const asides = new Map<string, Aside>()
    const turns = new FoldingTurns()
    /** Builds that the live thread was told to fold. */
    const live = new Set<string>()

    const note = (progress: Progress): void => {
      const known = latest.get(progress.build)?.progress
      // Every thread tells of all its builds; one that did not move has no news.
      const hasMoved =
        known?.position !== progress.position ||
        known.stopped !== progress.stopped ||
        known.deadLetters?.merchants !== progress.deadLetters?.merchants ||
        known.deadLetters?.waiting !== progress.deadLetters?.waiting
      const isNews = hasMoved || known.eventsPerSecond !== progress.eventsPerSecond
      // Threads that fold one build alone say so while they do.
      if (isNews || asides.has(progress.build)) latest.set(progress.build, { progress, at: Date.now() })
      if (isNews) Runtime.runSync(runtime)(PubSub.publish(changes, progress))
    }
    const ofLive = (progress: ReadonlyArray<Progress>): void => {
      for (const one of progress) if (live.has(one.build)) note(one)
    }
    const thread = yield* startFoldingThread({ ...threads, isAside: false, onProgress: ofLive })

    const startAside = (build: Build) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(outer, { _tag: "Sequential" })
        const onProgress = (progress: Progress): void => {
          if (asides.get(build.id)?.scope === scope) note(progress)
        }
        asides.set(build.id, { scope })
        const isReactor = reactorsHere().some((one) => definitionOf(one) === build.definition)
        // What a reactor does waits in one place, MongoDB's builds have one writer, a merchant has one partition.
        const isOne = isReactor || options.readModels.url !== undefined || build.merchantId !== undefined
        const own = yield* startRebuildThreads({
          ...threads,
          ...{ log, build, onProgress, turns, threads: isOne ? 1 : (options.rebuildThreads ?? 1) },
        }).pipe(
          Scope.extend(scope),
          Effect.tapError(() => Effect.zipRight(Scope.close(scope, Exit.void), forget(build.id))),
        )
        asides.set(build.id, { scope, threads: own })
      })

    const forget = (build: string) =>
      Effect.sync(() => {
        asides.delete(build)
        live.delete(build)
        latest.delete(build)
      })

    return {
      start: (builds, where) =>
        Effect.suspend(() => {
          if (where === "aside") return Effect.forEach(builds, startAside, { discard: true })
          if (builds.length === 0) return Effect.void
          for (const { id } of builds) live.add(id)
          return Effect.asVoid(thread.order({ _tag: "Start", builds }))
        }),
      stop: (build) =>
        Effect.gen(function* () {
          const aside = asides.get(build)
          if (aside !== undefined) yield* Scope.close(aside.scope, Exit.void)
          else if (live.has(build)) yield* thread.order({ _tag: "Stop", build })
          yield* forget(build)
        }).pipe(
          Effect.catchAll((error) => Effect.logWarning(`${build} could not be stopped in good order`, error)),
        ),
      drop: (build) => Effect.asVoid(thread.order({ _tag: "Drop", build })),
      hold: (build, at) =>
        Effect.suspend(() => {
          if (live.has(build)) return thread.order({ _tag: "Hold", build, at })
          return asides.get(build)?.threads?.hold(at) ?? Effect.succeed(undefined)
        }).pipe(
          Effect.catchAll((error) =>
            Effect.as(Effect.logWarning(`${build} could not be held`, error), undefined),
          ),
        ),
      letGo: (build) =>
        Effect.suspend((): Effect.Effect<unknown, ReadModelsUnavailable> => {
          if (live.has(build)) return thread.order({ _tag: "LetGo", build })
          return asides.get(build)?.threads?.letGo ?? Effect.void
        }).pipe(
          Effect.catchAll((error) => Effect.logWarning(`${build} could not be let go`, error)),
          Effect.asVoid,
        ),
      retry: (build) =>
        Effect.suspend((): Effect.Effect<unknown, ReadModelsUnavailable> => {
          if (live.has(build)) return thread.order({ _tag: "Retry", build })
          return asides.get(build)?.threads?.retry ?? Effect.void
        }).pipe(Effect.asVoid),
      progress: Effect.sync(() => withoutOldRates(latest.values())),
      changes: Stream.fromPubSub(changes),
    }
  })

/**
 * The processors with their folding in threads. The layer is ready when every build is open; closing it commits
 * what is folded. Fails with ProcessorsDied when the thread can't start.
 */
export const layer = (
  options: ProcessorsInThreadOptions,
): Layer.Layer<Processors, ProcessorsDied | ReadModelsUnavailable, EventLog | ReadModels> =>
  Layer.scoped(
    Processors,
    Effect.gen(function* () {
      const log = yield* EventLog
      const readModels = yield* ReadModels
      const runner = yield* makeRunner(options, log)
      const definitions = allDefinitions(
        projectionsWith(process.env.TIDEMARK_PROJECTIONS ?? ""),
        reactorsHere(),
      )
      const { tuning } = options
      return yield* makeController({ log, readModels, runner, definitions, ...(tuning && { tuning }) })
    }),
  )
