import { isDeepStrictEqual } from "node:util"
import { STORED_VERSION, type StoredEvent, SystemType } from "../domain/Event.js"
import { SYSTEM } from "../domain/Partition.js"
import {
  defaultSettings,
  evolveSettings,
  type MerchantSettings,
  type SettingsChange,
  type SystemSettings,
} from "../domain/Settings.js"
import type { ApiKeyCommand, Incoming } from "./Recorder.js"

export { merchantStream as streamName } from "../domain/Partition.js"

// Events: MerchantCreated, MerchantSettingsChanged (of the reserved merchant SystemSettingsChanged), ApiKeyIssued, ApiKeyRevoked (SystemType), and the
// business events as they were sent.

/** One API key of the merchant. A revoked one stays, so that its id is never used again. */
export interface ApiKey {
  readonly hash: string
  readonly revoked: boolean
}

export interface Merchant {
  /** Undefined while the merchant does not exist. */
  readonly settings: MerchantSettings | undefined
  readonly apiKeys: Readonly<Record<string, ApiKey>>
}

export const initial: Merchant = { settings: undefined, apiKeys: {} }

export const evolve = (state: Merchant, event: StoredEvent): Merchant => {
  switch (event.type) {
    case SystemType.MerchantCreated:
    case SystemType.MerchantSettingsChanged:
    case SystemType.SystemSettingsChanged:
      return { ...state, settings: evolveSettings(state.settings, event) }
    case SystemType.ApiKeyIssued: {
      const key = event.data.apiKey
      if (key === undefined) return state
      const issued: ApiKey = { hash: key.hash ?? "", revoked: false }
      return { ...state, apiKeys: { ...state.apiKeys, [key.keyId]: issued } }
    }
    case SystemType.ApiKeyRevoked: {
      const key = event.data.apiKey
      if (key === undefined) return state
      const revoked: ApiKey = { hash: state.apiKeys[key.keyId]?.hash ?? "", revoked: true }
      return { ...state, apiKeys: { ...state.apiKeys, [key.keyId]: revoked } }
    }
    default:
      return state
  }
}

export type Command =
  | { readonly _tag: "Create"; readonly merchantId: string; readonly change: SettingsChange }
  | {
      readonly _tag: "Update"
      readonly merchantId: string
      /** `SystemSettings` for the reserved merchant. */
      readonly change: SettingsChange | SystemSettings
    }
  | ({ readonly _tag: "ApiKey" } & Pick<ApiKeyCommand, "merchantId" | "kind" | "keyId" | "hash" | "label">)
  | { readonly _tag: "Record"; readonly incoming: Incoming; readonly mayCreate: boolean }
  /** A request that a client of this merchant was seen making: the event itself goes to the client's stream. */
  | { readonly _tag: "Visit"; readonly merchantId: string; readonly mayCreate: boolean }

/** What a merchant's own events need besides the state. */
export interface At {
  /** Epoch milliseconds; becomes `at` of the events that Tidemark writes itself. */
  readonly now: number
  /** Revision that the first event will get: it names changes of settings. */
  readonly revision: number
}

export type Decision =
  | { readonly _tag: "Append"; readonly events: ReadonlyArray<StoredEvent> }
  | { readonly _tag: "Exists" }
  | { readonly _tag: "Missing" }

const nothing: Decision = { _tag: "Append", events: [] }
const missing: Decision = { _tag: "Missing" }

const created = (merchantId: string, change: SettingsChange, at: At): StoredEvent => ({
  v: STORED_VERSION,
  type: SystemType.MerchantCreated,
  at: at.now,
  data: { id: "created", merchantId, settings: { ...defaultSettings, ...withoutUndefined(change) } },
})

const withoutUndefined = (change: SettingsChange): SettingsChange =>
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))

