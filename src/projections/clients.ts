import { isBusinessType, SystemType } from "../domain/Event.js"
import { parseStream } from "../domain/Partition.js"
import type { Projection } from "../processors/Projection.js"
import { key, under } from "../readmodels/Key.js"
import type { Doc, Ref, Scan } from "../readmodels/ReadModels.js"

/**
 * What is known of each client of each merchant: when it was active and how much, and its profile, still
 * encrypted. A client's activity time is an event's own time, capped at the time it was recorded.
 */
export const PROJECTION = "clients"
const CLIENTS = "clients"
/** Apart from what changes with every visit, as they are most of the bytes and never change. */
const PROFILES = "profiles"

/**
 * As stored, short as there is one for each of very many clients: first activity time in epoch ms, from
 * there to the last one in ms, from that to when it was recorded in ms, requests, business events.
 */
type Stored = [first: number, length: number, recordedAfter: number, requests: number, events: number]

const REQUESTS = 3
const EVENTS = 4

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
}

export const clients: Projection = {
  name: PROJECTION,
  version: 2,
  source: import.meta.url,
  collections: [CLIENTS, PROFILES],
  apply: (recorded, docs) => {
    const { type, at, data, personal } = recorded.event
    if (type === SystemType.ClientSeen) {
      const client = data.clientKey ?? parseStream(recorded.stream)?.owner
      if (client !== undefined) docs.put(PROFILES, `${data.merchantId}\u0001${client}`, personal)
      return
    }
    if (data.clientKey === undefined) return
    const request = type === "request"
    if (!request && !isBusinessType(type)) return
    const now = recorded.metadata.recordedAt
    const active = Math.min(at, now)
    const doc = docs.edit<Stored>(CLIENTS, `${data.merchantId}\u0001${data.clientKey}`, () => [
      active,
      0,
      now - active,
      0,
      0,
    ])
    const [first, length] = doc
    if (active < first) {
      doc[0] = active
      doc[1] = length + first - active
    } else if (active > first + length) {
      doc[1] = active - first
      doc[2] = now - active
    }
    doc[request ? REQUESTS : EVENTS]++
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

export const decodeClient = (rowKey: string, doc: Doc): ClientDoc => {
  const [first, length, recordedAfter, requests, events] = doc as Stored
  const cut = rowKey.indexOf("\u0001")
  return {
    merchantId: rowKey.slice(0, cut),
    clientKey: rowKey.slice(cut + 1),
    firstSeenAt: first,
    lastSeenAt: first + length,
    lastRecordedAt: first + length + recordedAfter,
    requests,
    events,
  }
}

/** For `load`: what comes is the profile, encrypted with the client's key; undefined when none was stored. */
export const profileRef = ({ merchantId, clientKey }: Pick<ClientDoc, "merchantId" | "clientKey">): Ref => ({
  collection: PROFILES,
  key: key(merchantId, clientKey),
})

export const decodeProfile = (doc: Doc | undefined): string | undefined => doc as string | undefined
