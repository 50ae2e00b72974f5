import type { BucketDimension, Interval, Metric } from "../../domain/Metrics.js"

/** A number that is not the same in both builds. */
export interface Difference {
  /** Undefined for what belongs to no merchant. */
  readonly merchantId: string | undefined
  /** Where the number stands, as one text. */
  readonly key: string
  /** Null where the build has none. */
  readonly before: number | null
  readonly after: number | null
  readonly bucket: BucketOfDifference | undefined
}

export interface BucketOfDifference {
  readonly metric: Metric
  readonly interval: Interval
  /** First instant of the bucket, epoch ms. */
  readonly at: number
  /** Of sums of money. */
  readonly currency: string | undefined
  readonly dimension: BucketDimension | undefined
  readonly value: string | undefined
}

/** How far apart the two numbers are. */
export const sizeOf = ({ before, after }: Difference): number => Math.abs((after ?? 0) - (before ?? 0))

/** Largest first; those of a size in order of their merchants and keys. */
export const compareSizes = (a: Difference, b: Difference): number => {
  const by = sizeOf(b) - sizeOf(a)
  if (by !== 0) return by
  const [one, other] = [`${a.merchantId ?? ""} ${a.key}`, `${b.merchantId ?? ""} ${b.key}`]
  return one < other ? -1 : one > other ? 1 : 0
}

/** Keeps the largest of however many come. */
export class Largest {
  private kept: Array<Difference> = []
  /** Whose numbers differ. */
  readonly merchants = new Set<string>()
  count = 0

  constructor(private readonly most: number) {}

  add(difference: Difference): void {
    this.count++
    if (difference.merchantId !== undefined) this.merchants.add(difference.merchantId)
    this.kept.push(difference)
    if (this.kept.length >= 2 * this.most) this.kept = this.inOrder().slice(0, this.most)
  }

  inOrder(): Array<Difference> {
    return this.kept.sort(compareSizes).slice(0, this.most)
  }
}
