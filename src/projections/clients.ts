import { isBusinessType, type RecordedEvent, SystemType } from "../domain/Event.js"
import { parseStream } from "../domain/Partition.js"
import type { Docs, Projection } from "../processors/Projection.js"
import { key, under } from "../readmodels/Key.js"
import type { Doc, Ref, Scan } from "../readmodels/ReadModels.js"

/**
 * What is known of each client of each merchant: when it was active and how much, whether it is idle and when it
 * was, and its profile, still encrypted. Who is idle is decided by the client's actor, and stands in the log: this
 * fold only keeps it. A client's activity time is an event's own time, capped at the time it was recorded.
 */
export const PROJECTION = "clients"
const CLIENTS = "clients"
/** Apart from what changes with every visit, as they are most of the bytes and never change. */
const PROFILES = "profiles"
/** The keys of the clients in each state: a list by state must not go through all. */
const ACTIVE = "active"
const IDLE = "idle"
/** Merchant, client and last activity before it → an idle period. */
const PERIODS = "periods"

/**
 * As stored, short as there is one for each of very many clients: first activity time in epoch ms, from
 * there to the last one in ms, from that to when it was recorded in ms, requests, business events, 1 when idle.
 */
type Stored = [
  first: number,
  length: number,
  recordedAfter: number,
  requests: number,
  events: number,
  idle: 0 | 1,
]

/** As stored: from the last activity to `idleSince` in ms, when it was reported, when it ended, 1 when historical. */
type StoredPeriod = [afterMs: number, reportedAt: number, returnedAt: number | null, historical: 0 | 1]

const REQUESTS = 3
const EVENTS = 4
const IS_IDLE = 5

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
  readonly idle: boolean
}

/** Instants are epoch ms. */
export interface PeriodDoc {
  readonly lastActivityAt: number
  readonly idleSince: number
  readonly reportedAt: number
  readonly returnedAt: number | null
  readonly historical: boolean
}

export const clients: Projection = {
  name: PROJECTION,
  version: 3,
  source: import.meta.url,
  collections: [CLIENTS, PROFILES, ACTIVE, IDLE, PERIODS],
  isByMerchant: true,
  apply: (recorded, docs) => {
    const { type, at, data, personal } = recorded.event
    if (type === SystemType.ClientSeen) {
      const client = data.clientKey ?? parseStream(recorded.stream)?.owner
      if (client !== undefined) docs.put(PROFILES, `${data.merchantId}\u0001${client}`, personal)
      return
    }
    if (type === SystemType.ClientBecameIdle || type === SystemType.ClientReturned) {
      changeState(recorded, docs)
      return
    }
    if (data.clientKey === undefined) return
    const request = type === "request"
    if (!request && !isBusinessType(type)) return
    const now = recorded.metadata.recordedAt
    const active = Math.min(at, now)
    const name = `${data.merchantId}\u0001${data.clientKey}`
    const doc = docs.edit<Stored>(CLIENTS, name, () => {
      docs.put(ACTIVE, name, 1)
      return [active, 0, now - active, 0, 0, 0]
    })
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

const changeState = ({ event, metadata }: RecordedEvent, docs: Docs): void => {
  const { merchantId, clientKey = "", silence, return: ended } = event.data
  const name = `${merchantId}\u0001${clientKey}`
  const known = docs.get<Stored>(CLIENTS, name)
  if (known === undefined) return
  const doc = docs.edit<Stored>(CLIENTS, name, () => known)
  if (silence !== undefined) {
    const { lastActivityAt, afterMs, historical } = silence
    const period: StoredPeriod = [afterMs, metadata.recordedAt, null, historical ? 1 : 0]
    docs.put(PERIODS, `${name}\u0001${instantPart(lastActivityAt)}`, period)
    doc[IS_IDLE] = 1
    docs.put(ACTIVE, name, undefined)
    docs.put(IDLE, name, 1)
  } else if (ended !== undefined) {
    const { lastActivityAt, idleSince, returnedAt, historical } = ended
    const place = `${name}\u0001${instantPart(lastActivityAt)}`
    const period = docs.get<StoredPeriod>(PERIODS, place)
    const reportedAt = period?.[1] ?? metadata.recordedAt
    docs.put(PERIODS, place, [idleSince - lastActivityAt, reportedAt, returnedAt, historical ? 1 : 0])
    doc[IS_IDLE] = 0
    docs.put(IDLE, name, undefined)
    docs.put(ACTIVE, name, 1)
  }
}

/** An instant as a part of a key: all that a Date can be, in order. */
const EARLIEST = -8.64e15
const instantPart = (at: number): string => String(at - EARLIEST).padStart(17, "0")

/** A client's idle periods, the latest first; `after` is the last activity of the last one seen. */
export const periodsScan = (
  { merchantId, clientKey }: Pick<ClientDoc, "merchantId" | "clientKey">,
  after: number | undefined,
  limit: number,
): Scan => {
  const { from, to } = under(merchantId, clientKey)
  const end = after === undefined ? to : key(merchantId, clientKey, instantPart(after))
  return { collection: PERIODS, from, to: end, limit, reverse: true }
}

export const decodePeriod = (rowKey: string, doc: Doc): PeriodDoc => {
  const [afterMs, reportedAt, returnedAt, historical] = doc as StoredPeriod
  const lastActivityAt = Number(rowKey.slice(rowKey.lastIndexOf("\u0001") + 1)) + EARLIEST
  return {
    lastActivityAt,
    idleSince: lastActivityAt + afterMs,
    reportedAt,
    returnedAt,
    historical: historical === 1,
  }
}

/** Of a scan of clients, the same of those in one state. Its rows have keys only: load `clientRef` of each. */
export const inState = (scan: Scan, state: "ACTIVE" | "IDLE"): Scan => ({
  ...scan,
  collection: state === "IDLE" ? IDLE : ACTIVE,
})

export const clientRef = (rowKey: string): Ref => ({ collection: CLIENTS, key: rowKey })

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
  const [first, length, recordedAfter, requests, events, idle] = doc as Stored
  const cut = rowKey.indexOf("\u0001")
  return {
    merchantId: rowKey.slice(0, cut),
    clientKey: rowKey.slice(cut + 1),
    firstSeenAt: first,
    lastSeenAt: first + length,
    lastRecordedAt: first + length + recordedAfter,
    requests,
    events,
    idle: idle === 1,
  }
}

/** For `load`: what comes is the profile, encrypted with the client's key; undefined when none was stored. */
export const profileRef = ({ merchantId, clientKey }: Pick<ClientDoc, "merchantId" | "clientKey">): Ref => ({
  collection: PROFILES,
  key: key(merchantId, clientKey),
})

export const decodeProfile = (doc: Doc | undefined): string | undefined => doc as string | undefined
