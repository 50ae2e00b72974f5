import type { Position } from "./Position.js"

/** Version of the stored form that this code writes. Older ones are brought up on reading. */
export const STORED_VERSION = 1

/** What the log keeps of one event. `at` is when it happened, in epoch milliseconds. */
export interface StoredEvent {
  readonly v: number
  readonly type: string
  readonly at: number
  readonly data: EventData
  /** Encrypted with the key of the client that it is about: base64 of nonce, tag and cipher text. */
  readonly personal?: string
}

/**
 * The data of a business event, or of a `request`. No personal data: those are in `personal`.
 * Money is in minor units of `currency`.
 */
export interface EventData {
  /** The id its sender gave it. */
  readonly id: string
  /** Present on every event of a merchant; `_system` on requests that name none. */
  readonly merchantId: string
  readonly clientKey?: string
  readonly path?: string
  readonly referrer?: string
  readonly country?: string
  readonly browser?: string
  readonly os?: string
  readonly device?: string
  readonly grade?: string
  readonly gender?: string
  readonly ageBand?: string
  readonly utm?: Readonly<Record<string, string>>
  readonly amount?: number
  readonly currency?: string
  readonly paymentMethod?: string
  readonly pointsUsed?: number
  readonly pointsEarned?: number
  readonly properties?: Readonly<Record<string, unknown>>
  readonly method?: string
  /** Truncated (IPv4 to 24 bits, IPv6 to 48); in client streams only. */
  readonly address?: string
  /** Settings of MerchantCreated and MerchantSettingsChanged. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Of ApiKeyIssued and ApiKeyRevoked: id of the key, and SHA-256 of its secret in hex. */
  readonly apiKey?: { readonly keyId: string; readonly hash?: string; readonly label?: string }
  /** Of ClientBecameIdle and MerchantFellSilent. */
  readonly silence?: Silence
  /** Of ClientReturned and MerchantResumed. */
  readonly return?: Return
}

/**
 * How long a client, or a merchant, was silent when it was reported. Instants in epoch ms. When it was reported is
 * the event's recording time.
 */
export interface Silence {
  /** The greatest activity time (an event's own, capped at its recording) before the silence. */
  readonly lastActivityAt: number
  /** When that activity was recorded. */
  readonly lastRecordedAt: number
  /** `lastActivityAt` and `afterMs`. */
  readonly idleSince: number
  /** The silence that was configured, or learned, ms. */
  readonly afterMs: number
  /** It was over, or had begun to count, before it could be seen: imported history. Raises no alert. */
  readonly historical: boolean
  /** Address the client was last seen with, truncated; when one is kept. */
  readonly address?: string
  /** Country the client was last seen in; when one is known. */
  readonly country?: string
}

/** The end of a silence that was reported. Instants in epoch ms. */
export interface Return {
  /** Of the silence that ends: together with the stream they name it. */
  readonly lastActivityAt: number
  readonly idleSince: number
  /** The later of the activity's time and `idleSince`. */
  readonly returnedAt: number
  /** Activity time of the event that ended it. */
  readonly activityAt: number
  /** As of the silence that ends. */
  readonly historical: boolean
  /** Of the client from now on, truncated: with the country it says which idle time counts. */
  readonly address?: string
  readonly country?: string
}

export interface Metadata {
  /** Epoch milliseconds, stamped by the owner; never steps back within a partition. */
  readonly recordedAt: number
  /** How it came in: `api`, `graphql`, `import` … */
  readonly source: string
  /** Id of the API key it was sent with. */
  readonly key: string
  readonly $correlationId?: string
  readonly $causationId?: string
  readonly traceparent?: string
}

export interface NewEvent {
  /** UUIDv5 of stream and the event's id, as 36 characters. */
  readonly eventId: string
  readonly event: StoredEvent
  readonly metadata: Metadata
}

export interface RecordedEvent extends NewEvent {
  readonly stream: string
  /** 0 for a stream's first event. */
  readonly revision: number
  readonly position: Position
}

/**
 * The types that Tidemark itself writes. They begin with a capital letter, and a sent type can't:
 * `a-z 0-9 _ . -`. These names are the storage format.
 */
export const SystemType = {
  MerchantCreated: "MerchantCreated",
  MerchantSettingsChanged: "MerchantSettingsChanged",
  /** In the reserved merchant's stream of every partition, so that each owner sees it in its own order. */
  SystemSettingsChanged: "SystemSettingsChanged",
  ApiKeyIssued: "ApiKeyIssued",
  ApiKeyRevoked: "ApiKeyRevoked",
  ClientSeen: "ClientSeen",
  /** In the client's stream, once for each silence. */
  ClientBecameIdle: "ClientBecameIdle",
  ClientReturned: "ClientReturned",
  /** In the merchant's stream, once for each silence. */
  MerchantFellSilent: "MerchantFellSilent",
  MerchantResumed: "MerchantResumed",
} as const

export const isSystemType = (type: string): boolean => {
  const first = type.charCodeAt(0)
  return first >= 65 && first <= 90
}

/** What a client or a merchant is active by: everything that was sent. */
export const isActivity = (type: string): boolean => !isSystemType(type)

/** `request` events feed clients only; every other sent type is business and counts in metrics. */
export const isBusinessType = (type: string): boolean => type !== "request" && !isSystemType(type)
