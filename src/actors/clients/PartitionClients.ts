import { isActivity, type RecordedEvent, type StoredEvent, SystemType } from "../../domain/Event.js"
import { type Active, activityTime, type Idle, isIdle, type Presence, touch } from "../../domain/Idle.js"
import { clientStream, type Partition, parseStream } from "../../domain/Partition.js"
import { compare, type Position, start } from "../../domain/Position.js"
import type { StreamIndex } from "../StreamIndex.js"
import { addressCode, NO_ADDRESS } from "./AddressCode.js"
import { becameIdle, returned } from "./Facts.js"
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
  private base: Position = start
  /** Everything of the partition up to here is in it. */
  upTo: Position = start

  constructor(
    readonly partition: Partition,
    private standard: number,
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
    for (const fact of facts) this.lack(fact.data.clientKey ?? "", fact)
  }

  get isLacking(): boolean {
    return this.lacking.size > 0
  }

  /** The log is read from `upTo` on. */
  beginFold(): void {
    this.base = this.upTo
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
    const key = data.clientKey
    if (type === SystemType.MerchantCreated || type === SystemType.MerchantSettingsChanged) {
      const seconds = data.settings?.idleAfterSeconds
      if (typeof seconds === "number") this.setIdleAfter(data.merchantId, seconds * 1000)
    } else if (type === SystemType.ClientBecameIdle) {
      const owner = parseStream(recorded.stream)?.owner
      if (owner === undefined || data.silence === undefined) return
      this.confirm(owner, data.id)
      this.live.remove(owner)
      this.idle.set(owner, { silence: data.silence })
    } else if (type === SystemType.ClientReturned) {
      const owner = parseStream(recorded.stream)?.owner
      if (owner === undefined || data.return === undefined) return
      this.confirm(owner, data.id)
      this.idle.delete(owner)
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
    const presence = this.presenceOf(key, index)
    if (presence === "later") return
    const at = activityTime(event.at, recordedAt)
    const touched = touch(presence, at, recordedAt, this.idleAfterOf(merchantId))
    if (touched.silence !== undefined) this.lack(key, becameIdle(merchantId, key, touched.silence))
    if (touched.return !== undefined) this.lack(key, returned(merchantId, key, touched.return))
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
   * comes later than where the fold began, only the fact itself will tell (`later`).
   */
  private presenceOf(key: string, index: StreamIndex): Presence | "later" {
    const known = this.live.get(key) ?? this.idle.get(key)
    if (known !== undefined) return known
    const fact = index.find(clientStream(this.partition, key))?.presence
    if (fact === undefined) return undefined
    if (compare(fact.position, this.base) > 0) return "later"
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
