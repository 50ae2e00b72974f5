import { type RecordedEvent, type StoredEvent, SystemType } from "./Event.js"
import type { IdleGroup, IdleSettings } from "./IdleTimes.js"

/** What decides that a merchant is silent: a time that is set, or what is unusual for it. */
export const silentAfterChoices = ["SECONDS", "LEARNED"] as const

export type SilentAfter = (typeof silentAfterChoices)[number]

/** What a merchant can set. `idleAfterSeconds` overrides the system's silence time for its clients. */
export interface MerchantSettings {
  readonly name?: string
  readonly timezone: string
  readonly currency: string
  readonly grade?: string
  readonly location?: string
  readonly businessType?: string
  readonly idleAfterSeconds?: number
  /** Idle times of some of its clients: the first group that a client is in counts. */
  readonly idleGroups?: ReadonlyArray<IdleGroup>
  /** Silence of the merchant itself after which that is reported; 0 or missing for never. */
  readonly silentAfterSeconds?: number
  /** `SECONDS` when missing. While too little is learned, `silentAfterSeconds` counts. */
  readonly silentAfter?: SilentAfter
}

/** What an administrator sets for the whole system while it runs. It comes before what the program was started with. */
export interface SystemSettings extends IdleSettings {
  /** What the program was started with, ms; written by each partition's owner before it decides by another. */
  readonly standardIdleAfterMs?: number
  /** What it was started with before the first of these was written, in a log of a version that wrote none. */
  readonly standardIdleAfterMsBefore?: number
}

export type SettingsChange = { readonly [K in keyof MerchantSettings]?: MerchantSettings[K] }

export const defaultSettings: MerchantSettings = { timezone: "UTC", currency: "USD" }

/** Settings after an event of the merchant's stream; undefined while the merchant does not exist. */
export const evolveSettings = (
  settings: MerchantSettings | undefined,
  event: StoredEvent,
): MerchantSettings | undefined => {
  switch (event.type) {
    case SystemType.MerchantCreated:
      return { ...defaultSettings, ...(event.data.settings as SettingsChange) }
    case SystemType.MerchantSettingsChanged:
    case SystemType.SystemSettingsChanged:
      return { ...(settings ?? defaultSettings), ...(event.data.settings as SettingsChange) }
    default:
      return settings
  }
}

/** The merchant that an event belongs to. */
export const merchantOf = (event: RecordedEvent): string => event.event.data.merchantId
