import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../domain/Event.js"
import { type Partition, partitionOfStream } from "../domain/Partition.js"
import { compare, max, type Position, start } from "../domain/Position.js"
import type { EventLogService, LogError } from "../eventlog/EventLog.js"
import { key } from "../readmodels/Key.js"
import type { Build, ReadModelsService, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { isAnswering } from "../readmodels/Registry.js"
import { BuildFold } from "./BuildFold.js"
import { CannotVerify } from "./CannotVerify.js"
import { type Difference, differencesOf } from "./Compare.js"
import { type DeadLetter, deadLettersOf, detoursOf } from "./DeadLetters.js"
import { type LogFault, logChecks } from "./LogChecks.js"
import { definitionOf, type Projection } from "./Projection.js"
import { WorkingSet } from "./WorkingSet.js"

export interface VerifyOptions {
  readonly log: EventLogService
  /** What is checked, as of one moment: it must not change while this runs. */
  readonly stored: ReadModelsService
  /** Empty; the fresh fold goes here. */
  readonly scratch: ReadModelsService
  readonly projections: ReadonlyArray<Projection>
  /** Called now and then: how far the fold has come, and how far it goes. */
  readonly onProgress?: (at: Position, end: Position) => void
}

export interface VerifiedBuild {
  readonly build: string
  readonly projection: string
  readonly position: Position
  readonly documents: number
  readonly differences: number
  /** What waits is in neither fold. */
  readonly deadLetters: ReadonlyArray<DeadLetter>
  /**
   * Documents of several merchants together that are other bytes, in partitions where events were folded late, as
   * their merchant waited. They are not counted as differences.
   */
  readonly foldedLate: number
}

/** `equal` when every document of every build is that of a fresh fold, and the log is as it should be. */
export interface VerifyReport {
  readonly equal: boolean
  readonly events: number
  readonly builds: ReadonlyArray<VerifiedBuild>
  /** The first of them. */
  readonly differences: ReadonlyArray<Difference>
  readonly differenceCount: number
  readonly logFaults: ReadonlyArray<LogFault>
  readonly logFaultCount: number
}

const SHOWN = 50
const COMMIT_EVENTS = 20_000

interface Check {
  readonly build: Build
  readonly deadLetters: ReadonlyArray<DeadLetter>
  readonly fold: BuildFold
  readonly projection: Projection
}

/**
 * Folds the whole log afresh, up to each partition's checkpoint, and compares every document of every
 * serving build. Fails when it could not check: the log or a store can't be read, or a build was folded
 * by other code than this.
 */
export const verify = (
  options: VerifyOptions,
): Effect.Effect<VerifyReport, CannotVerify | LogError | ReadModelsUnavailable> =>
  Effect.gen(function* () {
    const { log, stored, scratch, projections } = options
    const checks: Array<Check> = []
    const builds = yield* stored.builds
    for (const build of builds) {
      if (!isAnswering(builds, build)) continue
      const projection = projections.find((one) => definitionOf(one) === build.definition)
      if (projection === undefined) {
        return yield* new CannotVerify({
          reason: `build ${build.id} was folded by ${build.definition}, which this program does not have`,
        })
      }
      const deadLetters = yield* deadLettersOf(stored, build.id)
      checks.push({ build, projection, deadLetters, fold: scratchFold(scratch, build, projection) })
    }
    if (checks.length === 0)
      return yield* new CannotVerify({ reason: "no build serves: nothing was folded yet" })

    const faults: Array<LogFault> = []
    let faultCount = 0
    const checker = logChecks((fault) => {
      faultCount++
      if (faults.length < SHOWN) faults.push(fault)
    })
    const audit = scratchFold(
      scratch,
      { id: "log", projection: checker.name, definition: definitionOf(checker), state: "BUILDING" },
      checker,
    )
    const folds = [...checks.map((check) => check.fold), audit]

    const ends = new Map<Check, (partition: number) => Position>()
    let end = start
    for (const check of checks) {
      const checkpoints = yield* stored.checkpoints(check.build.id)
      ends.set(check, (partition) => checkpoints.get(partition)?.position ?? start)
      for (const checkpoint of checkpoints.values()) end = max(end, checkpoint.position)
    }

    const commit = Effect.forEach(folds, (fold) =>
      Effect.suspend(() => {
        const { puts, checkpoints } = fold.pending()
        return scratch.commit(fold.build.id, puts, checkpoints)
      }).pipe(Effect.zipRight(Effect.sync(() => fold.markCommitted()))),
    )

    let events = 0
    let pending = 0
    yield* log.readAll({ direction: "forwards" }).pipe(
      Stream.runForEach((chunk) =>
        Effect.gen(function* () {
          const upTo = chunk.at(-1)?.position ?? start
          for (const check of checks) {
            const endOf = ends.get(check) ?? (() => start)
            const waits = waitingIn(check.deadLetters)
            const within = chunk.filter((event) => {
              const partition = partitionOfStream(event.stream)
              if (partition === undefined || compare(event.position, endOf(partition)) > 0) return false
              return waits === undefined || !waits(event, partition)
            })
            check.fold.fold(within, upTo)
            if (check.fold.stopped !== undefined) {
              return yield* new CannotVerify({ reason: check.fold.stopped.reason })
            }
          }
          audit.fold(chunk, upTo)
          events += chunk.length
          pending += chunk.length
          if (pending >= COMMIT_EVENTS) {
            pending = 0
            yield* commit
            options.onProgress?.(upTo, max(end, upTo))
          }
        }),
      ),
    )
    yield* commit
    options.onProgress?.(end, end)

    const verified: Array<VerifiedBuild> = []
    const differences: Array<Difference> = []
    let differenceCount = 0
    for (const { build, projection, fold, deadLetters } of checks) {
      let documents = 0
      let foldedLate = 0
      const detours = yield* detoursOf(stored, build.id)
      const before = differenceCount
      for (const collection of projection.collections) {
        documents += yield* differencesOf(stored, build, scratch, fold.build, collection, (difference) => {
          const shared = projection.sharedBy?.(key(...difference.key))
          if (shared !== undefined && detours.has(shared)) {
            foldedLate++
            return
          }
          differenceCount++
          if (differences.length < SHOWN) differences.push(difference)
        })
      }
      const checkpoints = yield* stored.checkpoints(build.id)
      const position = [...checkpoints.values()].map((one) => one.position).reduce(max, start)
      verified.push({
        build: build.id,
        projection: build.projection,
        position,
        documents,
        ...{ differences: differenceCount - before, deadLetters, foldedLate },
      })
    }
    return {
      equal: differenceCount === 0 && faultCount === 0,
      events,
      builds: verified,
      differences,
      differenceCount,
      logFaults: faults,
      logFaultCount: faultCount,
    }
  })

/** Whether an event waits behind a dead letter; undefined when none does. */
const waitingIn = (letters: ReadonlyArray<DeadLetter>) => {
  if (letters.length === 0) return undefined
  const folded = new Map(
    letters.map(({ merchantId, partition, folded: upTo }) => [`${partition} ${merchantId}`, upTo]),
  )
  return ({ event, position }: RecordedEvent, partition: Partition): boolean => {
    const upTo = folded.get(`${partition} ${event.data.merchantId}`)
    return upTo !== undefined && compare(position, upTo) > 0
  }
}

const scratchFold = (scratch: ReadModelsService, build: Build, projection: Projection): BuildFold => {
  const now = scratch.loadNow
  if (now === undefined) throw new Error("the scratch store has to answer at once")
  return new BuildFold(
    build,
    projection,
    new Map(),
    new WorkingSet((collection, key) => now(build.id, { collection, key })),
  )
}
