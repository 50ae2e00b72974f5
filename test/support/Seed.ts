/** A small seeded generator (mulberry32), so that a random test can be run again as it was. */
export class Random {
  constructor(private state: number) {}

  /** 0 up to, not including, 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  /** 0 up to, not including, `below`. */
  integer(below: number): number {
    return Math.floor(this.next() * below)
  }

  pick<A>(values: ReadonlyArray<A>): A {
    return values[this.integer(values.length)] as A
  }
}

/** The seed of a random test: `TIDEMARK_TEST_SEED`, or a new one. Always printed. */
export const seededRandom = (test: string): { readonly seed: number; readonly random: Random } => {
  const given = process.env.TIDEMARK_TEST_SEED
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
  console.log(`${test}: TIDEMARK_TEST_SEED=${seed}`)
  return { seed, random: new Random(seed) }
}
