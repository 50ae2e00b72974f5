import { Effect } from "effect"
import {
  type Build,
  type ReadModelsService,
  ReadModelsUnavailable,
  type Registered,
  type Registry,
} from "./ReadModels.js"

/** How often others may have been faster. */
const ATTEMPTS = 20

const nothing = (projection: string): Registered => ({ projection, revision: 0, builds: [], numbered: 0 })

/** The number at the end of a build's id; 0 when it has none. */
export const numberOf = (build: string): number => Number(/-(\d+)$/.exec(build)?.[1] ?? 0)

/**
 * Changes what is registered of a projection, by compare-and-set: `decide` sees what is stored, again each time
 * that somebody else was faster. When it fails nothing is written.
 */
export const change = <A, E>(
  registry: Registry,
  projection: string,
  decide: (now: Registered) => Effect.Effect<readonly [Registered, A], E>,
): Effect.Effect<A, E | ReadModelsUnavailable> => {
  const attempt = (left: number): Effect.Effect<A, E | ReadModelsUnavailable> =>
    Effect.gen(function* () {
      const all = yield* registry.registered
      const now = all.find((one) => one.projection === projection) ?? nothing(projection)
      const [next, answer] = yield* decide(now)
      if (next === now) return answer
      if (yield* registry.register({ ...next, revision: now.revision + 1 })) return answer
      if (left > 1) return yield* attempt(left - 1)
      return yield* new ReadModelsUnavailable({
        reason: `the builds of ${projection} are changed by others all the time: try again`,
      })
    })
  return attempt(ATTEMPTS)
}

/** The build in its new state; the one that served before stands by when this one is to serve. */
export const withBuild = (now: Registered, build: Build): Registered => {
  const others = now.builds.map((one) => {
    if (one.id === build.id) return build
    return build.state === "SERVING" && one.state === "SERVING" ? { ...one, state: "STANDBY" as const } : one
  })
  const isNew = now.builds.every(({ id }) => id !== build.id)
  return {
    ...now,
    builds: isNew ? [...others, build] : others,
    numbered: Math.max(now.numbered, numberOf(build.id)),
  }
}

export const withoutBuild = (now: Registered, build: string): Registered =>
  now.builds.some(({ id }) => id === build)
    ? { ...now, builds: now.builds.filter(({ id }) => id !== build) }
    : now

/** The parts of a store that follow from its registry. */
export const buildsThrough = (registry: Registry): Pick<ReadModelsService, "builds" | "saveBuild"> => ({
  builds: Effect.map(registry.registered, (all) =>
    all.flatMap(({ builds }) => builds.filter(({ dropped }) => dropped === undefined)),
  ),
  saveBuild: (build) =>
    change(registry, build.projection, (now) => Effect.succeed([withBuild(now, build), undefined] as const)),
})

/** Takes a build out of the registry, wherever it stands. */
export const unregister = (registry: Registry, build: string): Effect.Effect<void, ReadModelsUnavailable> =>
  Effect.flatMap(registry.registered, (all) => {
    const found = all.find(({ builds }) => builds.some(({ id }) => id === build))
    return found === undefined
      ? Effect.void
      : change(registry, found.projection, (now) =>
          Effect.succeed([withoutBuild(now, build), undefined] as const),
        )
  })
