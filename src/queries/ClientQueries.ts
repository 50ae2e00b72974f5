import { Effect } from "effect"
import { clientKey as pseudonym } from "../domain/Ids.js"
import { type Partition, partitionOf, SYSTEM } from "../domain/Partition.js"
import {
  allClientsScan,
  type ClientDoc,
  clientScan,
  clientsScan,
  decodeClient,
  PROJECTION,
} from "../projections/clients.js"
import type { ReadModelsService, Scan } from "../readmodels/ReadModels.js"
import type { CatchUp } from "./CatchUp.js"
import type { Freshness } from "./Freshness.js"
import type { Merchant, MerchantQueries } from "./MerchantQueries.js"
import {
  cursorOf,
  invalidCursor,
  type Page,
  type PageArgs,
  type PageStart,
  pageArgs,
  toPage,
} from "./Page.js"
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

/** Every state when missing. */
type WantedState = ClientState | null | undefined

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
    state: WantedState,
    args: PageArgs,
  ) => Effect.Effect<Page<Client>, QueryError>
  /** Of all merchants and of none, by merchant; only for those who see everything. */
  readonly listAll: (state: WantedState, args: PageArgs) => Effect.Effect<Page<Client>, QueryError>
}

/** One list of clients: its documents, and what makes a cursor of a document's key. */
interface Listing {
  readonly partition: Partition
  readonly scan: (last: string | undefined, size: number) => Scan
  readonly cursor: (key: string) => string
  /** Of the documents' merchants, looked up together. */
  readonly idleTimes: (
    docs: ReadonlyArray<ClientDoc>,
  ) => Effect.Effect<(doc: ClientDoc) => number, QueryError>
}

interface Found {
  readonly key: string
  readonly doc: ClientDoc
  readonly silence: number
}

/** Between the merchant's id and the client's key. */
const SEPARATOR = "\u0001"

export const makeClientQueries = (options: {
  readonly readModels: ReadModelsService
  readonly freshness: Freshness
  readonly catchUp: CatchUp
  readonly profiles: Profiles
  readonly merchants: MerchantQueries
  readonly secret: Uint8Array
  readonly idleAfterMs: number
  readonly now: () => number
}): ClientQueries => {
  const { readModels, freshness, catchUp, profiles, merchants, secret, idleAfterMs, now } = options

  const toClient = (doc: ClientDoc, profile: Profile, silence: number, at: number): Client => ({
    clientId: profile.clientId,
    merchantId: doc.merchantId === SYSTEM ? null : doc.merchantId,
    state: stateAt(doc.lastRecordedAt, silence, at),
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
      return profile === undefined
        ? undefined
        : toClient(doc, profile, silenceOf(merchant, idleAfterMs), now())
    })

  /** Looks through documents in order of their keys until a page is full, or enough was looked at. */
  const listed = ({ partition, scan, cursor, idleTimes }: Listing, state: WantedState, args: PageStart) =>
    Effect.gen(function* () {
      const { first, after } = args
      const build = yield* freshness.serving(PROJECTION)
      const asked = now()
      const found: Array<Found> = []
      let last = after
      let looked = 0
      let ended = false
      while (!ended && found.length <= first && looked < LOOKED_THROUGH) {
        const size = state === null || state === undefined ? first + 1 - found.length : CHUNK
        const answer = yield* readModels.query(build.id, partition, [scan(last, size)])
        const rows = answer.rows[0] ?? []
        const docs = rows.map((row) => decodeClient(row.key, row.doc))
        const silenceOfDoc = yield* idleTimes(docs)
        for (const [index, doc] of docs.entries()) {
          last = cursor(rows[index]?.key ?? "")
          const silence = silenceOfDoc(doc)
          if (!state || stateAt(doc.lastRecordedAt, silence, asked) === state) {
            found.push({ key: last, doc, silence })
          }
          if (found.length > first) break
        }
        looked += rows.length
        ended = rows.length < size
      }
      const opened = yield* profiles.open(found.slice(0, first).map(({ doc }) => doc))
      const items = found.map(({ key, doc, silence }, index) => ({
        key,
        node: toClient(doc, opened[index] ?? { clientId: "", ip: null }, silence, asked),
      }))
      const page = toPage(items, first, after)
      // It stopped looking, not finding: the next page begins where it stopped.
      if (!ended && found.length <= first && last !== undefined) {
        return { ...page, hasNextPage: true, endCursor: cursorOf(last) }
      }
      return page
    })

  const list: ClientQueries["list"] = (merchant, state, args) =>
    Effect.gen(function* () {
      const place = yield* pageArgs(args)
      if (place.after?.includes(SEPARATOR) === true) return yield* invalidCursor()
      const silence = silenceOf(merchant, idleAfterMs)
      const listing: Listing = {
        partition: partitionOf(merchant.id),
        scan: (last, size) => clientsScan(merchant.id, last, size),
        cursor: (key) => key.slice(key.indexOf(SEPARATOR) + 1),
        idleTimes: () => Effect.succeed(() => silence),
      }
      return yield* listed(listing, state, place)
    })

  const listAll: ClientQueries["listAll"] = (state, args) =>
    Effect.gen(function* () {
      const place = yield* pageArgs(args)
      if (place.after?.includes(SEPARATOR) === false) return yield* invalidCursor()
      const listing: Listing = {
        partition: partitionOf(SYSTEM),
        scan: allClientsScan,
        cursor: (key) => key,
        idleTimes: (docs) =>
          Effect.map(
            merchants.several(docs.map(({ merchantId }) => merchantId)),
            (known) => (doc) => silenceOf(known.get(doc.merchantId), idleAfterMs),
          ),
      }
      return yield* listed(listing, state, place)
    })

  return { find, list, listAll }
}
