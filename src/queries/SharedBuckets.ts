import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { BucketReading, BucketsOf, BucketsWanted, MerchantBuckets, Part } from "./MerchantBuckets.js"
import type { QueryError } from "./QueryError.js"
import { sameTick } from "./SameTick.js"

interface Read {
  readonly merchant: BucketsOf
  readonly parts: ReadonlyArray<Part>
  readonly wanted: BucketsWanted
}

const nameOf = ({ merchant, parts, wanted }: Read): string =>
  JSON.stringify([
    ...[merchant.id, merchant.timezone, merchant.partition, merchant.build?.id],
    parts.map(({ interval, range }) => [interval, range.from, range.to]),
    ...[wanted.dimension, wanted.counts, wanted.visitors, wanted.sessions],
    ...[wanted.sumsOf?.metric, wanted.sumsOf?.currency],
  ])

/**
 * Equal reads of one tick are made once, such as those of a dashboard's many series. What is read is shared:
 * nobody may change it.
 */
export const shareBuckets = (buckets: MerchantBuckets): MerchantBuckets => {
  const read = sameTick(
    (reads: ReadonlyArray<Read>) =>
      Effect.forEach(
        reads,
        ({ merchant, parts, wanted }): Effect.Effect<Exit.Exit<BucketReading, QueryError>> =>
          Effect.exit(buckets.read(merchant, parts, wanted)),
        { concurrency: "unbounded" },
      ),
    nameOf,
  )
  return { read: (merchant, parts, wanted) => Effect.flatten(read({ merchant, parts, wanted })) }
}
