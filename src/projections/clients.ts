import { isBusinessType, SystemType } from "../domain/Event.js"
import { parseStream } from "../domain/Partition.js"
import type { Projection } from "../processors/Projection.js"
import { key, under } from "../readmodels/Key.js"
import type { Doc, Scan } from "../readmodels/ReadModels.js"

/**
 * What is known of each client of each merchant: when it was active, how much, and its profile, still
 * encrypted. A client's activity time is an event's own time, capped at the time it was recorded.
 */
export const PROJECTION = "clients"
const CLIENTS = "clients"

/** As stored; short names, as there is one for each of very many clients. */
interface Stored {
  /** First and last activity time, epoch ms; missing while only the profile is known. */
  f?: number
  l?: number
  /** When the activity that is the last was recorded. */
  r?: number
  /** Requests, and business events. */
  q: number
  e: number
  /** The sealed profile. */
  p?: string
}

/** Instants are epoch ms. */
export interface ClientDoc {
  readonly merchantId: string
  readonly clientKey: string
  readonly firstSeenAt: number
  /** The greatest activity time. */
  readonly lastSeenAt: number
  /** When the event that made `lastSeenAt` what it is was recorded. */
  readonly lastRecordedAt: number
  readonly requests: number
  /** Business events. */
  readonly events: number
  /** The profile, encrypted with the client's key; undefined when none was stored. */
  readonly personal: string | undefined
}

const newClient = (): Stored => ({ q: 0, e: 0 })

export const clients: Projection = {
  name: PROJECTION,
  version: 1,
  collections: [CLIENTS],
  apply: (recorded, docs) => {
    const { type, at, data, personal } = recorded.event
    if (type === SystemType.ClientSeen) {
      const client = data.clientKey ?? parseStream(recorded.stream)?.owner
      if (client === undefined) return
      const doc = docs.edit(CLIENTS, `${data.merchantId}\u0001${client}`, newClient)
      if (personal === undefined) delete doc.p
      else doc.p = personal
      return
    }
    if (data.clientKey === undefined) return
    const request = type === "request"
    if (!request && !isBusinessType(type)) return
    const doc = docs.edit(CLIENTS, `${data.merchantId}\u0001${data.clientKey}`, newClient)
    const now = recorded.metadata.recordedAt
    const active = Math.min(at, now)
    if (doc.f === undefined || active < doc.f) doc.f = active
    if (doc.l === undefined || active > doc.l) {
      doc.l = active
      doc.r = now
    }
    if (request) doc.q++
    else doc.e++
  },
}

/** The scan that finds one client; merchant ids and client keys are never prefixes of one another's keys. */
export const clientScan = (merchantId: string, clientKey: string): Scan => ({
  collection: CLIENTS,
  from: key(merchantId, clientKey),
  to: `${key(merchantId, clientKey)}\u0001`,
  limit: 1,
})

/** The clients of a merchant in order of their keys; `after` is the client key of the last one seen. */
export const clientsScan = (merchantId: string, after: string | undefined, limit: number): Scan => {
  const all = under(merchantId)
  const from = after === undefined ? all.from : `${key(merchantId, after)}\u0001`
  return { collection: CLIENTS, from, to: all.to, limit }
}

/** The clients of all merchants in order of their keys; `after` is the key of the last document seen. */
export const allClientsScan = (after: string | undefined, limit: number): Scan => ({
  collection: CLIENTS,
  from: after === undefined ? "" : `${after}\u0001`,
  to: "\uffff",
  limit,
})

/** Undefined for a client of whom only the profile is known: it has done nothing yet. */
export const decodeClient = (rowKey: string, doc: Doc): ClientDoc | undefined => {
  const stored = doc as Stored
  if (stored.f === undefined || stored.l === undefined || stored.r === undefined) return undefined
  const cut = rowKey.indexOf("\u0001")
  return {
    merchantId: rowKey.slice(0, cut),
    clientKey: rowKey.slice(cut + 1),
    firstSeenAt: stored.f,
    lastSeenAt: stored.l,
    lastRecordedAt: stored.r,
    requests: stored.q,
    events: stored.e,
    personal: stored.p,
  }
}
