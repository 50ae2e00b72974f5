import * as Effect from "effect/Effect"
import { instantIn, isOfMerchant, PROJECTION as METRICS } from "../../projections/metrics.js"
import type { Build, ReadModelsService } from "../../readmodels/ReadModels.js"
import type { QueryError } from "../QueryError.js"
import { type Difference, Largest } from "./Difference.js"
import { type DifferentDocument, walkBuilds } from "./Documents.js"
import { makeMetricDifferences } from "./MetricDifferences.js"
import { plainDifferences } from "./PlainDifferences.js"

/** What two builds that have the same events differ in. Plain data: it comes from another thread. */
export interface Compared {
  readonly equal: boolean
  /** Digests of all documents of each. */
  readonly before: string
  readonly after: string
  readonly documents: number
  readonly differentDocuments: number
  /** The largest of them, in order. */
  readonly differences: ReadonlyArray<Difference>
  readonly differenceCount: number
  /** How many merchants have numbers that differ. */
  readonly merchantCount: number
}

/** Differences that are kept for paging; all are counted. */
export const MOST_DIFFERENCES = 10_000
/** Documents whose numbers are not explained as buckets. */
const MOST_PLAIN = 1_000

/**
 * Compares two builds that stand still at one position, or that are read as of one moment: all documents first,
 * then the numbers of the merchants whose documents differ, read as questions read them.
 */
export const compareBuilds = (
  store: ReadModelsService,
  before: Build,
  after: Build,
  collections: ReadonlyArray<string>,
): Effect.Effect<Compared, QueryError> =>
  Effect.gen(function* () {
    const largest = new Largest(MOST_DIFFERENCES)
    const instants = new Map<string, Set<number>>()
    const plain: Array<DifferentDocument> = []
    let differentDocuments = 0
    const isOfMetrics = before.projection === METRICS
    const walked = yield* walkBuilds(store, before, after, collections, (different) => {
      differentDocuments++
      const merchantId = different.key[0] ?? ""
      if (isOfMetrics && isOfMerchant(merchantId)) {
        const at = instantIn(different.key)
        const known = instants.get(merchantId) ?? new Set()
        if (at !== undefined) known.add(at)
        instants.set(merchantId, known)
      }
      if (isOfMetrics) {
        if (plain.length < MOST_PLAIN) plain.push(different)
      } else for (const one of plainDifferences(different)) largest.add(one)
    })
    if (isOfMetrics) {
      const numbers = makeMetricDifferences(store, before, after)
      for (const [merchantId, when] of instants) {
        yield* numbers.ofMerchant(merchantId, when, (difference) => largest.add(difference))
      }
    }
    // Another layout of the same numbers is no difference; other documents of the same code are one.
    if (largest.count === 0 && before.definition === after.definition) {
      for (const different of plain) for (const one of plainDifferences(different)) largest.add(one)
    }
    return {
      equal: largest.count === 0,
      before: walked.before,
      after: walked.after,
      documents: walked.documents,
      differentDocuments,
      differences: largest.inOrder(),
      differenceCount: largest.count,
      merchantCount: largest.merchants.size,
    }
  })
