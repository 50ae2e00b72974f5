import { Effect } from "effect"
import { compare, type Position, start } from "../domain/Position.js"
import type { Build, BuildState, ReadModelsService } from "../readmodels/ReadModels.js"
import type { LogTail } from "./LogTail.js"
import type { ProgressBoard } from "./ProgressBoard.js"
import type { QueryError } from "./QueryError.js"

export interface ProjectionBuild {
  readonly id: string
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
}

export interface ProjectionInfo {
  readonly name: string
  readonly serving: ProjectionBuild
  readonly builds: ReadonlyArray<ProjectionBuild>
}

export interface ProjectionQueries {
  readonly list: Effect.Effect<ReadonlyArray<ProjectionInfo>, QueryError>
  readonly find: (name: string) => Effect.Effect<ProjectionInfo | undefined, QueryError>
}

/** Positions are evenly spaced enough to say how far a build has come. */
const share = (position: Position, head: Position): number =>
  compare(position, head) >= 0 ? 1 : Number(position) / Number(head)

export const makeProjectionQueries = (
  readModels: ReadModelsService,
  tail: LogTail,
  board: ProgressBoard,
): ProjectionQueries => {
  const describe = (build: Build, head: Position): Effect.Effect<ProjectionBuild, QueryError> => {
    const known = board.of(build.id)
    const position = known?.position ?? start
    const eventsPerSecond = known?.eventsPerSecond ?? 0
    const progress = share(position, head)
    const left = Number(BigInt(head) - BigInt(position))
    return Effect.map(tail.lagMs(position), (lagMs) => ({
      id: build.id,
      definition: build.definition,
      state: build.state,
      position,
      head,
      lagMs,
      eventsPerSecond,
      progress,
      etaSeconds: left <= 0 ? 0 : eventsPerSecond > 0 ? left / eventsPerSecond : null,
    }))
  }

  const list = Effect.gen(function* () {
    const builds = yield* readModels.builds
    const head = yield* tail.head(0)
    const described = yield* Effect.forEach(builds, (build) =>
      Effect.map(describe(build, head), (shown) => ({ name: build.projection, shown })),
    )
    return [...new Set(builds.map(({ projection }) => projection))].sort().flatMap((name) => {
      const own = described.filter((one) => one.name === name).map(({ shown }) => shown)
      const serving = own.find(({ state }) => state === "SERVING")
      return serving === undefined ? [] : [{ name, serving, builds: own }]
    })
  })

  return {
    list,
    find: (name) => Effect.map(list, (all) => all.find((one) => one.name === name)),
  }
}
