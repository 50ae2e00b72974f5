import { createHash } from "node:crypto"
import { isBusinessType, type RecordedEvent, SystemType } from "../domain/Event.js"
import { evolveSettings, type MerchantSettings } from "../domain/Settings.js"
import { type Cut, cut, isValidZone, nextBucket } from "../domain/TimeBuckets.js"
import type { Docs, Projection } from "../processors/Projection.js"
import { longerSession, type SessionChange, wholeSession } from "./Counts.js"
import { KEPT } from "./Expiry.js"
import {
  appendFact,
  Columns,
  FACTS,
  type Fact,
  factOf,
  isFull,
  isHeavy,
  newSegment,
  type Segment,
  segmentKey,
} from "./Facts.js"
import { LargeDay } from "./LargeDay.js"
import { activeMerchants, collections, type DayDoc, everyMerchant, FEW, timeKey } from "./Layout.js"
import { recordSession, SESSIONS, type Session, type SessionEvent, sessionsStarting } from "./Sessions.js"

export type { Bucket, Day, Kept, Wanted } from "./Buckets.js"
export { bucketScans, daysOf, daysScan, keptBuckets, Sum, segmentsScan, sumOf, sumsBy } from "./Buckets.js"
export type { Counts } from "./Counts.js"
export { addCounts, currenciesOf, isMet, metricValue, moneyOf, noCounts } from "./Counts.js"
export type { Part } from "./FactFold.js"
export { FactFold } from "./FactFold.js"
export type { Fact, Segment } from "./Facts.js"
export { Columns, FACTS } from "./Facts.js"
export { activeMerchants, collections, everyMerchant, keptFor } from "./Layout.js"
export type { Session } from "./Sessions.js"
export { sessionsOf, sessionsScan } from "./Sessions.js"

/**
 * The numbers of each merchant, in buckets of its own time zone (the settings in force when an event was
 * recorded; events before a change of zone stay where they were counted). `Layout.ts` says how they lie.
 *
 * `zones` merchant → the settings so far.
 */
const ZONES = "zones"

export const PROJECTION = "metrics"

/** Values of a dimension counted apart on one day of a merchant; those that come later are `(other)`. */
export const MAX_VALUES = 10_000

const newDay = (): DayDoc => ({ n: 0 })

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
  /** Events of a day that are kept as facts alone, unless they are heavy: at most a segment of facts. */
  readonly few?: number
}

export const makeMetrics = ({ maxValues, few = FEW }: MetricsOptions): Projection => {
  /** The buckets of a day that has many events; undefined for one that is its facts alone. */
  const large = (
    docs: Docs,
    merchantId: string,
    zone: string,
    day: number,
    force: boolean,
  ): LargeDay | undefined => {
    const key = timeKey(merchantId, zone, day)
    const known = docs.memo.get(key)
    if (known instanceof LargeDay) return known
    if (!force && docs.get<DayDoc>(collections.days, key)?.d === undefined) return undefined
    const opened = new LargeDay(
      docs,
      { merchantId, zone, day, isTogether: merchantId.startsWith("_"), maxValues },
      docs.edit(collections.days, key, newDay),
    )
    docs.memo.set(key, opened)
    return opened
  }

  /** Fills the buckets of a day from its facts and sessions so far. */
  const enlarge = (docs: Docs, merchantId: string, zone: string, day: number, now: number): void => {
    const doc = docs.edit(collections.days, timeKey(merchantId, zone, day), newDay)
    const facts = doc.f as Segment
    delete doc.f
    docs.put(FACTS, segmentKey(merchantId, zone, day, 0), facts)
    if (isFull(facts)) doc.k = 1
    const buckets = large(docs, merchantId, zone, day, true)
    const columns = new Columns(facts)
    for (let i = 0; i < columns.size; i++) {
      const fact = columns.fact(i)
      buckets?.count(fact, fact.visitor, cut(zone, fact.at), now)
    }
    for (const session of sessionsStarting(docs, merchantId, day, nextBucket(zone, "DAY", day))) {
      if (session.zone === zone) buckets?.changeSession(session, wholeSession(session, 1), now)
    }
  }

  const keepFact = (
    docs: Docs,
    merchantId: string,
    zone: string,
    at: Cut,
    fact: Fact,
    now: number,
  ): LargeDay | undefined => {
    const doc = docs.edit(collections.days, timeKey(merchantId, zone, at.day), newDay)
    doc.n++
    if (doc.d === undefined && doc.n <= few) {
      doc.f ??= newSegment(at.day)
      appendFact(doc.f, fact)
      // Few events are many when they are heavy: the buckets are filled from all of them, this one too.
      if (isHeavy(doc.f)) enlarge(docs, merchantId, zone, at.day, now)
      return undefined
    }
    if (doc.f !== undefined) enlarge(docs, merchantId, zone, at.day, now)
    const number = doc.k ?? 0
    const place = (one: number) => segmentKey(merchantId, zone, at.day, one)
    const added = () => newSegment(at.day, docs.get<Segment>(FACTS, place(number - 1)))
    if (appendFact(docs.edit(FACTS, place(number), added), fact)) doc.k = number + 1
    return large(docs, merchantId, zone, at.day, true)
  }

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
    large(docs, merchantId, zone, cut(zone, start).day, false)?.changeSession(session, change, now)
    const together = everyMerchant(partition)
    large(docs, together, "UTC", cut("UTC", start).day, true)?.changeSession(session, change, now)
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
    const at = cut(zone, event.at)
    keepFact(docs, merchantId, zone, at, fact, now)?.count(fact, fact.visitor, at, now)

    const partition = partitionIn(recorded.stream)
    const utc = cut("UTC", event.at)
    large(docs, everyMerchant(partition), "UTC", utc.day, true)?.count(fact, fact.visitor, utc, now)
    large(docs, activeMerchants(partition), "UTC", utc.day, true)?.seen(merchantKey(merchantId), utc)

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
    version: 2,
    collections: [ZONES, KEPT, FACTS, SESSIONS, ...Object.values(collections)],
    apply,
  }
}

export const metrics = makeMetrics({ maxValues: MAX_VALUES })
