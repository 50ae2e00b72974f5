import { Effect } from "effect"
import { clientKey as pseudonym } from "../domain/Ids.js"
import { partitionOf, SYSTEM } from "../domain/Partition.js"
import { type ClientDoc, clientScan, clientsScan, decodeClient, PROJECTION } from "../projections/clients.js"
import type { ReadModelsService } from "../readmodels/ReadModels.js"
import type { CatchUp } from "./CatchUp.js"
import type { Freshness } from "./Freshness.js"
import type { Merchant } from "./MerchantQueries.js"
import { cursorOf, type Page, type PageArgs, pageArgs, toPage } from "./Page.js"
import type { Profile, Profiles } from "./Profiles.js"
import type { QueryError } from "./QueryError.js"
import { type Scope, sees } from "./Scope.js"

export const clientStates = ["ACTIVE", "IDLE"] as const
export type ClientState = (typeof clientStates)[number]

/** Instants are epoch ms. */
export interface Client {
  readonly clientId: string
  /** Null in the reserved space of requests without a merchant. */
  readonly merchantId: string | null
  readonly state: ClientState
  readonly firstSeenAt: number
  readonly lastSeenAt: number
  readonly ip: string | null
  readonly requests: number
}

/** How long a client of the merchant may be silent before it is idle, in ms. */
export const silenceOf = (merchant: Merchant | undefined, systemMs: number): number =>
  merchant?.settings.idleAfterSeconds === undefined ? systemMs : merchant.settings.idleAfterSeconds * 1000

export const stateAt = (lastRecordedAt: number, silenceMs: number, now: number): ClientState =>
  now - lastRecordedAt >= silenceMs ? "IDLE" : "ACTIVE"

/** Documents looked through for one page of a list by state; a page may end early and say where to go on. */
const LOOKED_THROUGH = 20_000
const CHUNK = 1_000

export interface ClientQueries {
  /** Without a merchant: of the requests that name none, which only those see who see everything. */
  readonly find: (
    scope: Scope,
    merchant: Merchant | undefined,
    clientId: string,
  ) => Effect.Effect<Client | undefined, QueryError>
  readonly list: (
    merchant: Merchant,
    state: ClientState | null | undefined,
    args: PageArgs,
  ) => Effect.Effect<Page<Client>, QueryError>
}

export const makeClientQueries = (options: {
  readonly readModels: ReadModelsService
  readonly freshness: Freshness
  readonly catchUp: CatchUp
  readonly profiles: Profiles
  readonly secret: Uint8Array
  readonly idleAfterMs: number
  readonly now: () => number
}): ClientQueries => {
  const { readModels, freshness, catchUp, profiles, secret, idleAfterMs, now } = options

  const toClient = (doc: ClientDoc, profile: Profile, silence: number): Client => ({
    clientId: profile.clientId,
    merchantId: doc.merchantId === SYSTEM ? null : doc.merchantId,
    state: stateAt(doc.lastRecordedAt, silence, now()),
    firstSeenAt: doc.firstSeenAt,
    lastSeenAt: doc.lastSeenAt,
    ip: profile.ip,
    requests: doc.requests,
  })

  const look = (merchantId: string, clientId: string) =>
    Effect.gen(function* () {
      const build = yield* freshness.serving(PROJECTION)
      const scan = clientScan(merchantId, pseudonym(secret, merchantId, clientId))
      const answer = yield* readModels.query(build.id, partitionOf(merchantId, clientId), [scan])
      const row = answer.rows[0]?.[0]
      return row === undefined ? undefined : decodeClient(row.key, row.doc)
    })

  const find: ClientQueries["find"] = (scope, merchant, clientId) =>
    Effect.gen(function* () {
      const merchantId = merchant?.id ?? SYSTEM
      if (!sees(scope, merchantId) || clientId.length === 0) return undefined
      const doc = yield* catchUp.orElse(PROJECTION, look(merchantId, clientId))
      if (doc === undefined) return undefined
      const [profile] = yield* profiles.open([doc])
      return profile === undefined ? undefined : toClient(doc, profile, silenceOf(merchant, idleAfterMs))
    })

  const list: ClientQueries["list"] = (merchant, state, args) =>
    Effect.gen(function* () {
      const { first, after } = yield* pageArgs(args)
      const build = yield* freshness.serving(PROJECTION)
      const silence = silenceOf(merchant, idleAfterMs)
      const asked = now()
      const found: Array<ClientDoc> = []
      let last = after
      let looked = 0
      let ended = false
      while (!ended && found.length <= first && looked < LOOKED_THROUGH) {
        const size = state === null || state === undefined ? first + 1 - found.length : CHUNK
        const scan = clientsScan(merchant.id, last, size)
        const answer = yield* readModels.query(build.id, partitionOf(merchant.id), [scan])
        const rows = answer.rows[0] ?? []
        for (const row of rows) {
          const doc = decodeClient(row.key, row.doc)
          last = doc?.clientKey ?? row.key.slice(row.key.indexOf("\u0001") + 1)
          if (doc === undefined) continue
          if (!state || stateAt(doc.lastRecordedAt, silence, asked) === state) found.push(doc)
          if (found.length > first) break
        }
        looked += rows.length
        ended = rows.length < size
      }
      const opened = yield* profiles.open(found.slice(0, first))
      const items = found.map((doc, index) => ({
        key: doc.clientKey,
        node: toClient(doc, opened[index] ?? { clientId: "", ip: null }, silence),
      }))
      const page = toPage(items, first, after)
      // It stopped looking, not finding: the next page begins where it stopped.
      if (!ended && found.length <= first && last !== undefined) {
        return { ...page, hasNextPage: true, endCursor: cursorOf(last) }
      }
      return page
    })

  return { find, list }
}
