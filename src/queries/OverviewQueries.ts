import * as Effect from "effect/Effect"
import { type Interval, type Metric, metrics } from "../domain/Metrics.js"
import type { Position } from "../domain/Position.js"
import type { Range } from "../domain/TimeBuckets.js"
import { countOfMerchants, PROJECTION as MERCHANTS, merchantCountsScan } from "../projections/merchants.js"
import {
  currenciesOf,
  PROJECTION as METRICS,
  metricValue,
  moneyOf,
  noCounts,
} from "../projections/metrics.js"
import type { ReadModelsService } from "../readmodels/ReadModels.js"
import type { AsOf, Freshness } from "./Freshness.js"
import type { LogTail } from "./LogTail.js"
import type { MerchantBuckets } from "./MerchantBuckets.js"
import type { Point } from "./MetricQueries.js"
import { type OverviewNumbers, type OverviewSum, readOverview } from "./OverviewNumbers.js"
import type { ProgressBoard } from "./ProgressBoard.js"
import type { QueryError } from "./QueryError.js"
import { cover, planSeries, type SeriesPlan } from "./TimeRange.js"

export interface Money {
  readonly currency: string
  /** In minor units. */
  readonly amount: number
}

export interface OverviewSeries {
  readonly metric: Metric
  readonly points: ReadonlyArray<Point>
}

export interface Overview {
  readonly merchants: number
  readonly activeMerchants: number
  /** Counted when it is run. */
  readonly activeClients: Effect.Effect<number, QueryError>
  readonly series: ReadonlyArray<OverviewSeries>
  readonly volumes: ReadonlyArray<Money>
  /** Of the partition whose numbers are oldest. */
  readonly asOf: AsOf
}

const moneyMetrics: ReadonlySet<Metric> = new Set([
  "GROSS_VOLUME",
  "REFUND_VOLUME",
  "NET_VOLUME",
  "AVERAGE_ORDER_VALUE",
] satisfies ReadonlyArray<Metric>)

/** Metrics of all merchants together: those without a currency, as currencies are never added up. */
export const overviewMetrics = metrics.filter((metric) => !moneyMetrics.has(metric))

/** All merchants together, in UTC; only for those who see everything. */
export type OverviewQueries = (range: Range, interval: Interval) => Effect.Effect<Overview, QueryError>

export interface OverviewDeps {
  readonly readModels: ReadModelsService
  readonly freshness: Freshness
  readonly board: ProgressBoard
  readonly tail: LogTail
  readonly buckets: MerchantBuckets
  readonly activeClients: Effect.Effect<number, QueryError>
  readonly now: () => number
}

/** Past this an answer is made anew, though nothing may have changed: whether a bucket has ended may. */
const BELIEVED_MS = 3_000
const REMEMBERED = 32

interface Remembered {
  readonly position: Position | undefined
  readonly at: number
  readonly numbers: OverviewNumbers
}

const nothing: OverviewSum = { counts: noCounts(), visitors: 0 }

const valueIn = (sum: OverviewSum, metric: Metric): number | null =>
  metric === "VISITORS" ? sum.visitors : metricValue(sum.counts, metric, "")

/** Clients of all merchants together are kept for hours and days. */
const isKeptAt = (metric: Metric, interval: Interval): boolean =>
  metric !== "VISITORS" || (interval !== "MINUTE" && interval !== "TEN_MINUTES")

const seriesOf = (
  { sums, caughtUpTo }: OverviewNumbers,
  plan: SeriesPlan,
  interval: Interval,
): ReadonlyArray<OverviewSeries> =>
  overviewMetrics
    .filter((metric) => isKeptAt(metric, interval))
    .map((metric) => ({
      metric,
      points: plan.starts.map((at, index) => ({
        at,
        value: valueIn(sums.get(at) ?? nothing, metric),
        complete: (plan.starts[index + 1] ?? plan.range.to) <= caughtUpTo,
      })),
    }))

const volumesOf = ({ total }: OverviewNumbers): ReadonlyArray<Money> =>
  currenciesOf(total).flatMap((currency) => {
    const { payments, gross } = moneyOf(total, currency)
    return payments === 0 ? [] : [{ currency, amount: Number(gross) }]
  })

export const makeOverviewQueries = (deps: OverviewDeps): Effect.Effect<OverviewQueries> =>
  Effect.gen(function* () {
    const { readModels, freshness, board, tail, buckets, activeClients, now } = deps
    // One at a time: each holds the numbers of many partitions, and equal questions wait for one answer.
    const turn = yield* Effect.makeSemaphore(1)
    const remembered = new Map<string, Remembered>()

    const merchantCount = Effect.gen(function* () {
      const build = yield* freshness.serving(MERCHANTS)
      const answer = yield* readModels.query(build.id, 0, [merchantCountsScan])
      return countOfMerchants(answer.rows[0] ?? [])
    })

    const numbersSince = (since: number, asked: Range, interval: Interval, plan: SeriesPlan) =>
      Effect.gen(function* () {
        const build = yield* freshness.serving(METRICS)
        const { position } = board.of(build.id) ?? {}
        const name = `${build.id} ${interval} ${asked.from} ${asked.to}`
        const known = remembered.get(name)
        if (known !== undefined) {
          const isCurrent = known.position === position && now() - known.at < BELIEVED_MS
          if (isCurrent || known.at > since) return known.numbers
        }
        const at = now()
        const numbers = yield* readOverview(buckets, build, interval, plan, yield* cover("UTC", asked))
        remembered.delete(name)
        remembered.set(name, { position, at, numbers })
        const [oldest] = remembered.keys()
        if (remembered.size > REMEMBERED && oldest !== undefined) remembered.delete(oldest)
        return numbers
      }).pipe(turn.withPermits(1))

    return (asked, interval) =>
      Effect.gen(function* () {
        const plan = yield* planSeries("UTC", interval, asked)
        const numbers = yield* numbersSince(now(), asked, interval, plan)
        const lagMs = yield* tail.lagMs(numbers.asOf.position)
        return {
          merchants: yield* merchantCount,
          activeMerchants: numbers.activeMerchants,
          activeClients,
          series: seriesOf(numbers, plan, interval),
          volumes: volumesOf(numbers),
          asOf: { ...numbers.asOf, lagMs },
        }
      })
  })
