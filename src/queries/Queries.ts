import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isCurrency } from "../domain/Currency.js"
import type { Filter } from "../domain/Filter.js"
import { compare } from "../domain/Position.js"
import type { Range } from "../domain/TimeBuckets.js"
import { EventLog } from "../eventlog/EventLog.js"
import { KeyStore } from "../keystore/KeyStore.js"
import { Processors } from "../processors/Processors.js"
import { projections } from "../projections/index.js"
import { PROJECTION as MERCHANTS } from "../projections/merchants.js"
import { PROJECTION as METRICS } from "../projections/metrics.js"
import { ReadModels } from "../readmodels/ReadModels.js"
import { makeAsOfBuckets } from "./asof/AsOfBuckets.js"
import { makeMomentReads } from "./asof/Moment.js"
import { batchedReads } from "./BatchedReads.js"
import { makeCatchUp } from "./CatchUp.js"
import { type ClientQueries, makeClientQueries } from "./ClientQueries.js"
import { type Comparisons, makeComparisons, type PrepareComparison } from "./compare/Comparisons.js"
import { type DeadLetterQueries, makeDeadLetterQueries } from "./DeadLetterQueries.js"
import { type EventQueries, makeEventQueries } from "./EventQueries.js"
import { makeFilteredBuckets } from "./FilteredBuckets.js"
import { AT_LEAST_MS, makeFreshness } from "./Freshness.js"
import { makeLogTail } from "./LogTail.js"
import { makeActiveClientCount } from "./live/ActiveClientCount.js"
import { type IdleQueries, makeIdleQueries } from "./live/IdleQueries.js"
import { type LiveQueries, makeLiveQueries } from "./live/LiveQueries.js"
import { makeMerchantBuckets } from "./MerchantBuckets.js"
import { type Merchant, type MerchantQueries, makeMerchantQueries } from "./MerchantQueries.js"
import {
  type Breakdown,
  type BreakdownAsked,
  makeMetricQueries,
  type Series,
  type SeriesAsked,
  type Subject,
  type Totals,
} from "./MetricQueries.js"
import { makeOverviewQueries, type OverviewQueries } from "./OverviewQueries.js"
import { makeProfiles } from "./Profiles.js"
import { makeProgressBoard } from "./ProgressBoard.js"
import { makeProjectionQueries, type ProjectionQueries } from "./ProjectionQueries.js"
import { makeProjectionRows, type ProjectionRows } from "./ProjectionRows.js"
import { type QueryError, refused, stalled } from "./QueryError.js"
import { everything } from "./Scope.js"
import { shareBuckets } from "./SharedBuckets.js"
import { makeZones } from "./Zones.js"

interface Asked {
  readonly range: Range
  /** The merchant's when missing. */
  readonly currency?: string | null | undefined
  /** Waits until the answer includes this position. */
  readonly atLeast?: string | null | undefined
  /** Answers as it stood at this position; the merchant's settings too. */
  readonly asOfPosition?: string | null | undefined
  /** Only events, and sessions, that meet it. */
  readonly filter?: Filter | null | undefined
}

/** Everything that can be asked. Who got a `Merchant` from `merchants` may see it. */
export interface QueriesService {
  readonly merchants: MerchantQueries
  readonly clients: ClientQueries
  readonly events: EventQueries
  readonly overview: OverviewQueries
  readonly projections: ProjectionQueries
  readonly comparisons: Comparisons
  readonly deadLetters: DeadLetterQueries
  readonly live: LiveQueries
  /** Clients as they become idle. */
  readonly idle: IdleQueries
  /** Rows of a projection in one file, for code that shows them: whose they are was checked before. */
  readonly rows: ProjectionRows
  readonly totals: (merchant: Merchant, asked: Asked) => Effect.Effect<Totals, QueryError>
  readonly series: (merchant: Merchant, asked: Asked & SeriesAsked) => Effect.Effect<Series, QueryError>
  readonly breakdown: (
    merchant: Merchant,
    asked: Asked & BreakdownAsked,
  ) => Effect.Effect<Breakdown, QueryError>
  /** Waits until every read model that answers come from, those about the merchant, includes the position. */
  readonly settled: (
    position: string,
    deadlineMs: number,
    merchantId?: string,
  ) => Effect.Effect<void, QueryError>
}

export class Queries extends Context.Tag("tidemark/Queries")<Queries, QueriesService>() {}

export interface QueriesOptions {
  /** Of the clients' pseudonyms. */
  readonly secret: Uint8Array
  /** Silence after which a client is idle, unless its merchant's settings say otherwise. */
  readonly idleAfterMs: number
  readonly now?: () => number
  /** The collections of a projection's builds; those that this program has the code of when missing. */
  readonly collectionsOf?: (projection: string) => ReadonlyArray<string>
  /** Where builds are compared; here, while both stand still, when missing. */
  readonly prepareComparison?: PrepareComparison
}

