import { createHash } from "node:crypto"
import type { RecordedEvent } from "../domain/Event.js"
import type { MerchantSettings } from "../domain/Settings.js"
import { cut, isValidZone } from "../domain/TimeBuckets.js"
import type { Docs } from "../processors/Projection.js"
import type { Session } from "./ClientDay.js"
import { type SessionChange, wholeSession } from "./Counts.js"
import { DayFold, Uncounted } from "./DayFold.js"
import { type Fact, factOf } from "./Facts.js"
import { activeMerchants, collections, everyMerchant, timeKey, type VisitorsDoc } from "./Layout.js"
import { type SessionEvent, SessionFold } from "./Sessions.js"
import { memberOf, VisitorSet } from "./VisitorSet.js"

/** Merchant → the settings so far. */
export const ZONES = "zones"

const HOUR = 3_600_000
const DAY = 86_400_000

export interface Options {
  /** Values of a dimension counted apart on one day of a merchant. */
  readonly maxValues: number
  /** Facts of a day that are not counted into its buckets yet, at most. */
  readonly tail: number
}

/** The zone in which a merchant with these settings is counted. */
export const zoneOf = (settings: MerchantSettings | undefined): string =>
  settings !== undefined && isValidZone(settings.timezone) ? settings.timezone : "UTC"

/** The days of a merchant in one zone, or of all together; mostly the same is asked for again. */
class DaysOf {
  private readonly days = new Map<number, DayFold>()
  private last: DayFold | undefined

  constructor(
    private readonly docs: Docs,
    private readonly merchantId: string,
    private readonly zone: string,
    private readonly isTogether: boolean,
    private readonly options: Options,
    private readonly uncounted: Uncounted,
  ) {}

  /** The day that holds the instant, epoch ms. */
  at(instant: number): DayFold {
    const { last } = this
    if (last !== undefined && instant >= last.from && instant < last.to) return last
    const start = this.zone === "UTC" ? Math.floor(instant / DAY) * DAY : cut(this.zone, instant).day
    let day = this.days.get(start)
    if (day === undefined) {
      const { merchantId, zone, isTogether } = this
      const { maxValues, tail } = this.options
      const is = { merchantId, zone, day: start, isTogether, maxValues }
      day = new DayFold(this.docs, is, tail, () => this.at(start - 1), this.uncounted)
      this.days.set(start, day)
    }
    this.last = day
    return day
  }
}

/** A merchant in the place of a client. */
type Member = ReturnType<typeof memberOf>
const members = new Map<string, Member>()
const MOST_MEMBERS = 100_000
const merchantMember = (merchantId: string): Member => {
  let found = members.get(merchantId)
  if (found === undefined) {
    if (members.size >= MOST_MEMBERS) members.clear()
    found = memberOf(createHash("sha256").update(merchantId).digest("base64url").slice(0, 22))
    members.set(merchantId, found)
  }
  return found
}

/** Which merchants of a partition were active in each bucket of one length. */
class Active {
  private readonly known = new Map<number, { readonly merchants: VisitorSet; isWritten: boolean }>()

  constructor(
    private readonly docs: Docs,
    private readonly partition: number,
    private readonly collection: string,
  ) {}

  add(start: number, member: Member): void {
    const key = timeKey(activeMerchants(this.partition), "UTC", start)
    let found = this.known.get(start)
    if (found === undefined) {
      const doc = this.docs.get<VisitorsDoc>(this.collection, key)
      found = { merchants: VisitorSet.of(doc?.v), isWritten: false }
      this.known.set(start, found)
    }
    if (found.merchants.hasMember(member)) return
    // First, so that a set that is not to be written never changes.
    if (!found.isWritten) this.docs.put(this.collection, key, { v: found.merchants })
    found.isWritten = true
    found.merchants.addMember(member)
  }
}

/** `merchant-ppp.…` */
const partitionIn = (stream: string): number =>
  (stream.charCodeAt(9) - ZERO) * 100 + (stream.charCodeAt(10) - ZERO) * 10 + stream.charCodeAt(11) - ZERO
const ZERO = 48

/** All merchants of a partition together. Clocks are those of UTC. */
class PartitionFold {
  readonly days: DaysOf
  readonly byDay: Active
  readonly byHour: Active

  constructor(docs: Docs, partition: number, options: Options, uncounted: Uncounted) {
    this.days = new DaysOf(docs, everyMerchant(partition), "UTC", true, options, uncounted)
    this.byDay = new Active(docs, partition, collections.visitors)
    this.byHour = new Active(docs, partition, collections.hourVisitors)
  }
}

