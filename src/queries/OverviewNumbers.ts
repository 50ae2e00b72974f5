import * as Effect from "effect/Effect"
import type { Interval } from "../domain/Metrics.js"
import { PARTITIONS } from "../domain/Partition.js"
import { compare } from "../domain/Position.js"
import {
  activeMerchants,
  addCounts,
  type Counts,
  everyMerchant,
  noCounts,
  sumOf,
  sumsBy,
} from "../projections/metrics.js"
import type { Build } from "../readmodels/ReadModels.js"
import type { AsOf } from "./Freshness.js"
import { checkKept } from "./Kept.js"
import type { BucketReading, MerchantBuckets } from "./MerchantBuckets.js"
import { type QueryError, refused } from "./QueryError.js"
import type { Cover, SeriesPlan } from "./TimeRange.js"

export interface OverviewSum {
  readonly counts: Counts
  readonly visitors: number
}

/** Of all partitions together. */
export interface OverviewNumbers {
  /** By first instant of the bucket. */
  readonly sums: ReadonlyMap<number, OverviewSum>
  /** Over the whole range. */
  readonly total: Counts
  readonly activeMerchants: number
  /** The earliest of all. */
  readonly asOf: AsOf
  /** Everything recorded before this instant (epoch ms) is in the numbers. */
  readonly caughtUpTo: number
}

/** Read at once: what one group reads is in memory together, and others get a turn only after it. */
const GROUP_DOCUMENTS = 4_000
const GROUP_PARTITIONS = 16
/** Documents that one overview may read. */
export const MAX_OVERVIEW_DOCUMENTS = 1_000_000

const UTC = "UTC"

/** Adds up what the partitions have. */
class Adding {
  readonly sums = new Map<number, { readonly counts: Counts; visitors: number }>()
  readonly total = noCounts()
  activeMerchants = 0
  asOf: AsOf | undefined
  caughtUpTo = Number.POSITIVE_INFINITY
  documents = 0

  note(reading: BucketReading): void {
    if (this.asOf === undefined || compare(reading.asOf.position, this.asOf.position) < 0) {
      this.asOf = reading.asOf
    }
    this.caughtUpTo = Math.min(this.caughtUpTo, reading.caughtUpTo)
    for (const rows of reading.answer.rows) this.documents += rows.length
  }

  /** A client belongs to one partition: sizes can be added up, and are more exact than a union's. */
  addSeries(reading: BucketReading): void {
    for (const [at, more] of sumsBy(reading.parts.flat(), (bucket) => bucket.at)) {
      const sum = this.sums.get(at) ?? { counts: noCounts(), visitors: 0 }
      addCounts(sum.counts, more.counts)
      sum.visitors += more.visitors
      this.sums.set(at, sum)
    }
  }
}

const counts = { counts: true, visitors: false, sessions: false } as const
const visitors = { counts: false, visitors: true, sessions: false } as const
const everything = { counts: true, visitors: true, sessions: true } as const

/** Reads all partitions, some at a time. They are not read at one moment: `asOf` is the earliest. */
export const readOverview = (
  buckets: MerchantBuckets,
  build: Build,
  interval: Interval,
  plan: SeriesPlan,
  { range, parts }: Cover,
): Effect.Effect<OverviewNumbers, QueryError> =>
  Effect.gen(function* () {
    const adding = new Adding()
    const seriesIsWhole = range.from === plan.range.from && range.to === plan.range.to

    const readPartition = (partition: number) =>
      Effect.gen(function* () {
        const all = { id: everyMerchant(partition), timezone: UTC, partition, build }
        const active = { id: activeMerchants(partition), timezone: UTC, partition, build }
        const [series, total, merchants] = yield* Effect.all(
          [
            buckets.read(all, [{ interval, range: plan.range }], everything),
            seriesIsWhole ? Effect.succeed(undefined) : buckets.read(all, parts, counts),
            buckets.read(active, parts, visitors),
          ],
          { concurrency: "unbounded" },
        )
        yield* checkKept(UTC, interval, plan.range, series.answer.checkpoint.recordedAt)
        for (const reading of [series, total, merchants]) if (reading !== undefined) adding.note(reading)
        adding.addSeries(series)
        addCounts(adding.total, sumOf((total ?? series).parts.flat()).counts)
        adding.activeMerchants += sumOf(merchants.parts.flat()).visitors
      })

    let read = 0
    while (read < PARTITIONS) {
      const each = Math.max(1, adding.documents / Math.max(1, read))
      const most = Math.min(GROUP_PARTITIONS, PARTITIONS - read)
      // Not before one partition has shown how much it has.
      const size = read === 0 ? 1 : Math.max(1, Math.min(most, Math.floor(GROUP_DOCUMENTS / each)))
      const group = Array.from({ length: size }, (_, index) => read + index)
      yield* Effect.forEach(group, readPartition, { concurrency: "unbounded", discard: true })
      read += size
      yield* Effect.sleep(0)
      if (adding.documents > MAX_OVERVIEW_DOCUMENTS) {
        return yield* refused(
          "TOO_COSTLY",
          `this reads more than ${MAX_OVERVIEW_DOCUMENTS} stored documents: shorten the range`,
          { limit: MAX_OVERVIEW_DOCUMENTS },
        )
      }
    }
    const { sums, total, activeMerchants: active, asOf, caughtUpTo } = adding
    return { sums, total, activeMerchants: active, asOf: asOf as AsOf, caughtUpTo }
  })
