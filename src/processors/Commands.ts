import { Data, Either } from "effect"
import { max, type Position, start } from "../domain/Position.js"
import type { Act, Build, Registered } from "../readmodels/ReadModels.js"
import { withBuild } from "../readmodels/Registry.js"
import type { Definition } from "./Processors.js"

/** What an administrator may do with the builds of a projection. */
export type Command =
  /** `promote`: it serves by itself as soon as it is level. */
  | { readonly _tag: "Rebuild"; readonly projection: string; readonly promote: boolean }
  | { readonly _tag: "Cancel"; readonly projection: string }
  | {
      readonly _tag: "Promote"
      readonly projection: string
      readonly build: string
      /** The build that serves, as far as who commands knows. */
      readonly expectedServing: string
      /** Also when the build is behind. */
      readonly force: boolean
    }
  | {
      readonly _tag: "Rollback"
      readonly projection: string
      readonly expectedServing: string
      readonly force: boolean
    }
  | { readonly _tag: "Drop"; readonly projection: string; readonly build: string }
  | { readonly _tag: "Pause"; readonly projection: string }
  | { readonly _tag: "Resume"; readonly projection: string }
  /** Fold what waits behind dead letters, in all builds. */
  | { readonly _tag: "RetryDeadLetters"; readonly projection: string }

/** Why a command was not carried out. The codes are public. */
export type RefusalCode =
  /** Somebody else was faster. */
  | "CONFLICT"
  | "PROJECTION_UNKNOWN"
  | "BUILD_UNKNOWN"
  | "BUILD_FAILED"
  /** The serving build can't be dropped. */
  | "BUILD_SERVES"
  /** The build is behind, or nobody folds it. */
  | "NOT_READY"
  | "NOT_BUILDING"
  | "NOT_DEPLOYED"
  | "NOT_PAUSED"
  | "NOTHING_TO_ROLL_BACK_TO"
  | "NO_DEAD_LETTERS"
  /** They were retried, and some can't be folded still. */
  | "DEAD_LETTERS_REMAIN"
  | "PAUSED"

export class CommandRefused extends Data.TaggedError("CommandRefused")<{
  readonly code: RefusalCode
  readonly message: string
}> {}

/** What a decision needs to know beside what is registered. */
export interface Facts {
  /** The newest code of the projection that this program has. */
  readonly deployed: Omit<Definition, "projection"> | undefined
  /** Why the build can't take over without force; undefined when it can. */
  readonly behind: (build: Build) => string | undefined
  /** Where the serving build of a reactor stands. A switch needs it to stand still there. */
  readonly handover?: Position | undefined
  /** Whether events wait that the build could not fold, and it runs. */
  readonly hasDeadLetters: (build: Build) => boolean
  readonly by: string
  /** Epoch ms. */
  readonly now: number
}

type Decision = Either.Either<Registered, CommandRefused>

const refuse = (code: RefusalCode, message: string): Decision =>
  Either.left(new CommandRefused({ code, message }))

const when = (at: number): string => new Date(at).toISOString()

const told = (act: Act | undefined): string =>
  act === undefined ? "" : ` (${act.by} ${act.what} at ${when(act.at)})`

/** Those that are not about to be removed. */
const present = (now: Registered): ReadonlyArray<Build> =>
  now.builds.filter(({ dropped }) => dropped === undefined)

export const servingOf = (now: Registered): Build | undefined =>
  present(now).find(({ state }) => state === "SERVING")

export const buildingOf = (now: Registered): Build | undefined =>
  present(now).find(({ state }) => state === "BUILDING")

/** The build that served last before the present one. */
export const previousOf = (now: Registered): Build | undefined =>
  present(now)
    .filter(({ state, replaced }) => state === "STANDBY" && replaced !== undefined)
    .toSorted((a, b) => (b.replaced?.at ?? 0) - (a.replaced?.at ?? 0))[0]

/** A new build of the definition, beside what is there. */
export const newBuild = (
  now: Registered,
  { definition, fingerprint, isReactor }: Omit<Definition, "projection">,
  state: "SERVING" | "BUILDING",
  made: Act,
  promoteWhenLevel: boolean,
  /** Of a reactor: what lies up to here is the business of the build before, or of nobody. */
  gate: Position,
): Registered =>
  withBuild(now, {
    id: `${now.projection}-${now.numbered + 1}`,
    projection: now.projection,
    definition,
    fingerprint,
    state,
    made,
    ...(isReactor === true ? { gate, acts: state === "SERVING" ? [{ after: gate }] : [] } : {}),
    ...(promoteWhenLevel ? { promoteWhenLevel } : {}),
  })

/**
 * The build serves; the one that did stands by. Of a reactor the one acts up to `handover`, where it stands, and the
 * other from there on: each event is the business of one build.
 */
export const promoted = (now: Registered, build: Build, act: Act, handover?: Position): Registered => {
  const { promoteWhenLevel: _, replaced: __, ...rest } = build
  const before = servingOf(now)
  // One that was made to serve while it was behind begins later than it stands.
  const after = max(handover ?? start, before?.acts?.at(-1)?.after ?? start)
  const acts = rest.acts === undefined ? {} : { acts: [...rest.acts, { after }] }
  const next = withBuild(now, { ...rest, ...acts, state: "SERVING", promoted: act })
  const ended = (one: Build): Build => ({
    ...one,
    replaced: act,
    ...(one.acts === undefined
      ? {}
      : {
          acts: one.acts.map((acting) => (acting.upTo === undefined ? { ...acting, upTo: after } : acting)),
        }),
  })
  return { ...next, builds: next.builds.map((one) => (one.id === before?.id ? ended(one) : one)), last: act }
}