/** What folding goes back to again and again, between two commits. */
export class MetricsFold {
  private readonly partitions: Array<PartitionFold | undefined> = []
  private readonly merchants = new Map<string, MerchantFold>()
  private last: MerchantFold | undefined
  private readonly uncounted = new Uncounted()

  constructor(
    private readonly docs: Docs,
    private readonly options: Options,
  ) {}

  /** Folds many events, counting together what is settled between them. */
  together(fold: () => void): void {
    this.uncounted.mayWait = true
    fold()
    this.uncounted.count()
    this.uncounted.mayWait = false
  }

  /** The merchant of a business event, which lies in its stream. */
  of(merchantId: string, stream: string): MerchantFold {
    const { last } = this
    if (last !== undefined && last.merchantId === merchantId) return last
    let merchant = this.merchants.get(merchantId)
    if (merchant === undefined) {
      const together = this.partition(partitionIn(stream))
      merchant = new MerchantFold(this.docs, merchantId, together, this.options, this.uncounted)
      this.merchants.set(merchantId, merchant)
    }
    this.last = merchant
    return merchant
  }

  /** After a change of its settings. */
  changeZone(merchantId: string): void {
    this.merchants.get(merchantId)?.changeZone()
  }

  private partition(partition: number): PartitionFold {
    let together = this.partitions[partition]
    if (together === undefined) {
      together = new PartitionFold(this.docs, partition, this.options, this.uncounted)
      this.partitions[partition] = together
    }
    return together
  }
}

/** What folding a merchant's events goes back to again and again, between two commits. */
class MerchantFold {
  private readonly sessions: SessionFold
  /** By zone: it may have had others before. */
  private readonly zones = new Map<string, DaysOf>()
  /** Those of the zone of now. */
  private zone: string
  private days: DaysOf
  /** Hours and days in which it is known to have been active. */
  private readonly active = new Set<number>()
  private activeHour = Number.NaN

  constructor(
    private readonly docs: Docs,
    readonly merchantId: string,
    private readonly together: PartitionFold,
    private readonly options: Options,
    private readonly uncounted: Uncounted,
  ) {
    this.sessions = new SessionFold(docs, merchantId)
    this.zone = zoneOf(docs.get<MerchantSettings>(ZONES, merchantId))
    this.days = this.daysIn(this.zone)
  }

  changeZone(): void {
    this.zone = zoneOf(this.docs.get<MerchantSettings>(ZONES, this.merchantId))
    this.days = this.daysIn(this.zone)
  }

  /** A business event. */
  fold(recorded: RecordedEvent): void {
    const { event, metadata } = recorded
    const { at, data } = event
    const now = metadata.recordedAt
    const fact = factOf(recorded)
    this.days.at(at).add(fact, now)
    this.together.days.at(at).add(fact, now)
    const hour = Math.floor(at / HOUR) * HOUR
    if (hour !== this.activeHour) this.noteActive(hour)
    if (fact.visitor !== null) this.foldSession(fact, fact.visitor, data.id, event.type === "pageview")
  }

  private foldSession(fact: Fact, visitor: string, id: string, pageView: boolean): void {
    const { recordedAt: now, position, values } = fact
    const activity = Math.min(fact.at, now)
    const { zone } = this
    const event: SessionEvent = { visitor, activity, pageView, id, position, zone, values }
    const { before, after, longer } = this.sessions.record(event)
    if (longer !== undefined) {
      if (longer.bounces !== 0 || longer.milliseconds !== 0) this.changeSession(after, longer, now)
      return
    }
    for (const session of before) this.changeSession(session, wholeSession(session, -1), now)
    this.changeSession(after, wholeSession(after, 1), now)
  }

  /** Counts a change of a session into the day of its start, at the merchant and at all together. */
  private changeSession(session: Session, change: SessionChange, now: number): void {
    const { zone, start } = session
    const days = zone === this.zone ? this.days : this.daysIn(zone)
    days.at(start).changeSession(session, change, now)
    this.together.days.at(start).changeSession(session, change, now)
  }

  private daysIn(zone: string): DaysOf {
    let days = this.zones.get(zone)
    if (days === undefined) {
      days = new DaysOf(this.docs, this.merchantId, zone, false, this.options, this.uncounted)
      this.zones.set(zone, days)
    }
    return days
  }

  private noteActive(hour: number): void {
    this.activeHour = hour
    if (this.active.has(hour)) return
    this.active.add(hour)
    const member = merchantMember(this.merchantId)
    this.together.byDay.add(Math.floor(hour / DAY) * DAY, member)
    this.together.byHour.add(hour, member)
  }
}
