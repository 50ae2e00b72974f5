import { createHash } from "node:crypto"
import { isBusinessType, type RecordedEvent, SystemType } from "../domain/Event.js"
import { evolveSettings, type MerchantSettings } from "../domain/Settings.js"
import { type Cut, cut, isValidZone } from "../domain/TimeBuckets.js"
import type { Docs, Projection } from "../processors/Projection.js"
import { partsOf } from "../readmodels/Key.js"
import type { Doc, Ref } from "../readmodels/ReadModels.js"
import { longerSession, type SessionChange, wholeSession } from "./Counts.js"
import { DayFold } from "./DayFold.js"
import { indexOf } from "./Dimensions.js"
import { KEPT } from "./Expiry.js"
import { FACTS, type Fact, factOf } from "./Facts.js"
import { activeMerchants, collections, everyMerchant, TAIL, timeKey, type VisitorsDoc } from "./Layout.js"
import { recordSession, SESSIONS, type Session, type SessionEvent } from "./Sessions.js"
import { timeOf } from "./TimePart.js"
import { memberOf, VisitorSet } from "./VisitorSet.js"

export type { Bucket, Day, Kept, Wanted } from "./Buckets.js"
export { bucketScans, daysOf, daysScan, keptBuckets, Sum, segmentsScan, sumOf, sumsBy } from "./Buckets.js"
export type { Counts } from "./Counts.js"
export { addCounts, currenciesOf, isMet, metricValue, moneyOf, noCounts } from "./Counts.js"
export { waitingSessions } from "./DayFold.js"
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
 * recorded; events before a change of zone stay where they were counted). `Layout.ts` says how they lie.
 *
 * `zones` merchant → the settings so far.
 */
const ZONES = "zones"

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

const zoneOf = (settings: MerchantSettings | undefined): string =>
  settings !== undefined && isValidZone(settings.timezone) ? settings.timezone : "UTC"

/** `merchant-ppp.…` */
const partitionIn = (stream: string): number => Number(stream.slice(9, 12))

/** A merchant in the place of a client. */
const merchantKeys = new Map<string, string>()
const MOST_KEYS = 100_000
const merchantKey = (merchantId: string): string => {
  let found = merchantKeys.get(merchantId)
  if (found === undefined) {
    if (merchantKeys.size >= MOST_KEYS) merchantKeys.clear()
    found = createHash("sha256").update(merchantId).digest("base64url").slice(0, 22)
    merchantKeys.set(merchantId, found)
  }
  return found
}

export interface MetricsOptions {
  readonly maxValues: number
  /** Facts of a day that are not counted into its buckets yet, at most: no more than a segment of facts. */
  readonly tail?: number
}

const TYPE = indexOf.TYPE
const CURRENCY = indexOf.CURRENCY

/** What the numbers of all merchants together are made of. */
const plain = (fact: Fact): Fact => ({
  ...fact,
  values: fact.values.map((value, index) => (index === TYPE || index === CURRENCY ? value : null)),
  properties: null,
})

/** Notes that the merchant had an event in the day and the hour: clocks are those of UTC. */
const noteActive = (docs: Docs, partition: number, merchantId: string, { day, hour }: Cut): void => {
  const noted = `${merchantId}\u0001${hour}`
  if (docs.memo.has(noted)) return
  docs.memo.set(noted, true)
  const member = memberOf(merchantKey(merchantId))
  const all = [
    [collections.visitors, day],
    [collections.hourVisitors, hour],
  ] as const
  for (const [collection, start] of all) {
    const key = timeKey(activeMerchants(partition), "UTC", start)
    const known = docs.get<VisitorsDoc>(collection, key)
    if (known !== undefined && VisitorSet.of(known.v).hasMember(member)) continue
    const visitors = VisitorSet.of(known?.v)
    visitors.addMember(member)
    docs.put(collection, key, { v: visitors })
  }
}

export const makeMetrics = ({ maxValues, tail = TAIL }: MetricsOptions): Projection => {
  const dayOf = (docs: Docs, merchantId: string, zone: string, day: number): DayFold =>
    new DayFold(docs, { merchantId, zone, day, isTogether: false, maxValues }, tail)
  const dayOfAll = (docs: Docs, partition: number, day: number): DayFold =>
    new DayFold(
      docs,
      { merchantId: everyMerchant(partition), zone: "UTC", day, isTogether: true, maxValues },
      tail,
    )

  /** Counts a change of a session into the day of its start, at the merchant and at all together. */
  const changeSession = (
    docs: Docs,
    merchantId: string,
    partition: number,
    session: Session,
    change: SessionChange,
    now: number,
  ): void => {
    const { zone, start } = session
    dayOf(docs, merchantId, zone, cut(zone, start).day).changeSession(session, change, now)
    dayOfAll(docs, partition, cut("UTC", start).day).changeSession(session, change, now)
  }

  const countSession = (
    docs: Docs,
    merchantId: string,
    partition: number,
    event: SessionEvent,
    now: number,
  ): void => {
    const { before, after } = recordSession(docs, event)
    const [only, second] = before
    if (only !== undefined && second === undefined && only.id === after.id && only.start === after.start) {
      const change = longerSession(only, after)
      if (change.bounces === 0 && change.milliseconds === 0) return
      changeSession(docs, merchantId, partition, after, change, now)
      return
    }
    for (const session of before) {
      changeSession(docs, merchantId, partition, session, wholeSession(session, -1), now)
    }
    changeSession(docs, merchantId, partition, after, wholeSession(after, 1), now)
  }

  const apply = (recorded: RecordedEvent, docs: Docs): void => {
    const { event } = recorded
    const merchantId = event.data.merchantId
    if (event.type === SystemType.MerchantCreated || event.type === SystemType.MerchantSettingsChanged) {
      docs.put(ZONES, merchantId, evolveSettings(docs.get<MerchantSettings>(ZONES, merchantId), event))
      return
    }
    if (!isBusinessType(event.type)) return
    const now = recorded.metadata.recordedAt
    const fact = factOf(recorded)
    const zone = zoneOf(docs.get<MerchantSettings>(ZONES, merchantId))
    dayOf(docs, merchantId, zone, cut(zone, event.at).day).add(fact, now)

    const partition = partitionIn(recorded.stream)
    const utc = cut("UTC", event.at)
    dayOfAll(docs, partition, utc.day).add(plain(fact), now)
    noteActive(docs, partition, merchantId, utc)

    if (fact.visitor === null) return
    const sessionEvent: SessionEvent = {
      merchantId,
      visitor: fact.visitor,
      activity: Math.min(event.at, now),
      id: event.data.id,
      pageView: event.type === "pageview",
      position: recorded.position,
      zone,
      values: fact.values,
    }
    countSession(docs, merchantId, partition, sessionEvent, now)
  }

  return {
    name: PROJECTION,
    version: 4,
    source: import.meta.url,
    collections: [ZONES, KEPT, FACTS, SESSIONS, ...Object.values(collections)],
    sharedBy,
    isByMerchant: true,
    apply,
  }
}

export const metrics = makeMetrics({ maxValues: MAX_VALUES })
