import * as Effect from "effect/Effect"
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

/**
 * The build that answers: what is asked about a merchant, its own where it has one that lies over the build of all
 * merchants which serves; everything else that one.
 */
export const servingIn = (
  builds: ReadonlyArray<Build>,
  projection: string,
  merchantId?: string,
): Build | undefined => {
  const serving = builds.filter((one) => one.projection === projection && one.state === "SERVING")
  const whole = serving.find((one) => one.merchantId === undefined)
  if (whole === undefined || merchantId === undefined) return whole
  return serving.find((one) => one.merchantId === merchantId && one.over === whole.id) ?? whole
}

/** The build that catches up: the one of all merchants where there is one, else the newest of one merchant. */
export const buildingIn = (builds: ReadonlyArray<Build>): Build | undefined => {
  const building = builds.filter(({ state }) => state === "BUILDING")
  return building.find(({ merchantId }) => merchantId === undefined) ?? building.at(-1)
}

/** Whether questions are answered from it. */
export const isAnswering = (builds: ReadonlyArray<Build>, build: Build): boolean =>
  servingIn(builds, build.projection, build.merchantId)?.id === build.id

/** The build in its new state; the one that served before in its place stands by when this one is to serve. */
export const withBuild = (now: Registered, build: Build): Registered => {
  const gives = (one: Build): boolean =>
    one.state === "SERVING" && one.merchantId === build.merchantId && one.over === build.over
  const others = now.builds.map((one) => {
    if (one.id === build.id) return build
    return build.state === "SERVING" && gives(one) ? { ...one, state: "STANDBY" as const } : one
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
