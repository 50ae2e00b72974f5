import * as Either from "effect/Either"
import type { Interval } from "../domain/Metrics.js"
import { nextBucket, type Range } from "../domain/TimeBuckets.js"
import { keptFor } from "../projections/metrics.js"
import { type QueryRefused, refused } from "./QueryError.js"

/**
 * Refuses a range of whole buckets that reaches beyond what is kept. `newest`: when the last event was
 * recorded that the buckets include, epoch ms; null before the first.
 */
export const checkKept = (
  zone: string,
  interval: Interval,
  range: Range,
  newest: number | null,
): Either.Either<void, QueryRefused> => {
  const kept = keptFor(interval)
  if (kept === undefined || newest === null || range.from >= newest - kept) return Either.void
  const earliest = new Date(nextBucket(zone, interval, newest - kept)).toISOString()
  const days = kept / 86_400_000
  return Either.left(
    refused(
      "RANGE_NOT_KEPT",
      `${interval} is kept for ${days} days: begin at ${earliest} or later, or ask for HOUR or DAY`,
      { earliest, days },
    ),
  )
}
