import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { compare, max, type Position } from "../domain/Position.js"
import type { EventLogService } from "../eventlog/EventLog.js"
import { READY_MS } from "../processors/Controller.js"
import { type Lane, lanesOf, together } from "../processors/Lanes.js"
import type { Progress } from "../processors/Processors.js"
import { type Build, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import {
  type FoldingThread,
  type FoldingThreadOptions,
  type ProcessorsDied,
  startFoldingThread,
} from "./FoldingThread.js"

export interface RebuildThreadsOptions
  extends Pick<FoldingThreadOptions, "forThread" | "readModels" | "deadLetters" | "turns"> {
  readonly log: EventLogService
  readonly build: Build
  /** How many threads fold it at most until it is up to date. */
  readonly threads: number
  readonly onProgress: (progress: Progress) => void
}

/** A build that is folded beside the others, as in `Runner`. It ends with its scope, with everything written. */
export interface RebuildThreads {
  readonly hold: (at: Position) => Effect.Effect<Position | undefined, ReadModelsUnavailable>
  readonly letGo: Effect.Effect<void, ReadModelsUnavailable>
  readonly retry: Effect.Effect<void, ReadModelsUnavailable>
}

/** Those that run now, with what each has said. */
interface Crew {
  readonly scope: Scope.CloseableScope
  readonly threads: ReadonlyArray<FoldingThread>
  readonly said: Array<Progress | undefined>
  /** Why threads of them have ended by themselves. */
  readonly ended: Array<string>
}

/** A log of fewer events in the sample of it is folded before a second thread has started. */
const FEW_EVENTS = 4_000
const LOOK_EVERY = "1 second"

/** The whole of a build as one lane. */
const alone: ReadonlyArray<Lane | undefined> = [undefined]

/**
 * Folds a build in threads of its own: while it catches up in several, each with some of the partitions; from then
 * on in one, as there is little to do. Fails when they can't start.
 */
export const startRebuildThreads = (
  options: RebuildThreadsOptions,
): Effect.Effect<RebuildThreads, ReadModelsUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { log, build, onProgress } = options
    const lock = yield* Effect.makeSemaphore(1)
    const inner = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    let isEnding = false
    // Runs before the inner scope is closed: no thread may be starting in it then. Who comes later, as a comparison
    // that is over, finds nothing to wait for.
    yield* Effect.addFinalizer(() =>
      lock.withPermits(1)(
        Effect.sync(() => {
          isEnding = true
        }),
      ),
    )
    let crew: Crew | undefined
    let latest: Progress | undefined
    let isHeld = false
    let retries = 0

    const tell = (progress: Progress): void => {
      latest = progress
      onProgress(progress)
    }
    const stoppedAt = (progress: Progress, reason: string): Progress => ({
      ...progress,
      stopped: { position: undefined, eventType: undefined, reason },
    })
    const stopped = (reason: string): void => {
      if (latest !== undefined) tell(stoppedAt(latest, reason))
    }

    const startThreads = (lanes: ReadonlyArray<Lane | undefined>) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(inner, ExecutionStrategy.sequential)
        const said = new Array<Progress | undefined>(lanes.length).fill(undefined)
        const ended: Array<string> = []
        const heard = (index: number, builds: ReadonlyArray<Progress>): void => {
          said[index] = builds.find((one) => one.build === build.id) ?? said[index]
          const all = said.flatMap((one) => one ?? [])
          const [first, ...others] = all
          if (first === undefined || all.length < lanes.length) return
          const progress = together([first, ...others])
          // The others know nothing of it, and go on to their ends.
          tell(ended[0] === undefined ? progress : stoppedAt(progress, ended[0]))
        }
        const threads = yield* Effect.forEach(
          lanes,
          (lane, index) =>
            startFoldingThread({
              ...options,
              ...(lane === undefined ? {} : { lane }),
              isAside: true,
              onProgress: (progress) => heard(index, progress),
              onDied: ({ reason }) => {
                ended.push(reason)
                stopped(reason)
              },
            }).pipe(
              Scope.extend(scope),
              Effect.mapError(({ reason }: ProcessorsDied) => new ReadModelsUnavailable({ reason })),
            ),
          { concurrency: "unbounded" },
        ).pipe(Effect.tapError(() => Scope.close(scope, Exit.void)))
        crew = { scope, threads, said, ended }
        // One after the other: the first makes what all write into.
        for (const thread of threads) yield* thread.order({ _tag: "Start", builds: [build] })
      })

    const inAll = (run: (thread: FoldingThread) => Effect.Effect<unknown, ReadModelsUnavailable>) =>
      Effect.suspend(() =>
        Effect.forEach(crew?.threads ?? [], run, { concurrency: "unbounded", discard: true }),
      )

    const positionsAt = (at: Position) =>
      Effect.suspend(() =>
        Effect.forEach(crew?.threads ?? [], (thread) => thread.order({ _tag: "Hold", build: build.id, at }), {
          concurrency: "unbounded",
        }),
      )

    const isLevel = (head: Position): boolean =>
      crew?.ended.length === 0 &&
      crew.said.every(
        (one) =>
          one !== undefined &&
          (compare(one.position, head) >= 0 || Date.now() - (one.recordedAt ?? 0) <= READY_MS),
      )

    const goOnAlone = Effect.suspend(() =>
      crew === undefined ? Effect.void : Scope.close(crew.scope, Exit.void),
    ).pipe(
      Effect.zipRight(startThreads(alone)),
      Effect.catchAll(({ reason }) => Effect.sync(() => stopped(reason))),
      Effect.uninterruptible,
    )

    const untilLevel: Effect.Effect<void> = Effect.gen(function* () {
      for (;;) {
        yield* Effect.sleep(LOOK_EVERY)
        const head = yield* log.head.pipe(Effect.catchAll(() => Effect.succeed(undefined)))
        if (head === undefined || isHeld || !isLevel(head)) continue
        const isDone = yield* lock.withPermits(1)(
          Effect.suspend(() =>
            isHeld || isEnding || retries > 0 ? Effect.succeed(false) : Effect.as(goOnAlone, true),
          ),
        )
        if (isDone) return
      }
    })

    const lanes = yield* lanesFor(options)
    yield* startThreads(lanes)
    if (lanes.length > 1) yield* Effect.forkIn(untilLevel, inner)

    return {
      hold: (at) =>
        lock.withPermits(1)(
          Effect.gen(function* () {
            if (isEnding) return undefined
            isHeld = true
            const positions = yield* positionsAt(at)
            const [first] = positions
            if (first === undefined || positions.length === 1) return first
            // All go on to where the furthest stands.
            const furthest = positions.reduce((a: Position, b) => max(a, b ?? a), first)
            yield* positionsAt(furthest)
            return furthest
          }),
        ),
      letGo: lock.withPermits(1)(
        Effect.suspend(() => {
          isHeld = false
          if (isEnding) return Effect.void
          return inAll((thread) => thread.order({ _tag: "LetGo", build: build.id }))
        }),
      ),
      // Those who retry stay until that is done.
      retry: Effect.acquireUseRelease(
        lock.withPermits(1)(Effect.sync(() => retries++)),
        () => inAll((thread) => thread.order({ _tag: "Retry", build: build.id })),
        () => Effect.sync(() => retries--),
      ),
    }
  })

/** In which lanes it is folded; one that is undefined is all of it. */
const lanesFor = ({ log, threads }: RebuildThreadsOptions): Effect.Effect<ReadonlyArray<Lane | undefined>> =>
  Effect.gen(function* () {
    if (threads <= 1) return alone
    const weights = yield* (log.weights ?? Effect.succeed([])).pipe(
      Effect.catchAll((error) =>
        Effect.as(Effect.logWarning("the event log could not be looked through", error), []),
      ),
    )
    const events = weights.reduce((sum, weight) => sum + weight, 0)
    return log.weights !== undefined && events < FEW_EVENTS ? alone : lanesOf(weights, threads)
  })
