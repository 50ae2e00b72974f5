import { isActivity, type RecordedEvent, type StoredEvent, SystemType } from "../../domain/Event.js"
import {
  type Active,
  activityTime,
  type Idle,
  isIdle,
  type Presence,
  type Touch,
  touch,
} from "../../domain/Idle.js"
import {
  type IdleSettings,
  idleTimeOf,
  STANDARD_IDLE_AFTER_MS,
  type Whereabouts,
} from "../../domain/IdleTimes.js"
import { type Partition, parseStream, SYSTEM } from "../../domain/Partition.js"
import { compare, type Position, start } from "../../domain/Position.js"
import type { SystemSettings } from "../../domain/Settings.js"
import type { UsualRate } from "../../domain/UsualRate.js"
import type { StreamIndex } from "../StreamIndex.js"
import { becameIdle, ofClients, returned, type Watched, type WatchSettings } from "./Facts.js"
import { LiveClients, nowhere } from "./LiveClients.js"
import { whereaboutsAfter, whereaboutsIn, writtenOf } from "./whereabouts.js"

/** Whom a turn was about: a client, or a merchant. */
export interface Settled {
  readonly id: string
  readonly merchantId: string
  readonly place: number
  readonly whereabouts: Whereabouts
  readonly rate: UsualRate | undefined
}

/**
 * Who is present in one partition: a fold of its part of the log. Live clients stand in a table; those that are
 * idle in the actors' index, as their number grows for ever. The partition's owner keeps it up to date by what it
 * has stored; what was stored before it, it reads from the log (`fold`).
 */
export class PartitionClients {
  readonly live = new LiveClients()
  /** What merchants say about idle times; for clients, the reserved merchant speaks for the system. */
  protected readonly own = new Map<string, IdleSettings>()
  /** What the rule says and the log lacks, as a crash came between: the owner stores it first of all. */
  private readonly lacking = new Map<string, Array<StoredEvent>>()
  /** While the log is read: clients that became idle since it began, as the index may be ahead. */
  protected readonly idle = new Map<string, Idle>()
  /** Everything of the partition up to here is in it. */
  upTo: Position = start
  /** Whoever reads the log finds the standard in force; a log that names none was decided by the common one. */
  isStandardInLog = true

  constructor(
    readonly partition: Partition,
    private standard: number = STANDARD_IDLE_AFTER_MS,
    readonly watched: Watched = ofClients,
  ) {}

  /** Whether the silence of this merchant, or of its clients, is looked at. */
  isWatched(_merchantId: string): boolean {
    return true
  }

  /** How a merchant usually sends, where that is learned. */
  rateOf(_key: string): UsualRate | undefined {
    return undefined
  }

  idleAfterOf(merchantId: string, whereabouts: Whereabouts = nowhere): number {
    return this.idleAfterBy(this.own.get(merchantId), whereabouts)
  }

  /** The same by what a merchant is about to say. */
  idleAfterBy(settings: IdleSettings | undefined, whereabouts: Whereabouts): number {
    return idleTimeOf(settings, this.own.get(SYSTEM), this.standard, whereabouts)
  }

  /** Silence after which a client is idle where neither its merchant nor the system says anything else, ms. */
  get standardMs(): number {
    return this.standard
  }

  get ownIdleTimes(): ReadonlyMap<string, IdleSettings> {
    return this.own
  }

  /**
   * A setting was recorded.
   * @param _recordedAt when; @param _isSilent whether the merchant is reported, as far as others know.
   */
  set(merchantId: string, change: WatchSettings, _recordedAt: number, _isSilent: () => boolean): void {
    this.setTimes(merchantId, { ...this.own.get(merchantId), ...change })
  }

  /** The system's settings name what the program was started with. */
  setStandardIn(settings: SystemSettings | undefined): void {
    if (settings?.standardIdleAfterMs === undefined) return
    this.isStandardInLog = true
    this.setStandard(settings.standardIdleAfterMs)
  }

  /** A turn is stored, and this is what it made of one's presence. */
  settle({ id, merchantId, place, whereabouts }: Settled, becomes: Active | Idle): void {
    if (isIdle(becomes)) {
      this.live.remove(id)
      return
    }
    const afterMs = this.idleAfterOf(merchantId, whereabouts)
    this.live.putAt(place, id, merchantId, afterMs, becomes, whereabouts)
  }

  setTimes(merchantId: string, settings: IdleSettings): void {
    if (!settings.idleAfterSeconds && (settings.idleGroups ?? []).length === 0) this.own.delete(merchantId)
    else this.own.set(merchantId, settings)
    if (merchantId === SYSTEM) this.followAll()
    else this.follow(merchantId)
  }

  setStandard(afterMs: number): void {
    if (afterMs === this.standard) return
    this.standard = afterMs
    this.followAll()
  }

  private followAll(): void {
    for (const merchantId of this.live.merchants()) this.follow(merchantId)
  }

  /** The merchant's clients have the idle times that count now. */
  protected follow(merchantId: string): void {
    this.live.setIdleTimes(merchantId, (whereabouts) => this.idleAfterOf(merchantId, whereabouts))
  }

