import * as Either from "effect/Either"
import type { Interval } from "../domain/Metrics.js"
import { bucketStart, bucketStarts, nextBucket, type Range, widen } from "../domain/TimeBuckets.js"
import type { Part } from "../projections/FactFold.js"
import { type QueryRefused, refused } from "./QueryError.js"

export type { Range }

export const MAX_POINTS = 11_000

/**
 * No event's clock is further ahead of its recording: 5 minutes are let in, and servers' clocks may differ. Its
 * session, which goes by arrival, may begin on the day before the one that its fact, and with it its
 * properties, lie on.
 */
export const AHEAD_MS = 10 * 60_000

/** What a JavaScript date can say, less a year for widening: years -271820 to 275759. */
const EDGE = 8_640_000_000_000_000 - 366 * 86_400_000

export const checkRange = (range: Range): Either.Either<Range, QueryRefused> => {
  if (!(range.from < range.to)) {
    return Either.left(refused("INVALID_RANGE", "range.from must be before range.to, which is excluded"))
  }
  if (range.from < -EDGE || range.to > EDGE) {
    return Either.left(refused("INVALID_RANGE", "the range reaches beyond the years that dates can say"))
  }
  return Either.right(range)
}

export interface SeriesPlan {
  /** Whole buckets. */
  readonly range: Range
  /** First instants of the points. */
  readonly starts: ReadonlyArray<number>
}

export const planSeries = (
  zone: string,
  interval: Interval,
  asked: Range,
): Either.Either<SeriesPlan, QueryRefused> =>
  Either.flatMap(checkRange(asked), (checked) => {
    const range = widen(zone, interval, checked)
    const starts = bucketStarts(zone, interval, range, MAX_POINTS + 1)
    if (starts.length > MAX_POINTS) {
      return Either.left(
        refused(
          "TOO_MANY_POINTS",
          `the range has more than ${MAX_POINTS} points at ${interval}: shorten it, or ask for a longer interval`,
          { limit: MAX_POINTS },
        ),
      )
    }
    return Either.right({ range, starts })
  })

/**
 * How to cover a range without an interval at a cost that follows its length: whole days where days fit,
 * hours at its two ends. The range is widened to whole hours, so that one cut at hours is exact.
 */
export interface Cover {
  readonly range: Range
  readonly parts: ReadonlyArray<Part>
}

export const cover = (zone: string, asked: Range): Either.Either<Cover, QueryRefused> =>
  Either.map(checkRange(asked), (checked) => {
    const range = widen(zone, "HOUR", checked)
    const firstDay = bucketStart(zone, "DAY", range.from)
    const from = firstDay === range.from ? firstDay : nextBucket(zone, "DAY", range.from)
    const to = bucketStart(zone, "DAY", range.to)
    if (from >= to) return { range, parts: [{ interval: "HOUR", range }] }
    const parts: ReadonlyArray<Part> = [
      { interval: "HOUR", range: { from: range.from, to: from } },
      { interval: "HOUR", range: { from: to, to: range.to } },
      { interval: "DAY", range: { from, to } },
    ]
    return { range, parts: parts.filter((part) => part.range.from < part.range.to) }
  })
