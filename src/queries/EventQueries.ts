import * as Effect from "effect/Effect"
import type { Filter } from "../domain/Filter.js"
import { clientKey as pseudonym } from "../domain/Ids.js"
import { clientStream, merchantStream, partitionOf, SYSTEM } from "../domain/Partition.js"
import { isPosition } from "../domain/Position.js"
import type { EventLogService } from "../eventlog/EventLog.js"
import { indexOf } from "../projections/Dimensions.js"
import type { Columns } from "../projections/Facts.js"
import type { ReadModelsService } from "../readmodels/ReadModels.js"
import { type ListedEvent, nameClients } from "./ClientNames.js"
import { readRequests, readRevisions } from "./EventReads.js"
import { type CheckedFilter, checkFilter, matchFacts } from "./Filter.js"
import type { Freshness } from "./Freshness.js"
import { makeNewestFacts, type Place } from "./NewestFacts.js"
import { cursorOf, invalidCursor, type Page, type PageArgs, pageArgs, toPage } from "./Page.js"
import type { Profiles } from "./Profiles.js"
import { type QueryError, type QueryRefused, refused } from "./QueryError.js"
import { type Scope, sees } from "./Scope.js"
import { checkRange, type Range } from "./TimeRange.js"
import type { Zones } from "./Zones.js"

export type { ListedEvent } from "./ClientNames.js"

export interface EventsAsked extends PageArgs {
  /** The merchant's own when missing; for who sees everything, the requests that name none. */
  readonly merchantId?: string | null | undefined
  readonly clientId?: string | null | undefined
  /** Business events when missing. `request` lists a client's requests. */
  readonly type?: string | null | undefined
  /** Exact: not widened to buckets. */
  readonly range: Range
  readonly filter?: Filter | null | undefined
}

export interface EventQueries {
  /**
   * Newest first: by time and position; requests, by when they were recorded. A page may end early, even
   * without an edge, and say where to go on. What the scope does not see is empty.
   */
  readonly list: (scope: Scope, asked: EventsAsked) => Effect.Effect<Page<ListedEvent>, QueryError>
}

const REQUEST = "request"
const typePattern = /^[a-z0-9_.-]{1,64}$/

/** What is listed, once it is known whose it is. */
interface Subject {
  readonly merchantId: string
  readonly clientId: string | undefined
  readonly type: string | undefined
}

const subjectOf = (scope: Scope, asked: EventsAsked): Effect.Effect<Subject, QueryRefused> => {
  const clientId = asked.clientId ?? undefined
  const type = asked.type ?? undefined
  if (type !== undefined && !typePattern.test(type)) {
    return refused(
      "INVALID_TYPE",
      `"${type.slice(0, 64)}" is not a type that events have: 1 to 64 characters of a-z 0-9 _ . -`,
    )
  }
  if (type === REQUEST && clientId === undefined) {
    return refused("INVALID_TYPE", "requests are listed by client: send clientId with the type request")
  }
  const merchantId = asked.merchantId ?? (scope._tag === "Merchant" ? scope.merchantId : SYSTEM)
  if (merchantId !== SYSTEM) return Effect.succeed({ merchantId, clientId, type })
  if (clientId === undefined) {
    return refused(
      "MERCHANT_REQUIRED",
      "send merchantId to list a merchant's events, or clientId alone for the requests of a client that name no merchant",
    )
  }
  // Nothing but requests can be sent without a merchant.
  return Effect.succeed({ merchantId, clientId, type: type ?? REQUEST })
}

const noPage = (asked: PageArgs): Page<never> => toPage([], 0, asked.after ?? undefined)

const placeKey = ({ at, position }: Place): string => `e${at}:${position}`

const placeOf = (key: string): Place | undefined => {
  const [, at, position] = /^e(-?[0-9]{1,16}):([0-9]+)$/.exec(key) ?? []
  return at === undefined || position === undefined || !isPosition(position)
    ? undefined
    : { at: Number(at), position }
}

const revisionKey = (revision: number): string => `r${revision}`

const revisionOf = (key: string): number | undefined =>
  /^r[0-9]{1,15}$/.test(key) ? Number(key.slice(1)) : undefined

/** The facts of a segment that are the client's, of the type, and pass the filter. */
const matcher =
  (clientKey: string | undefined, type: string | undefined, filter: CheckedFilter) =>
  (columns: Columns): ((row: number) => boolean) | undefined => {
    const passes = matchFacts(filter, columns)
    const visitorCode = clientKey === undefined ? 0 : columns.texts.indexOf(clientKey) + 1
    const typeCode = type === undefined ? 0 : columns.texts.indexOf(type) + 1
    if (clientKey !== undefined && visitorCode === 0) return undefined
    if (type !== undefined && typeCode === 0) return undefined
    return (row) =>
      (visitorCode === 0 || columns.visitorCode(row) === visitorCode) &&
      (typeCode === 0 || columns.code(row, indexOf.TYPE) === typeCode) &&
      passes(row)
  }

