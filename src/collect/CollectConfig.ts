import type { CountryOf } from "./CountryLookup.js"
import type { SaltPeriod } from "./Identity.js"

export interface CollectConfig {
  /** Of the pseudonyms: `TIDEMARK_SECRET`, the same on every node. */
  readonly secret: Uint8Array
  /** Largest body, as sent and as inflated, in bytes. */
  readonly maxBodyBytes: number
  readonly maxEvents: number
  /** Largest event, as JSON without spaces, in bytes of UTF-8. */
  readonly maxEventBytes: number
  /** Bytes of bodies that this process holds at once; above, requests get 503. */
  readonly memoryBudgetBytes: number
  /** How long a body may take to arrive, ms. */
  readonly bodyTimeoutMs: number
  /** How far ahead of this server's clock an event may be, ms. */
  readonly aheadMs: number
  readonly salt: SaltPeriod
  /** For events that have an address and name no country; without it, none is looked up. */
  readonly countryOf?: CountryOf | undefined
}

export const defaultCollectConfig: Omit<CollectConfig, "secret"> = {
  maxBodyBytes: 8 * 1024 * 1024,
  maxEvents: 10_000,
  maxEventBytes: 64 * 1024,
  memoryBudgetBytes: 128 * 1024 * 1024,
  bodyTimeoutMs: 30_000,
  aheadMs: 5 * 60_000,
  salt: "daily",
}

export const collectConfig = (
  secret: Uint8Array,
  changes: Partial<Omit<CollectConfig, "secret">> = {},
): CollectConfig => ({ ...defaultCollectConfig, ...changes, secret })
