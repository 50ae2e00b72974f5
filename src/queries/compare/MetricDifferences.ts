import * as Effect from "effect/Effect"
import { type BucketDimension, bucketDimensions, type Metric, metrics } from "../../domain/Metrics.js"
import { bucketStart, type Range } from "../../domain/TimeBuckets.js"
import {
  type Bucket,
  currenciesOf,
  metricValue,
  Sum,
  sumsBy,
  zoneIn,
  zonesRef,
} from "../../projections/metrics.js"
import type { Build, ReadModelsService } from "../../readmodels/ReadModels.js"
import { makeFreshness } from "../Freshness.js"
import { makeMerchantBuckets } from "../MerchantBuckets.js"
import type { QueryError } from "../QueryError.js"
import { makeZones } from "../Zones.js"
import type { Difference } from "./Difference.js"

const DAY = 86_400_000
/** Days read at once. */
const WINDOW = 7

const needs = { counts: true, visitors: true, sessions: true } as const

const ofMoney: ReadonlySet<Metric> = new Set([
  "GROSS_VOLUME",
  "REFUND_VOLUME",
  "NET_VOLUME",
  "AVERAGE_ORDER_VALUE",
])

const nobody = new Sum()

/** Metrics of a bucket by name, money by currency: `GROSS_VOLUME USD`. */
const valuesOf = (sum: Sum, currencies: ReadonlySet<string>) => {
  const values = new Map<string, { metric: Metric; currency: string | undefined; value: number | null }>()
  for (const metric of metrics) {
    if (metric === "VISITORS") {
      values.set(metric, { metric, currency: undefined, value: sum.visitors })
      continue
    }
    if (!ofMoney.has(metric)) {
      values.set(metric, { metric, currency: undefined, value: metricValue(sum.counts, metric, "") })
      continue
    }
    for (const currency of currencies) {
      const value = metricValue(sum.counts, metric, currency)
      values.set(`${metric} ${currency}`, { metric, currency, value })
    }
  }
  return values
}

/** The days that may differ, in whole days of the zone, in pieces that can be read at once. */
const windowsOf = (zone: string, instants: ReadonlySet<number>): ReadonlyArray<Range> => {
  const days = new Set<number>()
  for (const at of instants) {
    // A document of a UTC day, or of another zone's, touches two days; sessions reach into the next.
    for (const day of [-1, 0, 1, 2]) days.add(bucketStart(zone, "DAY", at + day * DAY))
  }
  const windows: Array<{ from: number; to: number }> = []
  for (const from of [...days].sort((a, b) => a - b)) {
    const to = bucketStart(zone, "DAY", from + 28 * 3_600_000)
    const last = windows.at(-1)
    if (last !== undefined && last.to === from && to - last.from <= WINDOW * DAY) last.to = to
    else windows.push({ from, to })
  }
  return windows
}

/** Reads the numbers of two builds as questions do, and says where they differ. */
export const makeMetricDifferences = (store: ReadModelsService, before: Build, after: Build) => {
  const tail = { head: () => Effect.succeed("0" as never), lagMs: () => Effect.succeed(0) }
  const board = {
    of: () => undefined,
    all: () => [],
    listen: () => () => {},
    reached: () => Effect.succeed(true),
  }
  const freshness = makeFreshness(store, tail, board, Date.now)
  const buckets = makeMerchantBuckets(freshness, makeZones(store, freshness))

  const read = (build: Build, id: string, timezone: string, range: Range, dimension?: BucketDimension) =>
    Effect.map(
      buckets.read(
        { id, timezone, build },
        dimension === undefined
          ? [
              { interval: "DAY", range },
              { interval: "HOUR", range },
            ]
          : [{ interval: "DAY", range }],
        { ...needs, dimension },
      ),
      ({ parts }) => parts,
    )

  const compare = (
    merchantId: string,
    interval: "DAY" | "HOUR",
    dimension: BucketDimension | undefined,
    [left, right]: readonly [ReadonlyArray<Bucket>, ReadonlyArray<Bucket>],
    tell: (difference: Difference) => void,
  ): void => {
    const nameOf = ({ at, value }: Bucket) => `${at} ${value ?? ""}`
    const places = new Map([...left, ...right].map((bucket) => [nameOf(bucket), bucket]))
    const [one, other] = [sumsBy(left, nameOf), sumsBy(right, nameOf)]
    for (const [name, { at, value }] of places) {
      const sums = [one.get(name) ?? nobody, other.get(name) ?? nobody] as const
      const currencies = new Set(sums.flatMap(({ counts }) => currenciesOf(counts)))
      const values = valuesOf(sums[1], currencies)
      for (const [metricName, { metric, currency, value: number }] of valuesOf(sums[0], currencies)) {
        const now = values.get(metricName)?.value ?? null
        if (number === now) continue
        const by = dimension === undefined ? "" : ` ${dimension}=${value ?? ""}`
        tell({
          merchantId,
          key: `${interval} ${new Date(at).toISOString()} ${metricName}${by}`,
          before: number,
          after: now,
          bucket: {
            metric,
            interval,
            at,
            currency,
            dimension,
            value: dimension === undefined ? undefined : value,
          },
        })
      }
    }
  }

  return {
    /** `instants`: when the documents of the merchant that differ begin, epoch ms. */
    ofMerchant: (
      merchantId: string,
      instants: ReadonlySet<number>,
      tell: (difference: Difference) => void,
    ): Effect.Effect<void, QueryError> =>
      Effect.gen(function* () {
        const [settings] = yield* store.load(after.id, [zonesRef(merchantId)])
        const timezone = zoneIn(settings)
        for (const range of windowsOf(timezone, instants)) {
          const [left, right] = [
            yield* read(before, merchantId, timezone, range),
            yield* read(after, merchantId, timezone, range),
          ]
          compare(merchantId, "DAY", undefined, [left[0] ?? [], right[0] ?? []], tell)
          compare(merchantId, "HOUR", undefined, [left[1] ?? [], right[1] ?? []], tell)
          for (const dimension of bucketDimensions) {
            const one = yield* read(before, merchantId, timezone, range, dimension)
            const other = yield* read(after, merchantId, timezone, range, dimension)
            compare(merchantId, "DAY", dimension, [one[0] ?? [], other[0] ?? []], tell)
          }
          yield* Effect.sleep(0)
        }
      }),
  }
}
