import { isActivity, type RecordedEvent, type StoredEvent, SystemType } from "../../domain/Event.js"
import { type Active, activityTime, type Idle, isIdle, type Presence, touch } from "../../domain/Idle.js"
import { type Partition, parseStream } from "../../domain/Partition.js"
import { compare, type Position, start } from "../../domain/Position.js"
import type { StreamIndex } from "../StreamIndex.js"
import { addressCode, NO_ADDRESS } from "./AddressCode.js"
import { becameIdle, ofClients, returned, type Watched } from "./Facts.js"
import { LiveClients } from "./LiveClients.js"

/**
 * Who is present in one partition: a fold of its part of the log. Live clients stand in a table; those that are
 * idle in the actors' index, as their number grows for ever. The partition's owner keeps it up to date by what it
 * has stored; what was stored before it, it reads from the log (`fold`).
 */
export class PartitionClients {
  readonly live = new LiveClients()
  /** Own idle times of merchants, ms. */
  private readonly own = new Map<string, number>()
  /** What the rule says and the log lacks, as a crash came between: the owner stores it first of all. */
  private readonly lacking = new Map<string, Array<StoredEvent>>()
  /** While the log is read: clients that became idle since it began, as the index may be ahead. */
  private readonly idle = new Map<string, Idle>()
  /** Everything of the partition up to here is in it. */
  upTo: Position = start

  constructor(
    readonly partition: Partition,
    private standard: number,
    readonly watched: Watched = ofClients,
  ) {}

  idleAfterOf(merchantId: string): number {
    return this.own.get(merchantId) ?? this.standard
  }

  /** Silence after which a client is idle where its merchant says nothing else, ms. */
  get standardMs(): number {
    return this.standard
  }

  get ownIdleTimes(): ReadonlyMap<string, number> {
    return this.own
  }

  /**
   * A setting was recorded. A merchant of which nothing is known counts from then on; one that is watched no more
   * is forgotten.
   */
  set(merchantId: string, seconds: number | undefined, recordedAt: number, isIdle: () => boolean): void {
    if (seconds === undefined) return
    this.setIdleAfter(merchantId, seconds === 0 ? undefined : seconds * 1000)
    if (!this.watched.fromSetting) return
    if (seconds === 0) {
      this.live.remove(merchantId)
      this.idle.delete(merchantId)
    } else if (this.live.find(merchantId) < 0 && !isIdle()) {
      this.put(merchantId, merchantId, { at: recordedAt, recordedAt })
    }
  }

  setIdleAfter(merchantId: string, afterMs: number | undefined): void {
    if (afterMs === undefined) this.own.delete(merchantId)
    else this.own.set(merchantId, afterMs)
    this.live.setIdleAfter(merchantId, this.idleAfterOf(merchantId))
  }

  setStandard(afterMs: number): void {
    if (afterMs === this.standard) return
    this.standard = afterMs
    for (const merchantId of this.live.merchants()) {
      this.live.setIdleAfter(merchantId, this.idleAfterOf(merchantId))
    }
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
    if (type === SystemType.MerchantCreated || type === SystemType.MerchantSettingsChanged) {
      const seconds = this.watched.secondsOf(data.settings)
      const { merchantId } = data
      this.set(merchantId, seconds, metadata.recordedAt, () => {
        const presence = this.presenceOf(merchantId, index)
        return presence === "later" || isIdle(presence)
      })
    } else if (type === this.watched.becameIdle) {
      const owner = parseStream(recorded.stream)?.owner
      if (owner === undefined || data.silence === undefined) return
      this.confirm(owner, data.id)
      this.live.remove(owner)
      this.idle.set(owner, { silence: data.silence })
    } else if (type === this.watched.returned) {
      const owner = parseStream(recorded.stream)?.owner
      if (owner === undefined || data.return === undefined) return
      this.confirm(owner, data.id)
      this.idle.delete(owner)
      if (this.idleAfterOf(data.merchantId) === Number.POSITIVE_INFINITY) return
      this.put(owner, data.merchantId, { at: data.return.activityAt, recordedAt: metadata.recordedAt })
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
    if (this.idleAfterOf(merchantId) === Number.POSITIVE_INFINITY) return
    const presence = this.presenceOf(key, index)
    if (presence === "later") return
    const at = activityTime(event.at, recordedAt)
    const touched = touch(presence, at, recordedAt, this.idleAfterOf(merchantId))
    if (touched.silence !== undefined)
      this.lack(key, becameIdle(this.watched, merchantId, key, touched.silence))
    if (touched.return !== undefined) this.lack(key, returned(this.watched, merchantId, key, touched.return))
    if (isIdle(touched.next)) {
      this.live.remove(key)
      this.idle.set(key, touched.next)
      return
    }
    this.idle.delete(key)
    this.put(key, merchantId, touched.next, addressCode(event.data.address))
  }

  /**
   * As of the place in the log that the fold has reached. What the index says is of the log's end: if that fact
   * comes later, only the fact itself will tell (`later`).
   */
  private presenceOf(key: string, index: StreamIndex): Presence | "later" {
    const known = this.live.get(key) ?? this.idle.get(key)
    if (known !== undefined) return known
    const fact = index.find(this.watched.streamOf(this.partition, key))?.presence
    if (fact === undefined) return undefined
    if (compare(fact.position, this.upTo) > 0) return "later"
    return fact.silence === undefined ? undefined : { silence: fact.silence }
  }

  private put(key: string, merchantId: string, active: Active, address = NO_ADDRESS): void {
    this.live.put(key, merchantId, this.idleAfterOf(merchantId), active, address)
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
