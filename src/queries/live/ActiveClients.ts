import { isBusinessType, type RecordedEvent, SystemType } from "../../domain/Event.js"
import type { ClientDoc } from "../../projections/clients.js"

interface Activity {
  /** Greatest activity time, and when it was recorded; epoch ms. */
  readonly seenAt: number
  readonly recordedAt: number
}

/** Clients whose late events wait for a look at their document; past this they are all scanned again. */
const MAX_UNKNOWN = 20_000

/**
 * The clients of one merchant that are active, kept up to date event by event, in order of their last
 * recorded activity: a count at any moment costs as much as clients went quiet since the last.
 * Follows the rule of the projection `clients`: only a later activity time counts.
 */
export class ActiveClients {
  private active = new Map<string, Activity>()
  private readonly unknown = new Map<string, Activity>()
  private isOrdered = true
  /** Some clients may be missing: scan again. */
  incomplete = false

  /** A longer time than before makes clients active that were dropped: scan again. */
  constructor(public silenceMs: number) {}

  note({ event, metadata }: RecordedEvent): void {
    const { clientKey } = event.data
    if (event.type === SystemType.ClientBecameIdle && clientKey !== undefined) {
      this.active.delete(clientKey)
      this.unknown.delete(clientKey)
      return
    }
    if (clientKey === undefined || !(event.type === "request" || isBusinessType(event.type))) return
    const seenAt = Math.min(event.at, metadata.recordedAt)
    const known = this.active.get(clientKey)
    if (known !== undefined) {
      if (seenAt > known.seenAt) this.put(clientKey, { seenAt, recordedAt: metadata.recordedAt })
      return
    }
    // A client that had been active later than this would have been recorded within the silence time,
    // and so be known here. Only of an older event it has to be looked up.
    if (seenAt > metadata.recordedAt - this.silenceMs) {
      this.put(clientKey, { seenAt, recordedAt: metadata.recordedAt })
      return
    }
    const waiting = this.unknown.get(clientKey)
    if (waiting !== undefined && waiting.seenAt >= seenAt) return
    if (this.unknown.size < MAX_UNKNOWN)
      this.unknown.set(clientKey, { seenAt, recordedAt: metadata.recordedAt })
    else this.incomplete = true
  }

  /** Keys of clients whose documents have to be looked at. */
  takeUnknown(): ReadonlyArray<string> {
    return [...this.unknown.keys()]
  }

  /** The document of a client from `takeUnknown`; undefined when it has none. */
  resolve(clientKey: string, doc: ClientDoc | undefined): void {
    const waiting = this.unknown.get(clientKey)
    this.unknown.delete(clientKey)
    if (doc?.idle === true && (waiting === undefined || waiting.seenAt <= doc.lastSeenAt)) return
    const stored = doc && { seenAt: doc.lastSeenAt, recordedAt: doc.lastRecordedAt }
    const later = waiting && (!stored || waiting.seenAt > stored.seenAt) ? waiting : stored
    if (later) this.merge(clientKey, later)
  }

  /** What a scan of all documents found, whatever events came meanwhile. */
  fill(docs: Iterable<ClientDoc>, now: number): void {
    for (const { clientKey, lastSeenAt: seenAt, lastRecordedAt: recordedAt, idle } of docs) {
      const known = this.active.get(clientKey)
      if (known !== undefined && known.seenAt > seenAt) continue
      // One that was reported stays idle, even when its idle time became longer.
      if (!idle && now - recordedAt < this.silenceMs) this.active.set(clientKey, { seenAt, recordedAt })
      else if (known !== undefined) this.active.delete(clientKey)
    }
    this.isOrdered = false
  }

  count(now: number): number {
    if (!this.isOrdered) this.order()
    for (const [clientKey, { recordedAt }] of this.active) {
      if (now - recordedAt < this.silenceMs) break
      this.active.delete(clientKey)
    }
    return this.active.size
  }

  get hasUnknown(): boolean {
    return this.unknown.size > 0
  }

  private put(clientKey: string, activity: Activity): void {
    this.active.delete(clientKey)
    this.active.set(clientKey, activity)
  }

  private merge(clientKey: string, activity: Activity): void {
    const known = this.active.get(clientKey)
    if (known !== undefined && known.seenAt >= activity.seenAt) return
    this.put(clientKey, activity)
    this.isOrdered = false
  }

  private order(): void {
    this.isOrdered = true
    let last = Number.NEGATIVE_INFINITY
    for (const { recordedAt } of this.active.values()) {
      if (recordedAt < last) {
        this.active = new Map([...this.active].sort(([, a], [, b]) => a.recordedAt - b.recordedAt))
        return
      }
      last = recordedAt
    }
  }
}
