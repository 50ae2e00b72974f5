import * as Effect from "effect/Effect"
import type { KeyStoreService } from "../keystore/KeyStore.js"
import { open } from "../keystore/Sealed.js"
import { type ClientDoc, decodeProfile, PROJECTION, profileRef } from "../projections/clients.js"
import type { ReadModelsService } from "../readmodels/ReadModels.js"
import type { Freshness } from "./Freshness.js"
import type { QueryError } from "./QueryError.js"
import { sameTick } from "./SameTick.js"

/** Who a client is, as its sealed profile says. */
export interface Profile {
  readonly clientId: string
  readonly ip: string | null
}

/** Stands for what was erased with the client's key. */
export const ERASED = "(erased)"
const erased: Profile = { clientId: ERASED, ip: null }

export type Named = Pick<ClientDoc, "merchantId" | "clientKey">

/** Finds and opens profiles, all of one call with one look into each store. */
export interface Profiles {
  readonly open: (clients: ReadonlyArray<Named>) => Effect.Effect<ReadonlyArray<Profile>, QueryError>
}

/** An erased client must not be shown from memory for long. */
const BELIEVED_MS = 5_000
const REMEMBERED = 20_000

interface Known {
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

export const makeProfiles = (options: {
  readonly keys: KeyStoreService
  readonly readModels: ReadModelsService
  readonly freshness: Freshness
  readonly now: () => number
}): Profiles => {
  const { keys, readModels, freshness, now } = options
  /** In order of use, the least recent first. */
  const known = new Map<string, Known>()

  const findKey = sameTick(
    (clientKeys: ReadonlyArray<string>) => keys.find(clientKeys),
    (clientKey) => clientKey,
  )

  const recall = ({ clientKey }: Named): Profile | undefined => {
    const entry = known.get(clientKey)
    if (entry === undefined || entry.until < now()) return undefined
    known.delete(clientKey)
    known.set(clientKey, entry)
    return entry.profile
  }

  const remember = (clientKey: string, profile: Profile): void => {
    known.delete(clientKey)
    known.set(clientKey, { profile, until: now() + BELIEVED_MS })
    if (known.size > REMEMBERED) {
      const oldest = known.keys().next()
      if (!oldest.done) known.delete(oldest.value)
    }
  }

  const read = (build: string, client: Named) =>
    Effect.gen(function* () {
      const [doc] = yield* readModels.load(build, [profileRef(client)])
      const personal = decodeProfile(doc)
      // It was forgotten before it was seen.
      if (personal === undefined) return erased
      const profile = profileOf(yield* findKey(client.clientKey), personal)
      remember(client.clientKey, profile)
      return profile
    })

  return {
    open: (clients) =>
      Effect.gen(function* () {
        const profiles = clients.map(recall)
        const missing = clients.filter((_, index) => profiles[index] === undefined)
        if (missing.length === 0) return profiles as ReadonlyArray<Profile>
        // Who serves is asked once for each merchant, not for each client.
        const builds = new Map<string, string>()
        for (const merchantId of new Set(missing.map((client) => client.merchantId))) {
          builds.set(merchantId, (yield* freshness.serving(PROJECTION, merchantId)).id)
        }
        const found = yield* Effect.forEach(
          missing,
          (client) => read(builds.get(client.merchantId) as string, client),
          { concurrency: "unbounded" },
        )
        let next = 0
        return profiles.map((profile) => profile ?? found[next++] ?? erased)
      }),
  }
}
