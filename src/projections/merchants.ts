import { isBusinessType, type RecordedEvent, SystemType } from "../domain/Event.js"
import { parseStream, partitionOf, SYSTEM } from "../domain/Partition.js"
import type { Position } from "../domain/Position.js"
import { evolveSettings, type MerchantSettings, type SystemSettings } from "../domain/Settings.js"
import type { Docs, Projection } from "../processors/Projection.js"
import { key, under } from "../readmodels/Key.js"
import type { Doc, Ref, Row, Scan } from "../readmodels/ReadModels.js"

/** Each merchant's settings and latest activity, the API keys issued for it, and how many merchants there are. */
export const PROJECTION = "merchants"
const MERCHANTS = "merchants"
const API_KEYS = "apiKeys"
/** Merchant and key id → hash, as a revocation names no hash. */
const KEY_HASHES = "keyHashes"
/** Merchant and position → the settings from that event on: what was asked about the past is cut by its zone. */
const SETTINGS = "settings"
/** Partition → how many merchants it has: counting them must not take a look at each. */
const COUNTS = "counts"
/** One document: what is set for the system. */
const SYSTEM_SETTINGS = "system"

interface CountDoc {
  n: number
}

/** Instants are epoch ms. */
export interface MerchantDoc {
  settings?: MerchantSettings
  createdAt?: number
  /** The greatest activity time (an event's own, capped at its recording) of what was sent for it. */
  lastEventAt?: number
  /** When the newest event of its streams was recorded. */
  recordedAt: number
  /** Business events. */
  events: number
  /** It was reported silent, and has not sent since. */
  silent?: true
}

export interface ApiKeyDoc {
  readonly merchantId: string
  readonly keyId: string
  readonly label?: string
  readonly revoked: boolean
}

export const merchants: Projection = {
  name: PROJECTION,
  version: 5,
  source: import.meta.url,
  collections: [MERCHANTS, API_KEYS, KEY_HASHES, SETTINGS, COUNTS, SYSTEM_SETTINGS],
  apply: (recorded, docs) => {
    const event = recorded.event
    const { merchantId, apiKey } = event.data
    const now = recorded.metadata.recordedAt
    const request = event.type === "request"
    const business = isBusinessType(event.type)
    // The reserved space has no settings, and its documents would be shared by all partitions.
    if (event.type === SystemType.SystemSettingsChanged) changeSystem(recorded, docs)
    if (isAboutClient(event.type) || merchantId === SYSTEM) return
    const doc = docs.edit<MerchantDoc>(MERCHANTS, merchantId, () => ({ recordedAt: now, events: 0 }))
    if (event.type === SystemType.MerchantFellSilent) {
      doc.silent = true
      return
    }
    if (event.type === SystemType.MerchantResumed) {
      delete doc.silent
      return
    }
    doc.recordedAt = now
    if (business) doc.events++
    if (business || request)
      doc.lastEventAt = Math.max(doc.lastEventAt ?? Number.MIN_SAFE_INTEGER, Math.min(event.at, now))
    switch (event.type) {
      case SystemType.MerchantCreated:
        doc.createdAt ??= event.at
        changeSettings(recorded, doc, docs)
        return
      case SystemType.MerchantSettingsChanged:
        changeSettings(recorded, doc, docs)
        return
      case SystemType.ApiKeyIssued: {
        if (apiKey?.hash === undefined) return
        const { keyId, hash, label } = apiKey
        const issued: ApiKeyDoc = {
          merchantId,
          keyId,
          revoked: false,
          ...(label === undefined ? {} : { label }),
        }
        docs.put(API_KEYS, hash, issued)
        docs.put(KEY_HASHES, key(merchantId, keyId), { hash })
        return
      }
      case SystemType.ApiKeyRevoked: {
        if (apiKey === undefined) return
        const hash = docs.get<{ readonly hash: string }>(KEY_HASHES, key(merchantId, apiKey.keyId))?.hash
        const issued = hash === undefined ? undefined : docs.get<ApiKeyDoc>(API_KEYS, hash)
        if (hash !== undefined && issued !== undefined) docs.put(API_KEYS, hash, { ...issued, revoked: true })
        return
      }
    }
  },
}

