import type { Position } from "../domain/Position.js"
import type { Act, Registered } from "../readmodels/ReadModels.js"
import type { Definition } from "./Processors.js"
import { buildingOf, dropped, newBuild, present, servingOf } from "./Transitions.js"

/** Where a reactor begins to act: nothing that is in a log already is acted on, or that another build has. */
export interface Places {
  readonly head: Position
  readonly serving: Position
}

/**
 * What is registered of a projection once the program has started with this code: a first build, which serves at
 * once; after a change of the definition a new one from the log's start, beside the old one, which serves on as
 * it is until the new one is level. `deployed` are all definitions of the projection, the newest first.
 */
export const plan = (
  now: Registered,
  deployed: ReadonlyArray<Definition>,
  at: number,
  places: Places,
): Registered => {
  const [newest] = deployed
  if (newest === undefined) return now
  const act = (what: string): Act => ({ by: "tidemark", at, what })
  const serving = servingOf(now)
  if (serving === undefined)
    return newBuild(now, newest, "SERVING", act(`began ${now.projection}`), false, places.head)
  const isDeployed = (definition: string) => deployed.some((one) => one.definition === definition)
  const kept = present(now).filter((build) => build.merchantId === undefined && build.state !== "FAILED")
  // Also who rolled back to an old build, by force, has another one to go on with.
  if (kept.some((build) => isDeployed(build.definition))) return now
  const building = buildingOf(now)
  const made = act(`upgraded ${now.projection} to ${newest.definition}`)
  const cleared =
    building === undefined
      ? now
      : dropped(now, building.id, act(`dropped ${building.id}, which this program can't build on`))
  return { ...newBuild(cleared, newest, "BUILDING", made, true, places.serving), last: made }
}
