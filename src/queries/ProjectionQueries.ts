import * as Effect from "effect/Effect"
import { compare, type Position, start } from "../domain/Position.js"
import type { Command, CommandRefused } from "../processors/Commands.js"
import { READY_MS } from "../processors/Controller.js"
import type { ProcessorsService, Progress } from "../processors/Processors.js"
import { reachedIn } from "../readmodels/Reached.js"
import type {
  Act,
  Build,
  BuildState,
  ReadModelsService,
  ReadModelsUnavailable,
  Registered,
} from "../readmodels/ReadModels.js"
import { buildingIn, isAnswering, servingIn } from "../readmodels/Registry.js"
import type { LogTail } from "./LogTail.js"
import { Latest } from "./live/Latest.js"
import type { ProgressBoard } from "./ProgressBoard.js"
import { type QueryError, refused } from "./QueryError.js"

export interface ProjectionBuild {
  readonly id: string
  /** Whose events it folds; undefined: those of all merchants. */
  readonly merchantId: string | undefined
  readonly definition: string
  readonly state: BuildState
  readonly position: Position
  readonly head: Position
  readonly lagMs: number
  readonly eventsPerSecond: number
  /** 0 to 1. */
  readonly progress: number
  /** Null when it stands still or how much is left is not known; 0 when it is level. */
  readonly etaSeconds: number | null
  /** Whether this program has the code that folds it. */
  readonly isDeployed: boolean
  /** Whether that code is another text than when the build was made, under the same version. */
  readonly isCodeChanged: boolean
  readonly made: Act | undefined
  readonly promoted: Act | undefined
  readonly replaced: Act | undefined
  /** Merchants that wait behind an event that it could not fold, and how many events wait. */
  readonly deadLetters: { readonly merchants: number; readonly waiting: number }
  /** Why it has failed or stands still. */
  readonly failure: string | undefined
}

export interface ProjectionInfo {
  readonly name: string
  readonly serving: ProjectionBuild
  /** The build of all merchants that is being built, or else the newest of one merchant. */
  readonly building: ProjectionBuild | undefined
  readonly builds: ReadonlyArray<ProjectionBuild>
  readonly paused: Act | undefined
  readonly lastCommand: Act | undefined
}

/** Why a command was not carried out, or the projection as it is now. */
export type Commanded =
  | { readonly _tag: "Done"; readonly projection: ProjectionInfo | undefined }
  | {
      readonly _tag: "Refused"
      readonly refusal: CommandRefused
      readonly projection: ProjectionInfo | undefined
    }

export interface ProjectionQueries {
  readonly list: Effect.Effect<ReadonlyArray<ProjectionInfo>, QueryError>
  readonly find: (name: string) => Effect.Effect<ProjectionInfo | undefined, QueryError>
  readonly command: (command: Command, by: string) => Effect.Effect<Commanded, QueryError>
  /**
   * The build that is being built, else the one that serves: at once, then whenever it moves. Ending the iterator
   * frees everything.
   */
  readonly watch: (name: string) => Effect.Effect<AsyncIterableIterator<ProjectionBuild>, QueryError>
}

/** Between two messages to one reader. */
const GAP_MS = 250
/** A build may have come or gone, or its lag grown, without a step. */
const LOOK_MS = 1_000

/** Positions are evenly spaced enough to say how far a build has come. */
const share = (position: Position, head: Position): number =>
  compare(position, head) >= 0 ? 1 : Number(position) / Number(head)

/** Of a log's past, a merchant's build reads one partition: its speed says nothing about how fast it goes on. */
const secondsLeft = (
  { merchantId, state, made }: Build,
  progress: number,
  left: number,
  eventsPerSecond: number,
): number | null => {
  if (eventsPerSecond <= 0) return null
  if (merchantId === undefined || state !== "BUILDING" || made === undefined) return left / eventsPerSecond
  return progress <= 0 ? null : ((Date.now() - made.at) / 1000) * (1 / progress - 1)
}

