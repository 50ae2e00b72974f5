import { isBusinessType, type RecordedEvent, SystemType } from "../domain/Event.js"
import { evolveSettings, type MerchantSettings } from "../domain/Settings.js"
import type { Docs, Projection } from "../processors/Projection.js"
import { partsOf } from "../readmodels/Key.js"
import type { Doc, Ref } from "../readmodels/ReadModels.js"
import { KEPT } from "./Expiry.js"
import { FACTS } from "./Facts.js"
import { collections, TAIL } from "./Layout.js"
import { MetricsFold, ZONES, zoneOf } from "./MerchantFold.js"
import { SESSIONS } from "./Sessions.js"
import { timeOf } from "./TimePart.js"

export type { Bucket, Day, Kept, Wanted } from "./Buckets.js"
export { bucketScans, daysOf, daysScan, keptBuckets, Sum, segmentsScan, sumOf, sumsBy } from "./Buckets.js"
export type { Counts } from "./Counts.js"
export { addCounts, currenciesOf, isMet, metricValue, moneyOf, noCounts } from "./Counts.js"
export { eachWaitingSession } from "./DayFold.js"
export { hoursIn } from "./DayHours.js"
export type { By, Part } from "./FactFold.js"
export { codesOf, FactFold } from "./FactFold.js"
export type { Fact, Segment } from "./Facts.js"
export { Columns, FACTS } from "./Facts.js"
export { activeMerchants, collections, everyMerchant, keptFor } from "./Layout.js"
export type { Session } from "./Sessions.js"
export { comesBefore, SESSION_GAP, sessionsOf, sessionsScan } from "./Sessions.js"

/**
 * The numbers of each merchant, in buckets of its own time zone (the settings in force when an event was
 * recorded; events before a change of zone stay where they were counted). `Layout.ts` says how they lie, and
 * `MerchantFold.ts` is what an event does.
 */
export const PROJECTION = "metrics"

/** For `load`: read what comes with `zoneIn`. */
export const zonesRef = (merchantId: string): Ref => ({ collection: ZONES, key: merchantId })

/** The zone in which a merchant's events are counted now. */
export const zoneIn = (doc: Doc | undefined): string => zoneOf(doc as MerchantSettings | undefined)

/** When what a document holds begins, epoch ms, as its key says; undefined for one that is not about a time. */
export const instantIn = (key: ReadonlyArray<string>): number | undefined => {
  const part = key.slice(1).find((one) => /^[0-9a-z]{9}$/.test(one))
  return part === undefined ? undefined : timeOf(part)
}

/** Whether documents under this id are those of a merchant, and not of all together. */
export const isOfMerchant = (id: string): boolean => !/^_[pm]\d{3}$/.test(id)

/** `_p012…`: all merchants of partition 12 together. */
const sharedBy = (key: string): number | undefined => {
  const found = /^_[pm](\d{3})$/.exec(partsOf(key)[0] ?? "")?.[1]
  return found === undefined ? undefined : Number(found)
}

/** Values of a dimension counted apart on one day of a merchant; those that come later are `(other)`. */
export const MAX_VALUES = 10_000

export interface MetricsOptions {
  readonly maxValues: number
  /** Facts of a day that are not counted into its buckets yet, at most: no more than a segment of facts. */
  readonly tail?: number
}

/** Under this name `memo` holds the `MetricsFold`. */
const FOLD = "metrics"

export const makeMetrics = ({ maxValues, tail = TAIL }: MetricsOptions): Projection => {
  const options = { maxValues, tail }

  const foldOf = (docs: Docs): MetricsFold => {
    const known = docs.memo.get(FOLD) as MetricsFold | undefined
    if (known !== undefined) return known
    const begun = new MetricsFold(docs, options)
    docs.memo.set(FOLD, begun)
    return begun
  }

  const apply = (recorded: RecordedEvent, docs: Docs): void => {
    const { event, stream } = recorded
    const merchantId = event.data.merchantId
    if (event.type === SystemType.MerchantCreated || event.type === SystemType.MerchantSettingsChanged) {
      docs.put(ZONES, merchantId, evolveSettings(docs.get<MerchantSettings>(ZONES, merchantId), event))
      foldOf(docs).changeZone(merchantId)
      return
    }
    if (isBusinessType(event.type)) foldOf(docs).of(merchantId, stream).fold(recorded)
  }

  const applyAll = (events: Iterable<RecordedEvent>, docs: Docs): void =>
    foldOf(docs).together(() => {
      for (const event of events) apply(event, docs)
    })

  return {
    name: PROJECTION,
    version: 5,
    source: import.meta.url,
    collections: [ZONES, KEPT, FACTS, SESSIONS, ...Object.values(collections)],
    sharedBy,
    isByMerchant: true,
    apply,
    applyAll,
  }
}

export const metrics = makeMetrics({ maxValues: MAX_VALUES })
