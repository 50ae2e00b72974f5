import * as Context from "effect/Context"
import type { EventData } from "../domain/Event.js"
import type { Position } from "../domain/Position.js"
import type { MerchantSettings, SettingsChange, SystemSettings } from "../domain/Settings.js"

/** What identifies a client outside the log's plain text. Stored once, encrypted, in its profile. */
export interface ClientProfile {
  readonly clientId: string
  readonly ip?: string
  readonly userAgent?: string
}

/** A sent event after parsing, checking and identifying: what the actors take. */
export interface Incoming {
  readonly type: string
  /** Epoch milliseconds. */
  readonly at: number
  /** Without `currency` the merchant's is filled in, when there is an amount. */
  readonly data: EventData
  readonly profile?: ClientProfile
  /** About how many bytes it holds, for the bounds on memory; 400 when missing. */
  readonly bytes?: number
}

export interface Origin {
  readonly source: string
  readonly key: string
  /** An administrator's: a merchant that is not known is created. */
  readonly mayCreateMerchants: boolean
  readonly traceparent?: string
}

export type RecordedAs =
  | { readonly _tag: "Accepted" }
  | { readonly _tag: "Duplicate" }
  | { readonly _tag: "Refused"; readonly code: string; readonly path?: string; readonly message: string }

/**
 * `Recorded`: every accepted event is on disk; `events` answers by index; `position` is at or beyond
 * every one of them, duplicates too.
 * `Busy`: mailboxes are full (`scope` says whose). `Unavailable`: the log is. In both cases some of the
 * events may have been stored: the sender repeats the whole, and ids make that safe.
 */
export type RecordResult =
  | {
      readonly _tag: "Recorded"
      readonly events: ReadonlyArray<RecordedAs>
      readonly position: Position
    }
  | { readonly _tag: "Busy"; readonly scope: "merchant" | "node"; readonly retryAfterSeconds: number }
  | { readonly _tag: "Unavailable"; readonly reason: string; readonly retryAfterSeconds: number }

export interface SettingsCommand {
  readonly merchantId: string
  readonly kind: "create" | "update"
  readonly change: SettingsChange
  readonly origin: Origin
}

export interface SystemCommand {
  /** Something has to be in it. */
  readonly change: SystemSettings
  readonly origin: Origin
}

export type SettingsResult =
  | { readonly _tag: "Saved"; readonly settings: MerchantSettings; readonly position: Position }
  | { readonly _tag: "Exists" }
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Unavailable"; readonly reason: string; readonly retryAfterSeconds: number }

export interface ApiKeyCommand {
  readonly merchantId: string
  readonly kind: "issue" | "revoke"
  readonly keyId: string
  /** SHA-256 of the secret, hex; when issuing. */
  readonly hash?: string
  readonly label?: string
  readonly origin: Origin
}

/**
 * The way in to the actors: callers address them by ids and never see partitions.
 * Callbacks and not effects, as this is the hottest path of the program: one request costs one call,
 * and every `done` is called exactly once, possibly before the call returns.
 */
export interface RecorderService {
  readonly record: (
    events: ReadonlyArray<Incoming>,
    origin: Origin,
    done: (result: RecordResult) => void,
  ) => void
  readonly changeSettings: (command: SettingsCommand, done: (result: SettingsResult) => void) => void
  /** Every partition hears it: answered when the last has it. Repeating it is safe. */
  readonly changeSystem: (command: SystemCommand, done: (result: SettingsResult) => void) => void
  readonly changeApiKey: (command: ApiKeyCommand, done: (result: SettingsResult) => void) => void
}

export class Recorder extends Context.Tag("tidemark/Recorder")<Recorder, RecorderService>() {}
