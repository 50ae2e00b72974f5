import * as Either from "effect/Either"
import { start } from "../domain/Position.js"
import type { Act, Build, Registered } from "../readmodels/ReadModels.js"
import { isAnswering, withBuild } from "../readmodels/Registry.js"
import { type Command, type Decision, type Facts, refuse, told } from "./Command.js"
import { toCancel, unfitToRebuild } from "./MerchantBuilds.js"
import { buildingOf, dropped, newBuild, present, previousOf, promoted, servingOf } from "./Transitions.js"

export type { Command, Facts, RefusalCode } from "./Command.js"
export { CommandRefused } from "./Command.js"

const conflict = (serving: Build | undefined, expected: string): Decision => {
  const of = serving?.merchantId === undefined ? "" : ` ${serving.merchantId}`
  return refuse(
    "CONFLICT",
    `${serving?.id ?? "no build"} serves${of}${told(serving?.promoted ?? serving?.made)}, not ${expected}: look at what it answers before you switch again`,
  )
}

const promote = (
  now: Registered,
  target: Build,
  expectedServing: string,
  force: boolean,
  facts: Facts,
  what: string,
): Decision => {
  const serving = servingOf(now, target.merchantId)
  if (serving?.id !== expectedServing) return conflict(serving, expectedServing)
  if (serving.id === target.id) {
    return refuse("CONFLICT", `${target.id} serves already${told(target.promoted ?? target.made)}`)
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

/** The merchant goes back to the build of all merchants; its own stands by. */
const withdraw = (now: Registered, own: Build, force: boolean, facts: Facts): Decision => {
  const serving = servingOf(now, own.merchantId)
  if (serving?.id !== own.id) return conflict(serving, own.id)
  const whole = servingOf(now)
  const behind = whole === undefined ? undefined : facts.behind(whole)
  if (behind !== undefined && !force) {
    return refuse("NOT_READY", `${whole?.id ?? ""} can't take over yet: ${behind}. Wait, or use force`)
  }
  const act: Act = {
    ...{ by: facts.by, at: facts.now },
    what: `rolled back ${own.merchantId ?? ""} to ${whole?.id ?? ""}`,
  }
  return Either.right({ ...withBuild(now, { ...own, state: "STANDBY", replaced: act }), last: act })
}

/** The merchant whose answers a switch is about; undefined when it is about all. */
export const merchantOfSwitch = (now: Registered, command: Command): string | undefined => {
  if (command._tag !== "Promote" && command._tag !== "Rollback") return undefined
  const named = command._tag === "Promote" ? command.build : command.expectedServing
  return present(now).find(({ id }) => id === named)?.merchantId
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
  switch (command._tag) {
    case "Rebuild": {
      if (now.paused !== undefined) {
        return refuse("PAUSED", `${projection} is paused${told(now.paused)}: resume it first`)
      }
      const { promote: itself, merchantId } = command
      const building = buildingOf(now, merchantId)
      if (building !== undefined) {
        return refuse(
          "CONFLICT",
          `${building.id} is being built${told(building.made)}: cancel that first, or wait for it`,
        )
      }
      if (facts.deployed === undefined) {
        return refuse("NOT_DEPLOYED", `this program has no code of ${projection}: deploy it first`)
      }
      const unfit = merchantId === undefined ? undefined : unfitToRebuild(now, merchantId, facts)
      if (unfit !== undefined) return unfit
      const of = merchantId === undefined ? projection : `${merchantId} in ${projection}`
      const made = act(itself ? `reset ${of}` : `began to rebuild ${of}`)
      return Either.right({
        ...newBuild(now, facts.deployed, "BUILDING", made, itself, facts.handover ?? start, merchantId),
        last: made,
      })
    }
    case "Cancel": {
      const found = toCancel(now)
      if (Either.isLeft(found)) return Either.left(found.left)
      const target = found.right
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
      const own = builds.find(
        ({ id, merchantId }) => id === command.expectedServing && merchantId !== undefined,
      )
      if (own !== undefined) return withdraw(now, own, command.force, facts)
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
      if (isAnswering(builds, target)) {
        const first = target.merchantId === undefined ? "promote another one" : "roll back"
        return refuse("BUILD_SERVES", `${target.id} serves${told(target.promoted)}: ${first} first`)
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
