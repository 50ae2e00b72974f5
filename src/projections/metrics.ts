import { isBusinessType, type RecordedEvent, type StoredEvent, SystemType } from "../domain/Event.js"
import { type Dimension, dimensions, NONE, OTHER } from "../domain/Metrics.js"
import { evolveSettings, type MerchantSettings } from "../domain/Settings.js"
import { type Cut, cut, isValidZone } from "../domain/TimeBuckets.js"
import type { Docs, Projection } from "../processors/Projection.js"
import { clean } from "../readmodels/Key.js"
import {
  collections,
  type DayDoc,
  dimensionCode,
  MINUTE_KEPT,
  type Slots,
  slotOf,
  TEN_MINUTES_KEPT,
  timeOf,
  timePart,
} from "./Buckets.js"
import { type Counts, countEvent, noCounts } from "./Counts.js"

export type { Bucket } from "./Buckets.js"
export { bucketScan, bucketsOf, byValue, keptFor, sumOf } from "./Buckets.js"
export type { Counts } from "./Counts.js"
export { addCounts, metricValue, moneyOf, noCounts } from "./Counts.js"

/**
 * The numbers of each merchant, in buckets of its own time zone (the settings in force when an event was
 * recorded; events before a change of zone stay where they were counted). `Buckets.ts` says how they lie.
 *
 * `zones` merchant → the settings so far. `kept` merchant → the documents of buckets that expire.
 */
const ZONES = "zones"
const KEPT = "kept"

export const PROJECTION = "metrics"

/** Values of a dimension counted apart on one day of a merchant; those that come later are `(other)`. */
export const MAX_VALUES = 10_000

const newDay = (): DayDoc => ({ d: noCounts(), h: {}, n: {} })
const newValue = (): DayDoc => ({ d: noCounts(), h: {} })
const newSlots = (): Slots => ({})

const slot = (slots: Slots, name: string): Counts => {
  const known = slots[name]
  if (known !== undefined) return known
  const counts = noCounts()
  slots[name] = counts
  return counts
}

const valueIn = (event: StoredEvent, dimension: Dimension): string => {
  switch (dimension) {
    case "TYPE":
      return event.type
    case "PATH":
      return event.data.path ?? NONE
    case "PAYMENT_METHOD":
      return event.data.paymentMethod ?? NONE
  }
}

export const makeMetrics = (options: { readonly maxValues: number }): Projection => {
  const countValues = (docs: Docs, prefix: string, event: StoredEvent, at: Cut, day: DayDoc): void => {
    const time = timePart(at.day)
    const hour = slotOf(at.day, at.hour)
    for (const dimension of dimensions) {
      const code = dimensionCode[dimension]
      const before = `${prefix}\u0001${code}\u0001${time}`
      const value = valueIn(event, dimension)
      let name = clean(value)
      if (name !== NONE && name !== OTHER) {
        const counted = day.n?.[code] ?? 0
        if (docs.get(collections.values, `${before}\u0001${name}`) === undefined) {
          if (counted >= options.maxValues) name = OTHER
          else if (day.n !== undefined) day.n[code] = counted + 1
        }
      }
      const doc = docs.edit(collections.values, `${before}\u0001${name}`, newValue)
      countEvent(doc.d, event)
      countEvent(slot(doc.h, hour), event)
    }
  }

  /** Counts into a bucket that expires, unless it has; what has expired since goes when a document comes. */
  const countFine = (
    docs: Docs,
    merchant: string,
    collection: Expiring,
    documentKey: string,
    name: string,
    event: RecordedEvent,
  ): void => {
    let added = false
    const slots = docs.edit(collection, documentKey, () => {
      added = true
      return newSlots()
    })
    if (added) remember(docs, merchant, collection, documentKey, event.metadata.recordedAt)
    countEvent(slot(slots, name), event.event)
  }

  return {
    name: PROJECTION,
    version: 1,
    collections: [ZONES, KEPT, ...Object.values(collections)],
    apply: (recorded, docs) => {
      const event = recorded.event
      const merchant = event.data.merchantId
      if (event.type === SystemType.MerchantCreated || event.type === SystemType.MerchantSettingsChanged) {
        docs.put(ZONES, merchant, evolveSettings(docs.get<MerchantSettings>(ZONES, merchant), event))
        return
      }
      if (!isBusinessType(event.type)) return
      const zone = zoneOf(docs.get<MerchantSettings>(ZONES, merchant))
      const at = cut(zone, event.at)
      const now = recorded.metadata.recordedAt
      const prefix = `${merchant}\u0001${zone}`
      const dayKey = `${prefix}\u0001${timePart(at.day)}`
      const day = docs.edit(collections.days, dayKey, newDay)
      countEvent(day.d, event)
      countEvent(slot(day.h, slotOf(at.day, at.hour)), event)
      if (at.minute >= now - MINUTE_KEPT) {
        const hourKey = `${prefix}\u0001${timePart(at.hour)}`
        countFine(docs, merchant, collections.minutes, hourKey, slotOf(at.hour, at.minute), recorded)
      }
      if (at.tenMinutes >= now - TEN_MINUTES_KEPT) {
        countFine(docs, merchant, collections.tens, dayKey, slotOf(at.day, at.tenMinutes), recorded)
      }
      countValues(docs, prefix, event, at, day)
    },
  }
}

const zoneOf = (settings: MerchantSettings | undefined): string =>
  settings !== undefined && isValidZone(settings.timezone) ? settings.timezone : "UTC"

/** A document's last bucket begins before its own end: an hour, or a day of at most 26 hours. */
const HOUR = 3_600_000
const LONGEST_DAY = 26 * HOUR

/** Keys of `minutes` and `tens` without the merchant: zone, start. */
type Kept = Readonly<Record<"minutes" | "tens", ReadonlyArray<string>>>
type Expiring = keyof Kept

const expired = (collection: Expiring, name: string, now: number): boolean => {
  const start = timeOf(name.slice(name.indexOf("\u0001") + 1))
  return collection === "minutes"
    ? start + HOUR < now - MINUTE_KEPT
    : start + LONGEST_DAY < now - TEN_MINUTES_KEPT
}

/**
 * Notes a new document of buckets that expire, and removes those that have. As this happens when the log
 * says so, and not when a clock does, a fresh fold of the log keeps and removes the same documents.
 */
const remember = (docs: Docs, merchant: string, collection: Expiring, added: string, now: number): void => {
  const kept = docs.get<Kept>(KEPT, merchant) ?? { minutes: [], tens: [] }
  const staying = kept[collection].filter((name) => {
    const stays = !expired(collection, name, now)
    if (!stays) docs.put(collection, `${merchant}\u0001${name}`, undefined)
    return stays
  })
  docs.put(KEPT, merchant, { ...kept, [collection]: [...staying, added.slice(merchant.length + 1)] })
}

export const metrics = makeMetrics({ maxValues: MAX_VALUES })
