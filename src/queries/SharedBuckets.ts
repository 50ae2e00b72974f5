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
  type Answer = Exit.Exit<BucketReading, QueryError>
  const read = sameTick(
    (reads: ReadonlyArray<Read>): Effect.Effect<ReadonlyArray<Answer>> =>
      Effect.suspend(() => {
        const answers: Array<Answer> = []
        const answer = ({ merchant, parts, wanted }: Read, index: number) =>
          Effect.map(Effect.exit(buckets.read(merchant, parts, wanted)), (exit) => {
            answers[index] = exit
          })
        const all = Effect.forEach(reads, answer, { concurrency: "unbounded", discard: true })
        // Taken out of what the fibers refer to, which are kept longer than they run (decision 0034).
        return Effect.map(all, () => answers.splice(0))
      }),
    nameOf,
  )
  return { read: (merchant, parts, wanted) => Effect.flatten(read({ merchant, parts, wanted })) }
}
