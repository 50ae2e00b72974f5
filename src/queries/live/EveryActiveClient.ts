import { isBusinessType, type RecordedEvent, SystemType } from "../../domain/Event.js"
import type { ClientDoc } from "../../projections/clients.js"
import { ActiveClients } from "./ActiveClients.js"

/** A client whose document has to be looked at. */
export interface UnknownClient {
  readonly merchantId: string
  readonly clientKey: string
}

/**
 * The active clients of every merchant, kept up to date event by event; only merchants that have some take
 * memory. It is complete once it was given all idle times and then all documents, each of them at or past
 * the event after which it hears.
 */
export class EveryActiveClient {
  private readonly byMerchant = new Map<string, ActiveClients>()
  /** Idle times in ms of the merchants that have one of their own. */
  private readonly own = new Map<string, number>()
  /** Merchants whose idle time was heard, which is newer than any document. */
  private readonly heard = new Set<string>()
  /** Merchants whose idle time became longer. */
  private readonly longer = new Set<string>()

  constructor(private readonly idleAfterMs: number) {}

  hear(recorded: RecordedEvent): void {
    const { type, data } = recorded.event
    const { merchantId } = data
    if (type === SystemType.MerchantCreated || type === SystemType.MerchantSettingsChanged) {
      const seconds = data.settings?.idleAfterSeconds
      if (typeof seconds !== "number") return
      this.heard.add(merchantId)
      this.setIdleTime(merchantId, seconds * 1000)
      return
    }
    if (type === SystemType.ClientBecameIdle) {
      this.byMerchant.get(merchantId)?.note(recorded)
      return
    }
    if (data.clientKey === undefined || !(type === "request" || isBusinessType(type))) return
    this.of(merchantId).note(recorded)
  }

  /** What a merchant's document says, unless something newer was heard. */
  setStoredIdleTime(merchantId: string, silenceMs: number): void {
    if (!this.heard.has(merchantId)) this.setIdleTime(merchantId, silenceMs)
  }

  /** Every stored idle time was given; the documents of all clients come next. */
  beginFill(): void {
    this.longer.clear()
  }

  /** Documents of one merchant. */
  fill(merchantId: string, docs: ReadonlyArray<ClientDoc>, now: number): void {
    const silence = this.silenceOf(merchantId)
    const isAny = docs.some(({ lastRecordedAt, idle }) => !idle && now - lastRecordedAt < silence)
    if (isAny || this.byMerchant.has(merchantId)) this.of(merchantId).fill(docs, now)
  }

  /** Merchants of whom clients may be missing: all their documents have to be given again. */
  takeIncomplete(): ReadonlyArray<string> {
    const found = [...this.longer]
    this.longer.clear()
    for (const [merchantId, clients] of this.byMerchant) {
      if (!clients.incomplete) continue
      clients.incomplete = false
      found.push(merchantId)
    }
    return found
  }

  /** Their documents could not be read: they are to be given later. */
  putBack(merchantIds: ReadonlyArray<string>): void {
    for (const merchantId of merchantIds) this.longer.add(merchantId)
  }

  unknown(): ReadonlyArray<UnknownClient> {
    const found: Array<UnknownClient> = []
    for (const [merchantId, clients] of this.byMerchant) {
      for (const clientKey of clients.takeUnknown()) found.push({ merchantId, clientKey })
    }
    return found
  }

  resolve({ merchantId, clientKey }: UnknownClient, doc: ClientDoc | undefined): void {
    this.byMerchant.get(merchantId)?.resolve(clientKey, doc)
  }

  count(now: number): number {
    let count = 0
    for (const [merchantId, clients] of this.byMerchant) {
      const active = clients.count(now)
      if (active === 0 && !clients.hasUnknown && !clients.incomplete) this.byMerchant.delete(merchantId)
      count += active
    }
    return count
  }

  private silenceOf(merchantId: string): number {
    return this.own.get(merchantId) ?? this.idleAfterMs
  }

  private of(merchantId: string): ActiveClients {
    let found = this.byMerchant.get(merchantId)
    if (found === undefined) {
      found = new ActiveClients(this.silenceOf(merchantId))
      this.byMerchant.set(merchantId, found)
    }
    return found
  }

  private setIdleTime(merchantId: string, silenceMs: number): void {
    const before = this.silenceOf(merchantId)
    if (silenceMs === this.idleAfterMs) this.own.delete(merchantId)
    else this.own.set(merchantId, silenceMs)
    if (silenceMs > before) this.longer.add(merchantId)
    const clients = this.byMerchant.get(merchantId)
    if (clients !== undefined) clients.silenceMs = silenceMs
  }
}
