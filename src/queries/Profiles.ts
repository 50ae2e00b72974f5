import { Effect } from "effect"
import type { KeyStoreService, KeyStoreUnavailable } from "../keystore/KeyStore.js"
import { open } from "../keystore/Sealed.js"
import { sameTick } from "./SameTick.js"

/** Who a client is, as its sealed profile says. */
export interface Profile {
  readonly clientId: string
  readonly ip: string | null
}

/** Stands for what was erased with the client's key. */
export const ERASED = "(erased)"
const erased: Profile = { clientId: ERASED, ip: null }

export interface Sealed {
  readonly clientKey: string
  /** Undefined when no profile was stored. */
  readonly personal: string | undefined
}

/** Opens profiles, all of one call with one look into the key store. */
export interface Profiles {
  readonly open: (sealed: ReadonlyArray<Sealed>) => Effect.Effect<ReadonlyArray<Profile>, KeyStoreUnavailable>
}

/** An erased client must not be shown from memory for long. */
const BELIEVED_MS = 5_000
const REMEMBERED = 20_000

interface Known {
  readonly personal: string
  readonly profile: Profile
  readonly until: number
}

const profileOf = (key: Buffer | undefined, personal: string): Profile => {
  if (key === undefined) return erased
  const profile = open(key, personal)
  if (typeof profile !== "object" || profile === null) return erased
  const { clientId, ip } = profile as { readonly clientId?: unknown; readonly ip?: unknown }
  return {
    clientId: typeof clientId === "string" ? clientId : ERASED,
    ip: typeof ip === "string" ? ip : null,
  }
}

export const makeProfiles = (keys: KeyStoreService, now: () => number): Profiles => {
  /** In order of use, the least recent first. */
  const known = new Map<string, Known>()

  const find = sameTick(
    (clientKeys: ReadonlyArray<string>) => keys.find(clientKeys),
    (clientKey) => clientKey,
  )

  const recall = ({ clientKey, personal }: Sealed): Profile | undefined => {
    if (personal === undefined) return erased
    const entry = known.get(clientKey)
    if (entry === undefined || entry.personal !== personal || entry.until < now()) return undefined
    known.delete(clientKey)
    known.set(clientKey, entry)
    return entry.profile
  }

  const remember = (clientKey: string, personal: string, profile: Profile): void => {
    known.delete(clientKey)
    known.set(clientKey, { personal, profile, until: now() + BELIEVED_MS })
    if (known.size > REMEMBERED) {
      const oldest = known.keys().next()
      if (!oldest.done) known.delete(oldest.value)
    }
  }

  return {
    open: (sealed) =>
      Effect.gen(function* () {
        const profiles = sealed.map(recall)
        const missing = sealed.filter((_, index) => profiles[index] === undefined)
        if (missing.length === 0) return profiles as ReadonlyArray<Profile>
        const found = yield* Effect.forEach(missing, ({ clientKey }) => find(clientKey), {
          concurrency: "unbounded",
        })
        let next = 0
        return sealed.map(({ clientKey, personal }, index) => {
          const recalled = profiles[index]
          if (recalled !== undefined || personal === undefined) return recalled ?? erased
          const profile = profileOf(found[next++], personal)
          remember(clientKey, personal, profile)
          return profile
        })
      }),
  }
}