const collectionsOfProjection = (projection: string): ReadonlyArray<string> => [
  ...new Set(projections.filter(({ name }) => name === projection).flatMap(({ collections }) => collections)),
]

export const makeQueries = (options: QueriesOptions) =>
  Effect.gen(function* () {
    const { secret, idleAfterMs, now = Date.now } = options
    const readModels = batchedReads(yield* ReadModels)
    const log = yield* EventLog
    const keys = yield* KeyStore
    const processors = yield* Processors
    const board = yield* makeProgressBoard(processors)
    const tail = makeLogTail(log, now)
    const freshness = makeFreshness(readModels, tail, board, now)
    const catchUp = makeCatchUp(freshness, tail, board)
    const profiles = makeProfiles({ keys, readModels, freshness, now })
    const zones = makeZones(readModels, freshness)
    const buckets = shareBuckets(makeMerchantBuckets(freshness, zones))
    const moments = makeMomentReads(log, now)
    const past = makeAsOfBuckets({ readModels, freshness, zones, log, moments })
    const metrics = makeMetricQueries(buckets, makeFilteredBuckets(readModels, freshness, zones), past)
    const merchants = makeMerchantQueries(readModels, freshness, catchUp)
    const clients = makeClientQueries({
      ...{ readModels, freshness, catchUp, profiles, secret },
    })
    const live = yield* makeLiveQueries({
      ...{ log, readModels, freshness, board, tail, profiles, buckets, merchants, idleAfterMs, now },
    })

    const idle = yield* makeIdleQueries({ log, merchants, profiles })
    const active = yield* makeActiveClientCount({
      ...{ log, readModels, freshness, board, tail, idleAfterMs, now },
    })
    const events = makeEventQueries({ log, readModels, freshness, zones, profiles, secret })
    const overview = yield* makeOverviewQueries({
      ...{ readModels, freshness, board, tail, buckets, activeClients: active.count, now },
    })

    /** Settings and numbers are read models of their own: both have to be at the position. */
    const subject = (merchant: Merchant, asked: Asked): Effect.Effect<Subject, QueryError> =>
      Effect.gen(function* () {
        const { currency, atLeast, asOfPosition } = asked
        if (currency !== undefined && currency !== null && !isCurrency(currency)) {
          return yield* refused(
            "INVALID_CURRENCY",
            `"${currency.slice(0, 20)}" is not a currency code of ISO 4217, such as USD`,
          )
        }
        let current = merchant
        if (atLeast !== undefined && atLeast !== null) {
          const asked = yield* freshness.settle([METRICS, MERCHANTS], atLeast, AT_LEAST_MS, merchant.id)
          const { asOf } = yield* freshness.read(METRICS, merchant.id, [])
          if (asOf.stalledAt !== undefined && compare(asOf.position, asked) < 0) {
            return yield* stalled(asked, asOf.stalledAt, asOf.position)
          }
          current = (yield* merchants.find(everything, merchant.id)) ?? merchant
        }
        if (asOfPosition !== undefined && asOfPosition !== null) {
          const upTo = yield* freshness.settle([METRICS, MERCHANTS], asOfPosition, AT_LEAST_MS, merchant.id)
          const { timezone, currency: own } = yield* merchants.settingsAt(merchant.id, upTo)
          return { id: merchant.id, timezone, currency: currency ?? own, upTo }
        }
        const { timezone, currency: own } = current.settings
        return { id: merchant.id, timezone, currency: currency ?? own }
      })

    const { collectionsOf = collectionsOfProjection, prepareComparison } = options
    const comparisons = yield* makeComparisons({
      ...{ readModels, processors, collectionsOf, prepare: prepareComparison },
    })

    const service: QueriesService = {
      merchants,
      clients,
      events,
      overview,
      comparisons,
      projections: makeProjectionQueries(readModels, processors, tail, board),
      deadLetters: makeDeadLetterQueries(readModels),
      live,
      idle,
      rows: makeProjectionRows(freshness),
      totals: (merchant, asked) =>
        Effect.flatMap(subject(merchant, asked), (one) => metrics.totals(one, asked)),
      series: (merchant, asked) =>
        Effect.flatMap(subject(merchant, asked), (one) => metrics.series(one, asked)),
      breakdown: (merchant, asked) =>
        Effect.flatMap(subject(merchant, asked), (one) => metrics.breakdown(one, asked)),
      settled: (position, deadlineMs, merchantId) =>
        Effect.asVoid(freshness.settle([METRICS, MERCHANTS], position, deadlineMs, merchantId)),
    }
    return service
  })

export const layer = (options: QueriesOptions) => Layer.scoped(Queries, makeQueries(options))