  /** The first of them, in order; they stay until they are stored (`confirm`). */
  lackingFacts(limit: number): ReadonlyArray<StoredEvent> {
    const found: Array<StoredEvent> = []
    for (const facts of this.lacking.values()) {
      found.push(...facts)
      if (found.length >= limit) break
    }
    return found
  }

  restoreLacking(facts: ReadonlyArray<StoredEvent>): void {
    for (const fact of facts) this.lack(this.watched.keyOf(fact.data) ?? "", fact)
  }

  get isLacking(): boolean {
    return this.lacking.size > 0
  }

  /** The log is read from `upTo` on. */
  beginFold(): void {
    this.idle.clear()
  }

  endFold(upTo: Position): void {
    if (compare(upTo, this.upTo) > 0) this.upTo = upTo
    this.idle.clear()
  }

  /** An event of this partition; the index has all of them already. */
  fold(recorded: RecordedEvent, index: StreamIndex): void {
    const { event, position, metadata } = recorded
    if (compare(position, this.upTo) <= 0) return
    this.upTo = position
    const { type, data } = event
    const key = this.watched.keyOf(data)
    if (
      type === SystemType.MerchantCreated ||
      type === SystemType.MerchantSettingsChanged ||
      type === SystemType.SystemSettingsChanged
    ) {
      const { merchantId } = data
      const change = this.watched.timesIn(data.settings)
      if (change !== undefined) {
        this.set(merchantId, change, metadata.recordedAt, () => {
          const presence = this.presenceOf(merchantId, index)
          return presence === "later" || isIdle(presence)
        })
      }
      this.setStandardIn(data.settings)
    } else if (type === this.watched.becameIdle) {
      const owner = parseStream(recorded.stream)?.owner
      if (owner === undefined || data.silence === undefined) return
      this.confirm(owner, data.id)
      if (!this.isWatched(data.merchantId)) return
      this.live.remove(owner)
      this.idle.set(owner, { silence: data.silence })
    } else if (type === this.watched.returned) {
      const owner = parseStream(recorded.stream)?.owner
      if (owner === undefined || data.return === undefined) return
      this.confirm(owner, data.id)
      this.idle.delete(owner)
      if (!this.isWatched(data.merchantId)) return
      const active = { at: data.return.activityAt, recordedAt: metadata.recordedAt }
      this.put(owner, data.merchantId, active, whereaboutsIn(data.return))
    } else if (key !== undefined && isActivity(type)) {
      this.activity(key, data.merchantId, event, metadata.recordedAt, index)
    }
  }

  private activity(
    key: string,
    merchantId: string,
    event: StoredEvent,
    recordedAt: number,
    index: StreamIndex,
  ): void {
    if (!this.isWatched(merchantId)) return
    const presence = this.presenceOf(key, index)
    if (presence === "later") return
    const at = activityTime(event.at, recordedAt)
    const before = this.whereaboutsOf(key, presence)
    const touched = touch(presence, at, recordedAt, this.idleAfterOf(merchantId, before))
    if (touched.next === presence) return
    this.hear(key, presence, touched, at, recordedAt)
    const after = this.watched.hasWhereabouts ? whereaboutsAfter(before, event.data) : before
    if (touched.silence !== undefined)
      this.lack(key, becameIdle(this.watched, merchantId, key, touched.silence, before))
    if (touched.return !== undefined)
      this.lack(key, returned(this.watched, merchantId, key, touched.return, after))
    if (isIdle(touched.next)) {
      this.live.remove(key)
      this.idle.set(key, { silence: { ...touched.next.silence, ...writtenOf(before) } })
      return
    }
    this.idle.delete(key)
    this.put(key, merchantId, touched.next, after)
  }

  /** For who learns from it. */
  protected hear(_key: string, _before: Presence, _touched: Touch, _at: number, _recordedAt: number): void {}

  private whereaboutsOf(key: string, presence: Presence): Whereabouts {
    return isIdle(presence) ? whereaboutsIn(presence.silence) : this.live.whereaboutsAt(this.live.find(key))
  }

  /**
   * As of the place in the log that the fold has reached. What the index says is of the log's end: if that fact
   * comes later, only the fact itself will tell (`later`).
   */
  protected presenceOf(key: string, index: StreamIndex): Presence | "later" {
    const known = this.live.get(key) ?? this.idle.get(key)
    if (known !== undefined) return known
    const fact = index.find(this.watched.streamOf(this.partition, key))?.presence
    if (fact === undefined) return undefined
    if (compare(fact.position, this.upTo) > 0) return "later"
    return fact.silence === undefined ? undefined : { silence: fact.silence }
  }

  protected put(key: string, merchantId: string, active: Active, whereabouts = nowhere): void {
    this.live.put(key, merchantId, this.idleAfterOf(merchantId, whereabouts), active, whereabouts)
  }

  private lack(key: string, fact: StoredEvent): void {
    const facts = this.lacking.get(key)
    if (facts === undefined) this.lacking.set(key, [fact])
    else facts.push(fact)
  }

  /** The log has the fact. */
  confirm(key: string, id: string): void {
    const facts = this.lacking.get(key)
    if (facts === undefined) return
    const left = facts.filter((fact) => fact.data.id !== id)
    if (left.length === 0) this.lacking.delete(key)
    else this.lacking.set(key, left)
  }
}
