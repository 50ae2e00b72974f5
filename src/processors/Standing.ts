import * as Effect from "effect/Effect"
import { compare, max, type Position, start } from "../domain/Position.js"
import type { EventLogService } from "../eventlog/EventLog.js"
import { reachedIn } from "../readmodels/Reached.js"
import { type Build, type ReadModelsService, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { CommandRefused } from "./Command.js"
import { deadLettersOf } from "./DeadLetters.js"
import type { ProcessorsService, Progress } from "./Processors.js"
import { toldOf } from "./RetryCommand.js"
import type { Runner } from "./Runner.js"

/** How long a promotion waits until the build is level with the serving one. Further behind, it is refused at once. */
export const LEVEL_MS = 10_000
/** How long the serving one stands still at most, once they were level. It takes the other a commit. */
const STILL_MS = 5_000

export interface StandingOptions {
  readonly log: EventLogService
  readonly readModels: ReadModelsService
  readonly runner: Runner
  /** Builds that run, and the latest that they have said. */
  readonly running: ReadonlyMap<string, unknown>
  readonly newest: ReadonlyMap<string, Progress>
  /** Whether this program has the code of the build. */
  readonly isDeployed: (build: Build) => boolean
}

const notLevel = (build: string, serving: string, ms: number) =>
  new CommandRefused({
    code: "NOT_READY",
    message: `${build} did not come level with ${serving} within ${ms / 1000} s. Wait until less comes in, or use force`,
  })

/** Where builds stand, and how they are brought to one place. */
export const makeStanding = ({ log, readModels, runner, running, newest, isDeployed }: StandingOptions) => {
  /** Where a build is, whether it runs or not. */
  const whereIs = (
    build: string,
  ): Effect.Effect<Pick<Progress, "position" | "recordedAt">, ReadModelsUnavailable> =>
    Effect.suspend(() => {
      const known = running.has(build) ? newest.get(build) : undefined
      if (known !== undefined) return Effect.succeed(known)
      return Effect.map(readModels.checkpoints(build), (checkpoints) => {
        const recorded = [...checkpoints.values()].flatMap(({ recordedAt }) => recordedAt ?? [])
        return {
          position: reachedIn(checkpoints),
          recordedAt: recorded.length === 0 ? null : Math.max(...recorded),
        }
      })
    })

  /** Why it can't take over, or come level soon; undefined when it can. */
  const behind = (build: Build, ms: number): Effect.Effect<string | undefined, ReadModelsUnavailable> =>
    Effect.gen(function* () {
      const { position, recordedAt } = yield* whereIs(build.id)
      const head = yield* log.head.pipe(Effect.catchAll(() => Effect.succeed(undefined)))
      if (head === undefined) return "the event log can't be reached"
      // Also while nothing has come since: it will be behind with the next event.
      if (!isDeployed(build))
        return `it is frozen at ${position}, as this program has no code of ${build.definition}`
      if (compare(position, head) >= 0) return undefined
      const stopped = newest.get(build.id)?.stopped
      if (stopped !== undefined) return `it has stopped at ${position}: ${stopped.reason}`
      if (!running.has(build.id)) return `it stands still at ${position}`
      return Date.now() - (recordedAt ?? 0) <= ms ? undefined : `it is at ${position} of ${head}`
    })

  /** The same, or because events wait that it could not fold. */
  const unfit = (build: Build, ms: number): Effect.Effect<string | undefined, ReadModelsUnavailable> =>
    Effect.flatMap(behind(build, ms), (reason) =>
      reason === undefined ? Effect.map(deadLettersOf(readModels, build.id), toldOf) : Effect.succeed(reason),
    )

  /** A build that is ready stays behind for a commit or two: the one that serves commits at other moments. */
  const untilLevel = (
    build: string,
    serving: string,
    ms: number,
  ): Effect.Effect<void, CommandRefused | ReadModelsUnavailable> =>
    Effect.gen(function* () {
      for (;;) {
        const [one, other] = [yield* whereIs(build), yield* whereIs(serving)]
        if (compare(one.position, other.position) >= 0) return
        yield* Effect.sleep("5 millis")
      }
    }).pipe(
      Effect.timeoutFail({
        duration: ms,
        onTimeout: () => notLevel(build, serving, ms),
      }),
    )

  /** Who stops waiting does not wait for what is being written, which is not interrupted. */
  const hold = (build: string, at: Position) => Effect.disconnect(runner.hold(build, at))

  /**
   * For a switch between builds of a reactor: the serving one stands still meanwhile, with everything written, so
   * that it is known up to where it acts. Undefined for a projection.
   */
  const handingOver = <A, E>(
    serving: Build | undefined,
    use: (handover: Position | undefined) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | ReadModelsUnavailable> =>
    serving?.acts === undefined
      ? use(undefined)
      : Effect.gen(function* () {
          const unable = new ReadModelsUnavailable({
            reason: `${serving.id} could not be made to stand still: try again`,
          })
          const held = yield* hold(serving.id, start).pipe(
            Effect.timeoutFail({ duration: LEVEL_MS, onTimeout: () => unable }),
          )
          if (held === undefined && running.has(serving.id)) return yield* unable
          return yield* use(held ?? (yield* whereIs(serving.id)).position)
        }).pipe(Effect.ensuring(runner.letGo(serving.id)))

  const registeredBuild = (id: string) =>
    Effect.flatMap(readModels.builds, (builds) => {
      const found = builds.find((build) => build.id === id)
      return found === undefined
        ? Effect.fail(
            new CommandRefused({
              code: "BUILD_UNKNOWN",
              message: `there is no build "${id.slice(0, 64)}"`,
            }),
          )
        : Effect.succeed(found)
    })

  /** Who lets go of a build lets go of it for all: a comparison and a switch take turns. */
  const oneHolds = Effect.unsafeMakeSemaphore(1)
  const takeTurn = Effect.uninterruptibleMask((restore) =>
    Effect.zipRight(
      restore(oneHolds.take(1)),
      Effect.addFinalizer(() => oneHolds.release(1)),
    ),
  )

  const heldAt = (build: string, at: Position) =>
    Effect.flatMap(hold(build, at), (position) =>
      position === undefined
        ? Effect.map(whereIs(build), (where) => where.position)
        : Effect.succeed(position),
    )

  /**
   * Switches while nothing is folded into the builds that served, and those that take over hold all that is in them:
   * who has seen an answer of one sees none from the other that is older. To be level a moment before is not enough,
   * as the one that serves commits once more meanwhile.
   */
  const whileLevel = <A, E>(
    switches: ReadonlyArray<{ readonly from: Build; readonly to: Build }>,
    use: Effect.Effect<A, E>,
  ): Effect.Effect<A, E | CommandRefused | ReadModelsUnavailable> =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* takeTurn
        const builds = new Set(switches.flatMap(({ from, to }) => [from.id, to.id]))
        yield* Effect.addFinalizer(() => Effect.forEach(builds, runner.letGo, { discard: true }))
        let furthest = start
        for (const { from } of switches) furthest = max(furthest, yield* heldAt(from.id, start))
        for (const { from, to } of switches) {
          const position = yield* heldAt(to.id, furthest)
          if (compare(position, furthest) < 0) return yield* notLevel(to.id, from.id, STILL_MS)
        }
      }).pipe(
        Effect.timeoutFail({
          duration: STILL_MS,
          onTimeout: () => notLevel(switches[0]?.to.id ?? "", switches[0]?.from.id ?? "", STILL_MS),
        }),
        Effect.zipRight(use),
      ),
    )

  const holdLevel: ProcessorsService["holdLevel"] = (from, to) =>
    Effect.gen(function* () {
      yield* takeTurn
      const builds = [yield* registeredBuild(from), yield* registeredBuild(to)]
      yield* Effect.addFinalizer(() => Effect.zipRight(runner.letGo(from), runner.letGo(to)))
      const apart = (position: Position, other: Position, why: string) =>
        new CommandRefused({
          code: "NOT_READY",
          message: `${from} is at ${position} and ${to} at ${other}: builds are compared where both have the same events, ${why}`,
        })
      for (const build of builds) {
        const reason = yield* behind(build, LEVEL_MS)
        const [one, other] = [(yield* whereIs(from)).position, (yield* whereIs(to)).position]
        if (reason !== undefined && one !== other) {
          return yield* apart(one, other, `and ${build.id} does not come there soon: ${reason}`)
        }
      }
      // Each goes on to where the other stands; as one of them stands, twice is enough.
      let one = yield* heldAt(from, start)
      const other = yield* heldAt(to, one)
      if (compare(one, other) < 0) one = yield* heldAt(from, other)
      if (one !== other) return yield* apart(one, other, "so wait until both are up to date")
      return one
    }).pipe(
      Effect.timeoutFail({
        duration: LEVEL_MS,
        onTimeout: () =>
          new CommandRefused({
            code: "NOT_READY",
            message: `${from} and ${to} did not come to one position within ${LEVEL_MS / 1000} s: try again when less comes in`,
          }),
      }),
    )

  return { whereIs, unfit, untilLevel, whileLevel, handingOver, holdLevel }
}