const endingAt = <A>(page: Page<A>, stoppedAt: string | undefined): Page<A> =>
  stoppedAt === undefined ? page : { ...page, hasNextPage: true, endCursor: cursorOf(stoppedAt) }

export const makeEventQueries = (deps: {
  readonly log: EventLogService
  readonly readModels: ReadModelsService
  readonly freshness: Freshness
  readonly zones: Zones
  readonly profiles: Profiles
  /** Of the clients' pseudonyms. */
  readonly secret: Uint8Array
  /** Facts looked through for one page. */
  readonly lookedThrough?: number
}): EventQueries => {
  const { log, secret } = deps
  const newest = makeNewestFacts(deps.readModels, deps.freshness, deps.zones, deps.lookedThrough)

  interface Checked extends Subject {
    readonly range: Range
    readonly filter: CheckedFilter
    readonly first: number
    readonly after: string | undefined
  }

  const keyOf = ({ merchantId, clientId }: Subject): string | undefined =>
    clientId === undefined ? undefined : pseudonym(secret, merchantId, clientId)

  const business = (checked: Checked): Effect.Effect<Page<ListedEvent>, QueryError> =>
    Effect.gen(function* () {
      const { merchantId, range, first, type, filter } = checked
      const after = checked.after === undefined ? undefined : placeOf(checked.after)
      if (checked.after !== undefined && after === undefined) return yield* invalidCursor()
      const matches = matcher(keyOf(checked), type, filter)
      const { found, stoppedAt } = yield* newest.find({
        ...{ merchantId, range, after, matches },
        limit: first + 1,
      })
      const stream = merchantStream(partitionOf(merchantId), merchantId)
      const wanted = found.slice(0, first)
      const events = yield* readRevisions(
        log,
        stream,
        wanted.map(({ revision }) => revision),
      )
      const listed = yield* nameClients(
        deps,
        wanted.flatMap(({ revision }) => events.get(revision) ?? []),
      )
      const named = new Map(listed.map((one) => [one.recorded.revision, one]))
      // An event that the log no longer has is left out; its place is not needed to go on.
      const edges = wanted.flatMap((one) => {
        const node = named.get(one.revision)
        return node === undefined ? [] : [{ cursor: cursorOf(placeKey(one)), node }]
      })
      const last = wanted.at(-1)
      return endingAt(
        {
          edges,
          hasNextPage: found.length > first,
          hasPreviousPage: after !== undefined,
          endCursor: last === undefined ? undefined : cursorOf(placeKey(last)),
        },
        stoppedAt === undefined ? undefined : placeKey(stoppedAt),
      )
    })

  const requests = (checked: Checked, clientId: string): Effect.Effect<Page<ListedEvent>, QueryError> =>
    Effect.gen(function* () {
      const { merchantId, range, filter, first } = checked
      const before = checked.after === undefined ? undefined : revisionOf(checked.after)
      if (checked.after !== undefined && before === undefined) return yield* invalidCursor()
      const stream = clientStream(partitionOf(merchantId, clientId), pseudonym(secret, merchantId, clientId))
      const { found, stoppedAt } = yield* readRequests(log, {
        ...{ stream, range, filter, before },
        limit: first + 1,
      })
      const listed = yield* nameClients(deps, found)
      const items = listed.map((one) => ({
        key: revisionKey(one.recorded.revision),
        // Who asks has named the client, whether or not its profile has been read already.
        node: { ...one, clientId: one.clientId ?? clientId },
      }))
      return endingAt(
        toPage(items, first, checked.after),
        stoppedAt === undefined ? undefined : revisionKey(stoppedAt),
      )
    })

  const list: EventQueries["list"] = (scope, asked) =>
    Effect.gen(function* () {
      const page = yield* pageArgs(asked)
      const range = yield* checkRange(asked.range)
      const filter = yield* checkFilter(asked.filter)
      const subject = yield* subjectOf(scope, asked)
      const { merchantId, clientId, type } = subject
      if (!sees(scope, merchantId) || clientId === "") return noPage(asked)
      const checked: Checked = { ...subject, ...page, range, filter }
      if (type === REQUEST && clientId !== undefined) return yield* requests(checked, clientId)
      return merchantId === SYSTEM ? noPage(asked) : yield* business(checked)
    })

  return { list }
}
