import { Effect } from "effect"
import { partitionOf } from "../domain/Partition.js"
import { collections } from "../projections/Buckets.js"
import { PROJECTION } from "../projections/metrics.js"
import { partsOf, under } from "../readmodels/Key.js"
import type { ReadModelsService } from "../readmodels/ReadModels.js"
import type { Freshness } from "./Freshness.js"
import type { QueryError } from "./QueryError.js"

/**
 * The zones in which a merchant has buckets: more than one after its zone was changed, as what was
 * counted before stays where it is.
 */
export interface Zones {
  readonly of: (merchantId: string) => Effect.Effect<ReadonlyArray<string>, QueryError>
}

/** How long a list is believed. A new zone is the merchant's own at first, and is read without the list. */
const BELIEVED_MS = 2_000
const REMEMBERED = 10_000
const MOST = 20

export const makeZones = (readModels: ReadModelsService, freshness: Freshness, now: () => number): Zones => {
  const known = new Map<string, { readonly zones: ReadonlyArray<string>; readonly at: number }>()

  /** Skips from zone to zone: one document of each is read, however many there are. */
  const look = (merchantId: string) =>
    Effect.gen(function* () {
      const build = yield* freshness.serving(PROJECTION)
      const partition = partitionOf(merchantId)
      const { to } = under(merchantId)
      let { from } = under(merchantId)
      const zones: Array<string> = []
      while (zones.length < MOST) {
        const scan = { collection: collections.days, from, to, limit: 1 }
        const answer = yield* readModels.query(build.id, partition, [scan])
        const zone = partsOf(answer.rows[0]?.[0]?.key ?? "")[1]
        if (zone === undefined) break
        zones.push(zone)
        from = under(merchantId, zone).to
      }
      return zones
    })

  return {
    of: (merchantId) =>
      Effect.suspend((): Effect.Effect<ReadonlyArray<string>, QueryError> => {
        const remembered = known.get(merchantId)
        if (remembered !== undefined && now() - remembered.at < BELIEVED_MS) {
          return Effect.succeed(remembered.zones)
        }
        return Effect.map(look(merchantId), (zones) => {
          if (known.size >= REMEMBERED) known.clear()
          known.set(merchantId, { zones, at: now() })
          return zones
        })
      }),
  }
}
