import * as Effect from "effect/Effect"
import { partitionOf } from "../domain/Partition.js"
import { collections, PROJECTION } from "../projections/metrics.js"
import { partsOf, under } from "../readmodels/Key.js"
import type { ReadModelsService, Row, Scan } from "../readmodels/ReadModels.js"
import type { Freshness } from "./Freshness.js"
import type { QueryError } from "./QueryError.js"

/**
 * The zones in which a merchant has buckets: more than one after its zone was changed, as what was
 * counted before stays where it is.
 */
export interface Zones {
  readonly of: (merchantId: string) => Effect.Effect<ReadonlyArray<string>, QueryError>
}

/** Scans that find something where the merchant has buckets in another zone than this one. */
export const otherZones = (merchantId: string, zone: string): ReadonlyArray<Scan> => {
  const { from, to } = under(merchantId)
  const own = under(merchantId, zone)
  return [
    { collection: collections.days, from, to: own.from, limit: 1 },
    { collection: collections.days, from: own.to, to, limit: 1 },
  ]
}

/** Whether any of the rows of `otherZones` is there. */
export const hasOtherZones = (rows: ReadonlyArray<ReadonlyArray<Row>>): boolean =>
  rows.some((found) => found.length > 0)

/**
 * Asked anew each time: a list that is remembered may lack a zone whose buckets an answer says it has.
 * Skips from zone to zone: one document of each is read, however many there are.
 */
export const makeZones = (readModels: ReadModelsService, freshness: Freshness): Zones => ({
  of: (merchantId) =>
    Effect.gen(function* () {
      const build = yield* freshness.serving(PROJECTION, merchantId)
      const partition = partitionOf(merchantId)
      const { to } = under(merchantId)
      let { from } = under(merchantId)
      const zones: Array<string> = []
      for (;;) {
        const scan = { collection: collections.days, from, to, limit: 1 }
        const answer = yield* readModels.query(build.id, partition, [scan])
        const zone = partsOf(answer.rows[0]?.[0]?.key ?? "")[1]
        if (zone === undefined) return zones
        zones.push(zone)
        from = under(merchantId, zone).to
      }
    }),
})
