import type { Position as ClientPosition } from "@eventstore/db-client"
import { fromNumber, type Position } from "../../domain/Position.js"

/** What the server says where there is no position: -1 as an unsigned number. */
const NONE = 0xffff_ffff_ffff_ffffn

/**
 * A position is the commit position. The prepare position equals it for every event that was not written in
 * an explicit transaction, which this protocol does not have.
 */
export const positionOf = (place: ClientPosition | undefined): Position | undefined =>
  place === undefined || place.commit === NONE ? undefined : fromNumber(place.commit)

export const placeOf = (position: Position): ClientPosition => {
  const commit = BigInt(position)
  return { commit, prepare: commit }
}
