import { Effect } from "effect"
import type { Dimension, Interval } from "../domain/Metrics.js"
import { partitionOf } from "../domain/Partition.js"
import { bucketStart, type Range } from "../domain/TimeBuckets.js"
import { type Bucket, bucketScan, bucketsOf, PROJECTION } from "../projections/metrics.js"
import type { Freshness, Reading } from "./Freshness.js"
import { type QueryError, refused } from "./QueryError.js"
import type { Zones } from "./Zones.js"

/** A part of a question about buckets: whole buckets of one interval in the merchant's zone. */
export interface Part {
  readonly interval: Interval
  readonly range: Range
}

export interface BucketReading extends Reading {
  /** For each part, in no order. Buckets of one time and value may come in pieces: add them up. */
  readonly parts: ReadonlyArray<ReadonlyArray<Bucket>>
}

/** Documents that one question may read: past this it would hold up everyone else. */
export const MAX_DOCUMENTS = 250_000

/** The interval in which buckets of a former zone are read, to be put into those of today's zone. */
const finer = (interval: Interval): Interval =>
  interval === "MINUTE" || interval === "TEN_MINUTES" ? interval : "HOUR"

export interface MerchantBuckets {
  /** Reads all parts at one moment. */
  readonly read: (
    merchant: { readonly id: string; readonly timezone: string },
    parts: ReadonlyArray<Part>,
    dimension?: Dimension,
  ) => Effect.Effect<BucketReading, QueryError>
}

export const makeMerchantBuckets = (freshness: Freshness, zones: Zones): MerchantBuckets => ({
  read: ({ id, timezone }, parts, dimension) =>
    Effect.gen(function* () {
      const former = (yield* zones.of(id)).filter((zone) => zone !== timezone)
      // Events stay in the buckets of the zone in force when they were recorded.
      const reads = [timezone, ...former].flatMap((zone) =>
        parts.map(({ interval, range }) => ({
          zone,
          interval: zone === timezone ? interval : finer(interval),
          range,
        })),
      )
      const scans = reads.map(({ zone, interval, range }) => ({
        ...bucketScan(id, zone, interval, dimension, range.from, range.to),
        limit: MAX_DOCUMENTS,
      }))
      const reading = yield* freshness.read(PROJECTION, partitionOf(id), scans)
      const documents = reading.answer.rows.reduce((sum, rows) => sum + rows.length, 0)
      if (documents >= MAX_DOCUMENTS) {
        return yield* refused(
          "TOO_COSTLY",
          `this reads ${MAX_DOCUMENTS} stored buckets or more: shorten the range`,
          { limit: MAX_DOCUMENTS },
        )
      }
      const found = parts.map((): Array<Bucket> => [])
      reads.forEach(({ zone, interval, range }, index) => {
        const part = index % parts.length
        const asked = parts[part]?.interval ?? interval
        for (const bucket of bucketsOf(
          zone,
          interval,
          dimension,
          range.from,
          range.to,
          reading.answer.rows[index] ?? [],
        )) {
          found[part]?.push(
            zone === timezone ? bucket : { ...bucket, at: bucketStart(timezone, asked, bucket.at) },
          )
        }
      })
      return { ...reading, parts: found }
    }),
})
