/** Steps per doubling: quantiles are right within 1.1%. */
const STEPS = 64

/** A histogram of durations with logarithmic classes, from 1 us to 12 days. */
export class Latencies {
  private readonly counts = new Float64Array(40 * STEPS)
  private total = 0
  private longest = 0

  /** @param ms duration */
  add(ms: number): void {
    const us = ms * 1_000
    const index = us <= 1 ? 0 : Math.min(this.counts.length - 1, Math.round(Math.log2(us) * STEPS))
    this.counts[index] = (this.counts[index] as number) + 1
    this.total += 1
    if (ms > this.longest) this.longest = ms
  }

  get count(): number {
    return this.total
  }

  get max(): number {
    return this.longest
  }

  /** The duration, ms, that the share `q` of all (0 to 1) did not exceed; 0 when there is none. */
  quantile(q: number): number {
    const rank = Math.max(1, Math.ceil(this.total * q))
    let seen = 0
    for (let index = 0; index < this.counts.length; index += 1) {
      seen += this.counts[index] as number
      if (seen >= rank && seen > 0) return Math.min(this.longest, 2 ** (index / STEPS) / 1_000)
    }
    return this.longest
  }
}
