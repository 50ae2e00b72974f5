import * as Effect from "effect/Effect"
import { clientKey as pseudonym } from "../domain/Ids.js"
import { type Partition, partitionOf, SYSTEM } from "../domain/Partition.js"
import {
  allClientsScan,
  type ClientDoc,
  clientRef,
  clientScan,
  clientsScan,
  decodeClient,
  decodePeriod,
  inState,
  type PeriodDoc,
  PROJECTION,
  periodsScan,
} from "../projections/clients.js"
import type { ReadModelsService, Scan } from "../readmodels/ReadModels.js"
import type { CatchUp } from "./CatchUp.js"
import type { Freshness } from "./Freshness.js"
import type { Merchant } from "./MerchantQueries.js"
import {
  cursorOf,
  invalidCursor,
  type Page,
  type PageArgs,
  type PageStart,
  pageArgs,
  toPage,
} from "./Page.js"
import type { Named, Profile, Profiles } from "./Profiles.js"
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
  /** What finds its idle periods; not shown. */
  readonly named: Named
}

/** Instants are epoch ms. */
export type IdlePeriod = PeriodDoc

/** Every state when missing. */
type WantedState = ClientState | null | undefined

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
  /** The latest first. */
  readonly idlePeriods: (client: Client, args: PageArgs) => Effect.Effect<Page<IdlePeriod>, QueryError>
}

/** One list of clients: its documents, and what makes a cursor of a document's key. */
interface Listing {
  readonly partition: Partition
  /** Missing: of all. */
  readonly merchantId?: string
  readonly scan: (last: string | undefined, size: number) => Scan
  readonly cursor: (key: string) => string
}

/** Between the merchant's id and the client's key. */
const SEPARATOR = "\u0001"

export const makeClientQueries = (options: {
  readonly readModels: ReadModelsService
  readonly freshness: Freshness
  readonly catchUp: CatchUp
  readonly profiles: Profiles
  readonly secret: Uint8Array
}): ClientQueries => {
  const { readModels, freshness, catchUp, profiles, secret } = options

  const toClient = (doc: ClientDoc, profile: Profile): Client => ({
    clientId: profile.clientId,
    merchantId: doc.merchantId === SYSTEM ? null : doc.merchantId,
    state: doc.idle ? "IDLE" : "ACTIVE",
    firstSeenAt: doc.firstSeenAt,
    lastSeenAt: doc.lastSeenAt,
    ip: profile.ip,
    requests: doc.requests,
    named: { merchantId: doc.merchantId, clientKey: doc.clientKey },
  })

  const look = (merchantId: string, clientId: string) =>
    Effect.gen(function* () {
      const build = yield* freshness.serving(PROJECTION, merchantId)
      const scan = clientScan(merchantId, pseudonym(secret, merchantId, clientId))
      const answer = yield* readModels.query(build.id, partitionOf(merchantId, clientId), [scan])
      const row = answer.rows[0]?.[0]
      return row === undefined ? undefined : decodeClient(row.key, row.doc)
    })

  const find: ClientQueries["find"] = (scope, merchant, clientId) =>
    Effect.gen(function* () {
      const merchantId = merchant?.id ?? SYSTEM
      if (!sees(scope, merchantId) || clientId.length === 0) return undefined
      const doc = yield* catchUp.orElse(PROJECTION, look(merchantId, clientId), merchantId)
      if (doc === undefined) return undefined
      const [profile] = yield* profiles.open([doc])
      return profile === undefined ? undefined : toClient(doc, profile)
    })

  /** The documents of a page and one more. By state, their keys come first: who changed state between is left out. */
  const found = (
    build: string,
    { partition, scan }: Listing,
    state: WantedState,
    { first, after }: PageStart,
  ) =>
    Effect.gen(function* () {
      const all = scan(after, first + 1)
      const answer = yield* readModels.query(build, partition, [state ? inState(all, state) : all])
      const rows = answer.rows[0] ?? []
      if (!state) return rows.map(({ key, doc }) => ({ key, doc: decodeClient(key, doc) }))
      const docs = yield* readModels.load(
        build,
        rows.map(({ key }) => clientRef(key)),
      )
      return rows.map(({ key }, index) => {
        const doc = docs[index]
        const client = doc === undefined ? undefined : decodeClient(key, doc)
        return { key, doc: client?.idle === (state === "IDLE") ? client : undefined }
      })
    })

  const listed = (listing: Listing, state: WantedState, place: PageStart) =>
    Effect.gen(function* () {
      const { first, after } = place
      const build = yield* freshness.serving(PROJECTION, listing.merchantId)
      const rows = yield* found(build.id, listing, state, place)
      const shown = rows.slice(0, first).flatMap(({ key, doc }) => (doc === undefined ? [] : [{ key, doc }]))
      const opened = yield* profiles.open(shown.map(({ doc }) => doc))
      const items = shown.map(({ key, doc }, index) => ({
        key: listing.cursor(key),
        node: toClient(doc, opened[index] ?? { clientId: "", ip: null }),
      }))
      const page = toPage(items, first, after)
      const last = rows.slice(0, first).at(-1)
      const endCursor = last === undefined ? undefined : cursorOf(listing.cursor(last.key))
      return { ...page, hasNextPage: rows.length > first, endCursor }
    })

  const list: ClientQueries["list"] = (merchant, state, args) =>
    Effect.gen(function* () {
      const place = yield* pageArgs(args)
      if (place.after?.includes(SEPARATOR) === true) return yield* invalidCursor()
      const listing: Listing = {
        ...{ partition: partitionOf(merchant.id), merchantId: merchant.id },
        scan: (last, size) => clientsScan(merchant.id, last, size),
        cursor: (key) => key.slice(key.indexOf(SEPARATOR) + 1),
      }
      return yield* listed(listing, state, place)
    })

  const listAll: ClientQueries["listAll"] = (state, args) =>
    Effect.gen(function* () {
      const place = yield* pageArgs(args)
      if (place.after?.includes(SEPARATOR) === false) return yield* invalidCursor()
      const listing: Listing = { partition: partitionOf(SYSTEM), scan: allClientsScan, cursor: (key) => key }
      return yield* listed(listing, state, place)
    })

  const idlePeriods: ClientQueries["idlePeriods"] = ({ named, clientId }, args) =>
    Effect.gen(function* () {
      const { first, after } = yield* pageArgs(args)
      const last = after === undefined ? undefined : Number(after)
      if (last !== undefined && !Number.isInteger(last)) return yield* invalidCursor()
      const build = yield* freshness.serving(PROJECTION, named.merchantId)
      const scan = periodsScan(named, last, first + 1)
      const answer = yield* readModels.query(build.id, partitionOf(named.merchantId, clientId), [scan])
      const items = (answer.rows[0] ?? []).map(({ key, doc }) => {
        const node = decodePeriod(key, doc)
        return { key: String(node.lastActivityAt), node }
      })
      return toPage(items, first, after)
    })

  return { find, list, listAll, idlePeriods }
}