/** Every partition has the same: that of the reserved merchant speaks for all, so that one owner writes it. */
const changeSystem = ({ event, stream }: RecordedEvent, docs: Docs): void => {
  if (parseStream(stream)?.partition !== partitionOf(SYSTEM)) return
  const before = docs.get<SystemSettings>(SYSTEM_SETTINGS, SYSTEM)
  docs.put(SYSTEM_SETTINGS, SYSTEM, { ...before, ...(event.data.settings as SystemSettings) })
}

/** For `load`: what is set for the system. Decode what comes with `decodeSystem`. */
export const systemRef: Ref = { collection: SYSTEM_SETTINGS, key: SYSTEM }

export const decodeSystem = (doc: Doc | undefined): SystemSettings =>
  (doc as SystemSettings | undefined) ?? {}

/** What Tidemark writes about clients says nothing about their merchant. */
const isAboutClient = (type: string): boolean =>
  type === SystemType.ClientSeen || type === SystemType.ClientBecameIdle || type === SystemType.ClientReturned

const changeSettings = ({ event, position }: RecordedEvent, doc: MerchantDoc, docs: Docs): void => {
  const { merchantId } = event.data
  countMerchant(docs, merchantId, doc)
  doc.settings = evolveSettings(doc.settings, event) as MerchantSettings
  // Watched no more: nobody would report that it is back.
  const { silentAfter, silentAfterSeconds = 0 } = doc.settings
  if (silentAfterSeconds === 0 && silentAfter !== "LEARNED") delete doc.silent
  docs.put(SETTINGS, key(merchantId, positionPart(position)), doc.settings)
}

/** Positions have up to 20 digits; in keys they sort as they come. */
const positionPart = (position: Position): string => position.padStart(20, "0")

/** The scan that finds the settings that a merchant had at a position. Decode its row, if any, with `decodeSettings`. */
export const settingsScan = (merchantId: string, at: Position): Scan => ({
  collection: SETTINGS,
  from: under(merchantId).from,
  to: `${key(merchantId, positionPart(at))}\u0001`,
  limit: 1,
  reverse: true,
})

export const decodeSettings = (doc: Doc): MerchantSettings => doc as MerchantSettings

/** Before its settings change: it is there from the first of them on. */
const countMerchant = (docs: Docs, merchantId: string, doc: MerchantDoc): void => {
  if (doc.settings !== undefined) return
  const partition = String(partitionOf(merchantId)).padStart(3, "0")
  docs.edit<CountDoc>(COUNTS, partition, () => ({ n: 0 })).n++
}

/** How many merchants each partition has. Add the rows up with `countOfMerchants`. */
export const merchantCountsScan: Scan = { collection: COUNTS, from: "", to: "\uffff" }

export const countOfMerchants = (rows: ReadonlyArray<Row>): number =>
  rows.reduce((sum, { doc }) => sum + (doc as CountDoc).n, 0)

/** For `load`: decode what comes with `decodeMerchant`. */
export const merchantRef = (merchantId: string): Ref => ({ collection: MERCHANTS, key: merchantId })

export const merchantScan = (merchantId: string): Scan => ({
  collection: MERCHANTS,
  from: merchantId,
  to: `${merchantId}\u0001`,
  limit: 1,
})

/** Merchants in order of their ids, of all partitions; `after` is the id of the last one seen. */
export const merchantsScan = (after: string | undefined, limit: number): Scan => ({
  collection: MERCHANTS,
  from: after === undefined ? "" : `${after}\u0001`,
  to: "\uffff",
  limit,
})

/** Undefined for an id that was never created, such as the reserved `_system`. */
export const decodeMerchant = (
  doc: Doc | undefined,
): (MerchantDoc & { readonly settings: MerchantSettings }) | undefined => {
  const stored = doc as MerchantDoc | undefined
  return stored?.settings === undefined ? undefined : { ...stored, settings: stored.settings }
}

/** For `load`, by the SHA-256 of the key's secret in hex. Revoked keys stay, and say so. */
export const apiKeyRef = (hash: string): Ref => ({ collection: API_KEYS, key: hash })

export const decodeApiKey = (doc: Doc | undefined): ApiKeyDoc | undefined => doc as ApiKeyDoc | undefined
