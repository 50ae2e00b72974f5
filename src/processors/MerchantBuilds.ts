import * as Either from "effect/Either"
import { SYSTEM } from "../domain/Partition.js"
import type { Build, Registered } from "../readmodels/ReadModels.js"
import { CommandRefused, type Decision, type Facts, refuse } from "./Command.js"
import { present } from "./Transitions.js"

/** Merchants of a projection that are rebuilt at once: each is folded by a thread. */
export const MOST_MERCHANTS_BUILDING = 4
/** Merchants' builds of a projection: each reads all that arrives. */
export const MOST_MERCHANT_BUILDS = 32

/** Why a merchant can't be rebuilt; undefined when it can. */
export const unfitToRebuild = (now: Registered, merchantId: string, facts: Facts): Decision | undefined => {
  const { projection } = now
  if (facts.deployed?.isByMerchant !== true || merchantId === SYSTEM) {
    const why =
      merchantId === SYSTEM
        ? `${SYSTEM} lives in all partitions`
        : `documents of ${projection} are of several merchants together`
    return refuse("CROSSES_MERCHANTS", `${why}: rebuild ${projection} whole, without a merchant`)
  }
  if (facts.isMerchantKnown === false) {
    return refuse("MERCHANT_UNKNOWN", `there is no merchant "${merchantId.slice(0, 64)}"`)
  }
  const own = present(now).filter((build) => build.merchantId !== undefined)
  const building = own.filter(({ state }) => state === "BUILDING")
  if (building.length >= MOST_MERCHANTS_BUILDING || own.length >= MOST_MERCHANT_BUILDS) {
    return refuse(
      "TOO_MANY_BUILDS",
      `${building.length} merchants of ${projection} are being rebuilt (at most ${MOST_MERCHANTS_BUILDING} at once), and there are ${own.length} builds of single merchants (at most ${MOST_MERCHANT_BUILDS}): promote, cancel or drop some, or rebuild ${projection} whole`,
    )
  }
  return undefined
}

/** The build that a cancellation is about, or why it is not clear which. What runs comes before what has failed. */
export const toCancel = (now: Registered): Either.Either<Build | undefined, CommandRefused> => {
  const inState = (wanted: Build["state"]) => present(now).filter(({ state }) => state === wanted)
  const running = inState("BUILDING")
  const candidates = running.length > 0 ? running : inState("FAILED")
  const whole = candidates.find(({ merchantId }) => merchantId === undefined)
  if (whole !== undefined || candidates.length < 2) return Either.right(whole ?? candidates[0])
  const message = `${candidates.map(({ id, merchantId }) => `${id} of ${merchantId ?? ""}`).join(", ")}: drop the build that is meant`
  return Either.left(new CommandRefused({ code: "BUILD_REQUIRED", message }))
}