/** The build is about to be removed: it has gone for everybody but the one who clears up. */
export const dropped = (now: Registered, build: string, act: Act): Registered => ({
  ...now,
  builds: now.builds.map((one) => (one.id === build ? { ...one, dropped: act } : one)),
})

const promote = (
  now: Registered,
  target: Build,
  expectedServing: string,
  force: boolean,
  facts: Facts,
  what: string,
): Decision => {
  const serving = servingOf(now)
  if (serving?.id !== expectedServing || serving.id === target.id) {
    return refuse(
      "CONFLICT",
      `${serving?.id ?? "no build"} serves${told(serving?.promoted ?? serving?.made)}, not ${expectedServing}: look at what it answers before you switch again`,
    )
  }
  if (target.state === "FAILED") {
    return refuse("BUILD_FAILED", `${target.id} has failed and is not complete: ${target.failure ?? ""}`)
  }
  const behind = facts.behind(target)
  if (behind !== undefined && !force) {
    return refuse("NOT_READY", `${target.id} can't take over yet: ${behind}. Wait, or use force`)
  }
  if (target.acts !== undefined && facts.handover === undefined) {
    return refuse("NOT_READY", `it is not known up to where ${serving.id} has acted: try again`)
  }
  return Either.right(promoted(now, target, { by: facts.by, at: facts.now, what }, facts.handover))
}

/**
 * What is registered once the command is carried out, or why it can't be. Pure: two who command at once are
 * decided one after the other, by compare-and-set on what is registered.
 */
export const decide = (now: Registered, command: Command, facts: Facts): Decision => {
  const { projection } = command
  const builds = present(now)
  const serving = servingOf(now)
  if (serving === undefined) {
    return refuse("PROJECTION_UNKNOWN", `there is no projection "${projection.slice(0, 64)}"`)
  }
  const act = (what: string): Act => ({ by: facts.by, at: facts.now, what })
  const building = buildingOf(now)
  switch (command._tag) {
    case "Rebuild": {
      if (now.paused !== undefined) {
        return refuse("PAUSED", `${projection} is paused${told(now.paused)}: resume it first`)
      }
      if (building !== undefined) {
        return refuse(
          "CONFLICT",
          `${building.id} is being built${told(building.made)}: cancel that first, or wait for it`,
        )
      }
      if (facts.deployed === undefined) {
        return refuse("NOT_DEPLOYED", `this program has no code of ${projection}: deploy it first`)
      }
      const { promote: itself } = command
      const made = act(itself ? `reset ${projection}` : `began to rebuild ${projection}`)
      return Either.right({
        ...newBuild(now, facts.deployed, "BUILDING", made, itself, facts.handover ?? start),
        last: made,
      })
    }
    case "Cancel": {
      const target = building ?? builds.find(({ state }) => state === "FAILED")
      if (target === undefined) {
        return refuse("NOT_BUILDING", `no build of ${projection} is being built${told(now.last)}`)
      }
      const gone = act(`cancelled ${target.id}`)
      return Either.right({ ...dropped(now, target.id, gone), last: gone })
    }
    case "Promote": {
      const target = builds.find(({ id }) => id === command.build)
      if (target === undefined) {
        return refuse(
          "BUILD_UNKNOWN",
          `${projection} has no build "${command.build.slice(0, 64)}"${told(now.last)}`,
        )
      }
      return promote(now, target, command.expectedServing, command.force, facts, `promoted ${target.id}`)
    }
    case "Rollback": {
      const target = previousOf(now)
      if (serving.id === command.expectedServing && target === undefined) {
        return refuse("NOTHING_TO_ROLL_BACK_TO", `no build of ${projection} stands by${told(now.last)}`)
      }
      const what = `rolled back to ${target?.id ?? ""}`
      return promote(now, target ?? serving, command.expectedServing, command.force, facts, what)
    }
    case "Drop": {
      const target = builds.find(({ id }) => id === command.build)
      if (target === undefined) {
        return refuse(
          "BUILD_UNKNOWN",
          `${projection} has no build "${command.build.slice(0, 64)}"${told(now.last)}`,
        )
      }
      if (target.id === serving.id) {
        return refuse(
          "BUILD_SERVES",
          `${target.id} serves${told(target.promoted)}: promote another one first`,
        )
      }
      const gone = act(`dropped ${target.id}`)
      return Either.right({ ...dropped(now, target.id, gone), last: gone })
    }
    case "Pause": {
      if (now.paused !== undefined)
        return refuse("CONFLICT", `${projection} is paused already${told(now.paused)}`)
      const paused = act(`paused ${projection}`)
      return Either.right({ ...now, paused, last: paused })
    }
    case "Resume": {
      if (now.paused === undefined)
        return refuse("NOT_PAUSED", `${projection} is not paused${told(now.last)}`)
      const { paused: _, ...rest } = now
      return Either.right({ ...rest, last: act(`resumed ${projection}`) })
    }
    case "RetryDeadLetters": {
      if (now.paused !== undefined) {
        return refuse("PAUSED", `${projection} is paused${told(now.paused)}: resume it first`)
      }
      if (!builds.some(facts.hasDeadLetters)) {
        return refuse("NO_DEAD_LETTERS", `nothing waits behind an event that ${projection} could not fold`)
      }
      return Either.right({ ...now, last: act(`retried the dead letters of ${projection}`) })
    }
  }
}
