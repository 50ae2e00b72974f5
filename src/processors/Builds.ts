import { Effect } from "effect"
import type { Build, ReadModelsService, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { definitionOf, type Projection } from "./Projection.js"

/** A build to fold, and the serving one that it is to replace. */
export interface Planned {
  readonly projection: Projection
  readonly build: Build
  readonly replaces: Build | undefined
}

const numberOf = (build: Build): number => Number(build.id.slice(build.id.lastIndexOf("-") + 1))

/**
 * Decides at the start which build of a projection is folded: the serving one while the code is the same;
 * after a change of the definition a new one from the log's start, beside the old one, which serves on
 * as it is. Builds of definitions that no code can fold any more are dropped.
 */
export const planBuild = (
  readModels: ReadModelsService,
  projection: Projection,
): Effect.Effect<Planned, ReadModelsUnavailable> =>
  Effect.gen(function* () {
    const definition = definitionOf(projection)
    const builds = (yield* readModels.builds).filter((build) => build.projection === projection.name)
    const serving = builds.find((build) => build.state === "SERVING")
    const current =
      serving?.definition === definition
        ? serving
        : builds.find((build) => build.state === "BUILDING" && build.definition === definition)
    const build = current ?? {
      id: `${projection.name}-${Math.max(0, ...builds.map(numberOf)) + 1}`,
      projection: projection.name,
      definition,
      state: serving === undefined ? ("SERVING" as const) : ("BUILDING" as const),
    }
    if (current === undefined) yield* readModels.saveBuild(build)
    for (const other of builds) {
      if (other.id !== build.id && other.id !== serving?.id) yield* readModels.dropBuild(other.id)
    }
    return { projection, build, replaces: serving?.id === build.id ? undefined : serving }
  })