export const makeProjectionQueries = (
  readModels: ReadModelsService,
  processors: ProcessorsService,
  tail: LogTail,
  board: ProgressBoard,
): ProjectionQueries => {
  const { definitions } = processors

  /** A build that nobody folds is where its checkpoints are. */
  const whereIs = (
    build: Build,
    running: Progress | undefined,
  ): Effect.Effect<Position, ReadModelsUnavailable> =>
    running !== undefined
      ? Effect.succeed(running.position)
      : Effect.map(readModels.checkpoints(build.id), reachedIn)

  const describe = (build: Build, isServing: boolean, head: Position, running: Progress | undefined) =>
    Effect.gen(function* () {
      const position = yield* whereIs(build, running)
      const lagMs = yield* tail.lagMs(position)
      const code = definitions.find(({ definition }) => definition === build.definition)
      const eventsPerSecond = running?.eventsPerSecond ?? 0
      const left = Number(BigInt(head) - BigInt(position))
      const progress = share(position, head)
      const state = ((): BuildState => {
        if (isServing || build.state === "FAILED") return build.state
        if (code === undefined) return "FROZEN"
        // One that has folded nothing is not ready, however young the log is: a promotion would refuse it.
        const hasBegun = compare(position, start) > 0 || compare(position, head) >= 0
        const isReady = running !== undefined && hasBegun && lagMs < READY_MS
        if (build.state !== "BUILDING") return "STANDBY"
        return isReady ? "READY" : "BUILDING"
      })()
      const shown: ProjectionBuild = {
        ...{ id: build.id, merchantId: build.merchantId, definition: build.definition, state },
        ...{ position, head, lagMs, eventsPerSecond, progress },
        etaSeconds: left <= 0 ? 0 : secondsLeft(build, progress, left, eventsPerSecond),
        isDeployed: code !== undefined,
        isCodeChanged:
          code !== undefined && build.fingerprint !== undefined && code.fingerprint !== build.fingerprint,
        ...{ made: build.made, promoted: build.promoted, replaced: build.replaced },
        deadLetters: running?.deadLetters ?? { merchants: 0, waiting: 0 },
        failure: build.failure ?? running?.stopped?.reason,
      }
      return { build, shown }
    })

  const inform = (now: Registered, head: Position, running: ReadonlyArray<Progress>) =>
    Effect.gen(function* () {
      const builds = now.builds.filter(({ dropped }) => dropped === undefined)
      const all = yield* Effect.forEach(builds, (build) =>
        describe(
          build,
          isAnswering(builds, build),
          head,
          running.find((one) => one.build === build.id),
        ),
      )
      const shownOf = (wanted: Build | undefined) => all.find(({ build }) => build.id === wanted?.id)?.shown
      const serving = shownOf(servingIn(builds, now.projection))
      if (serving === undefined) return []
      const info: ProjectionInfo = {
        name: now.projection,
        serving,
        building: shownOf(buildingIn(builds)),
        builds: all.map(({ shown }) => shown),
        paused: now.paused,
        lastCommand: now.last,
      }
      return [info]
    })

  const list = Effect.gen(function* () {
    const all = yield* readModels.registered
    const running = yield* processors.progress
    const head = yield* tail.head(0)
    return (yield* Effect.forEach(all, (now) => inform(now, head, running))).flat()
  })
  const find = (name: string) => Effect.map(list, (all) => all.find((one) => one.name === name))

  const newest = (name: string) =>
    Effect.flatMap(find(name), (info) =>
      info === undefined
        ? refused("PROJECTION_UNKNOWN", `there is no projection "${name.slice(0, 64)}"`)
        : Effect.succeed(info.building ?? info.serving),
    )

  const watch: ProjectionQueries["watch"] = (name) =>
    Effect.gen(function* () {
      const first = yield* newest(name)
      let said = ""
      let isLooking = false
      const offer = (build: ProjectionBuild): void => {
        const text = JSON.stringify(build)
        if (text !== said) latest.offer(build)
        said = text
      }
      const look = (): void => {
        if (isLooking) return
        isLooking = true
        Effect.runFork(
          newest(name).pipe(
            Effect.map(offer),
            // Whoever watches is told when the store answers again.
            Effect.catchAll((error) => Effect.logDebug("progress could not be read", error)),
            Effect.ensuring(
              Effect.sync(() => {
                isLooking = false
              }),
            ),
          ),
        )
      }
      const stop = board.listen(({ projection }) => {
        if (projection === name) look()
      })
      const timer = setInterval(look, LOOK_MS)
      const latest = new Latest<ProjectionBuild>(GAP_MS, () => {
        stop()
        clearInterval(timer)
      })
      offer(first)
      return latest
    })

  return {
    list,
    find,
    command: (command, by) =>
      Effect.gen(function* () {
        const refusal = yield* processors.command(command, by).pipe(
          Effect.as(undefined),
          Effect.catchTag("CommandRefused", (error) => Effect.succeed(error)),
        )
        const projection = yield* find(command.projection)
        return refusal === undefined
          ? { _tag: "Done" as const, projection }
          : { _tag: "Refused" as const, refusal, projection }
      }),
    watch,
  }
}