const changed = (settings: MerchantSettings, change: SettingsChange): SettingsChange =>
  Object.fromEntries(
    Object.entries(withoutUndefined(change)).filter(
      ([name, value]) => !isDeepStrictEqual(settings[name as keyof MerchantSettings], value),
    ),
  )

/**
 * Who only reads the events that are about the watch of a merchant's silence finds all that counts in each: a change of
 * a part of it is stored as the whole, once `silentAfter` was chosen.
 */
const withWatch = (before: MerchantSettings, change: SettingsChange): SettingsChange => {
  if (change.silentAfter === undefined && change.silentAfterSeconds === undefined) return change
  const { silentAfter, silentAfterSeconds = 0, timezone } = { ...before, ...change }
  if (silentAfter === undefined) return change
  const watch = { ...change, silentAfter, silentAfterSeconds }
  return silentAfter === "LEARNED" ? { ...watch, timezone } : watch
}

/** The event as it is stored: with the merchant's currency when it has an amount and names none. */
export const recorded = (settings: MerchantSettings, incoming: Incoming): StoredEvent => ({
  v: STORED_VERSION,
  type: incoming.type,
  at: incoming.at,
  data:
    incoming.data.amount !== undefined && incoming.data.currency === undefined
      ? { ...incoming.data, currency: settings.currency }
      : incoming.data,
})

export const decide = (state: Merchant, command: Command, at: At): Decision => {
  switch (command._tag) {
    case "Create":
      return state.settings === undefined
        ? { _tag: "Append", events: [created(command.merchantId, command.change, at)] }
        : { _tag: "Exists" }
    case "Update": {
      const { merchantId } = command
      if (state.settings === undefined && merchantId !== SYSTEM) return missing
      const before = state.settings ?? defaultSettings
      const change = changed(before, command.change)
      if (Object.keys(change).length === 0) return nothing
      const settings = withWatch(before, change)
      return {
        _tag: "Append",
        events: [
          {
            v: STORED_VERSION,
            type:
              merchantId === SYSTEM ? SystemType.SystemSettingsChanged : SystemType.MerchantSettingsChanged,
            at: at.now,
            data: { id: `settings-${at.revision}`, merchantId, settings },
          },
        ],
      }
    }
    case "ApiKey":
      return decideApiKey(state, command, at)
    case "Record":
    case "Visit": {
      const merchantId = command._tag === "Record" ? command.incoming.data.merchantId : command.merchantId
      const known = state.settings !== undefined
      if (!known && (!command.mayCreate || merchantId === SYSTEM)) return missing
      const before = known ? [] : [created(merchantId, {}, at)]
      return {
        _tag: "Append",
        events:
          command._tag === "Record"
            ? [...before, recorded(state.settings ?? defaultSettings, command.incoming)]
            : before,
      }
    }
  }
}

const decideApiKey = (state: Merchant, command: Command & { readonly _tag: "ApiKey" }, at: At): Decision => {
  if (state.settings === undefined) return missing
  const key = Object.hasOwn(state.apiKeys, command.keyId) ? state.apiKeys[command.keyId] : undefined
  const event = (type: string, id: string, details: { hash?: string; label?: string }): Decision => ({
    _tag: "Append",
    events: [
      {
        v: STORED_VERSION,
        type,
        at: at.now,
        data: { id, merchantId: command.merchantId, apiKey: { keyId: command.keyId, ...details } },
      },
    ],
  })
  if (command.kind === "issue") {
    if (key !== undefined)
      return !key.revoked && key.hash === (command.hash ?? "") ? nothing : { _tag: "Exists" }
    return event(SystemType.ApiKeyIssued, `key-issued-${command.keyId}`, {
      ...(command.hash === undefined ? {} : { hash: command.hash }),
      ...(command.label === undefined ? {} : { label: command.label }),
    })
  }
  if (key === undefined) return missing
  return key.revoked ? nothing : event(SystemType.ApiKeyRevoked, `key-revoked-${command.keyId}`, {})
}
