import { isBusinessType, type RecordedEvent, SystemType } from "../../domain/Event.js"
import { type IdleSettings, longestIdleTime } from "../../domain/IdleTimes.js"
import { SYSTEM } from "../../domain/Partition.js"
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
  /** What merchants, and in the name of the reserved one the system, say about idle times. */
  private readonly own = new Map<string, IdleSettings>()
  /** What of it was heard, which is newer than any document. */
  private readonly heard = new Map<string, IdleSettings>()
  /** Merchants whose idle time became longer. */
  private readonly longer = new Set<string>()
  private isAllLonger = false

  constructor(private readonly idleAfterMs: number) {}

  hear(recorded: RecordedEvent): void {
    const { type, data } = recorded.event
    const { merchantId } = data
    if (
      type === SystemType.MerchantCreated ||
      type === SystemType.MerchantSettingsChanged ||
      type === SystemType.SystemSettingsChanged
    ) {
      const { idleAfterSeconds, idleGroups } = (data.settings ?? {}) as IdleSettings
      if (idleAfterSeconds === undefined && idleGroups === undefined) return
      const change = {
        ...(idleAfterSeconds === undefined ? {} : { idleAfterSeconds }),
        ...(idleGroups === undefined ? {} : { idleGroups }),
      }
      this.heard.set(merchantId, { ...this.heard.get(merchantId), ...change })
      this.setIdleTimes(merchantId, { ...this.own.get(merchantId), ...change })
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
  setStored(merchantId: string, { idleAfterSeconds, idleGroups }: IdleSettings): void {
    if (idleAfterSeconds === undefined && idleGroups === undefined) return
    this.setIdleTimes(merchantId, {
      ...(idleAfterSeconds === undefined ? {} : { idleAfterSeconds }),
      ...(idleGroups === undefined ? {} : { idleGroups }),
      ...this.heard.get(merchantId),
    })
  }

  /** Every stored idle time was given; the documents of all clients come next. */
  beginFill(): void {
    this.longer.clear()
    this.isAllLonger = false
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

  /** Whether clients of any merchant may be missing: all documents have to be given again. */
  takeAllIncomplete(): boolean {
    const was = this.isAllLonger
    this.isAllLonger = false
    return was
  }

  /** The documents of all could not be read: they are to be given later. */
  putAllBack(): void {
    this.isAllLonger = true
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
    return longestIdleTime(this.own.get(merchantId), this.own.get(SYSTEM), this.idleAfterMs)
  }

  private of(merchantId: string): ActiveClients {
    let found = this.byMerchant.get(merchantId)
    if (found === undefined) {
      found = new ActiveClients(this.silenceOf(merchantId))
      this.byMerchant.set(merchantId, found)
    }
    return found
  }

  private setIdleTimes(merchantId: string, settings: IdleSettings): void {
    const before = this.silenceOf(merchantId)
    this.own.set(merchantId, settings)
    const silenceMs = this.silenceOf(merchantId)
    if (merchantId === SYSTEM) {
      if (silenceMs > before) this.isAllLonger = true
      for (const [id, clients] of this.byMerchant) clients.silenceMs = this.silenceOf(id)
      return
    }
    if (silenceMs > before) this.longer.add(merchantId)
    const clients = this.byMerchant.get(merchantId)
    if (clients !== undefined) clients.silenceMs = silenceMs
  }
}
