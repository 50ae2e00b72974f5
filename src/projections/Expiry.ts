import type { Docs } from "../processors/Projection.js"
import { MINUTE_KEPT, TEN_MINUTES_KEPT } from "./Layout.js"
import { timeOf } from "./TimePart.js"

/** Merchant → the documents of buckets that expire. */
export const KEPT = "kept"

/** A document's last bucket begins before its own end: an hour, or a day of at most 26 hours. */
const HOUR = 3_600_000
const LONGEST_DAY = 26 * HOUR

/** Keys of `minutes` and `tens` without the merchant: zone, start. */
type Kept = Readonly<Record<"minutes" | "tens", ReadonlyArray<string>>>
export type Expiring = keyof Kept

const expired = (collection: Expiring, name: string, now: number): boolean => {
  const start = timeOf(name.slice(name.indexOf("\u0001") + 1))
  return collection === "minutes"
    ? start + HOUR < now - MINUTE_KEPT
    : start + LONGEST_DAY < now - TEN_MINUTES_KEPT
}

/**
 * Notes a new document of buckets that expire, and removes those that have. As this happens when the log
 * says so, and not when a clock does, a fresh fold of the log keeps and removes the same documents.
 * `now`: when the event that made it was recorded, epoch ms.
 */
export const rememberExpiring = (
  docs: Docs,
  merchantId: string,
  collection: Expiring,
  added: string,
  now: number,
): void => {
  const kept = docs.get<Kept>(KEPT, merchantId) ?? { minutes: [], tens: [] }
  const staying = kept[collection].filter((name) => {
    const stays = !expired(collection, name, now)
    if (!stays) docs.put(collection, `${merchantId}\u0001${name}`, undefined)
    return stays
  })
  docs.put(KEPT, merchantId, { ...kept, [collection]: [...staying, added.slice(merchantId.length + 1)] })
}
