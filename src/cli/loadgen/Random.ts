/** A small fast generator (sfc32, Chris Doty-Humphrey's PractRand): the same seed gives the same run. */
export class Random {
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(seed: number) {
    this.a = seed | 0
    this.b = Math.floor(seed / 0x1_0000_0000) | 0
    this.c = 0x9e3779b9 | 0
    for (let round = 0; round < 12; round += 1) this.int32()
  }

  /** 32 random bits, as a signed integer. */
  int32(): number {
    const result = (((this.a + this.b) | 0) + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = (((this.c << 21) | (this.c >>> 11)) + result) | 0
    return result
  }

  /** From 0 up to 1, excluded. */
  next(): number {
    return (this.int32() >>> 0) / 0x1_0000_0000
  }

  /** From 0 up to `below`, excluded. */
  below(below: number): number {
    return Math.floor(this.next() * below)
  }
}

const hex4 = Array.from({ length: 65_536 }, (_, value) => value.toString(16).padStart(4, "0"))
const version4 = (bits: number): string => hex4[0x4000 | (bits & 0x0fff)] as string
const variant = (bits: number): string => hex4[0x8000 | (bits & 0x3fff)] as string
const four = (bits: number): string => hex4[bits & 0xffff] as string

/** A random UUID (RFC 9562, version 4). */
export const uuid = (random: Random): string => {
  const a = random.int32()
  const b = random.int32()
  const c = random.int32()
  const d = random.int32()
  return `${four(a)}${four(a >>> 16)}-${four(b)}-${version4(b >>> 16)}-${variant(c)}-${four(c >>> 16)}${four(d)}${four(d >>> 16)}`
}

/**
 * Draws 0 to `size` - 1 with Zipf weights 1 / (rank + 1), in constant time (alias method of A. J. Walker,
 * built as M. D. Vose describes).
 */
export class Zipf {
  private readonly keep: Float64Array
  private readonly alias: Int32Array

  constructor(private readonly size: number) {
    this.keep = new Float64Array(size)
    this.alias = new Int32Array(size)
    let sum = 0
    for (let rank = 0; rank < size; rank += 1) sum += 1 / (rank + 1)
    const small: number[] = []
    const large: number[] = []
    for (let rank = 0; rank < size; rank += 1) {
      this.keep[rank] = size / ((rank + 1) * sum)
      ;((this.keep[rank] as number) < 1 ? small : large).push(rank)
    }
    for (let low = small.pop(); low !== undefined; low = small.pop()) {
      const high = large.pop()
      if (high === undefined) {
        this.keep[low] = 1
        continue
      }
      this.alias[low] = high
      const rest = (this.keep[high] as number) - (1 - (this.keep[low] as number))
      this.keep[high] = rest
      ;(rest < 1 ? small : large).push(high)
    }
    for (const rank of large) this.keep[rank] = 1
  }

  draw(random: Random): number {
    const rank = random.below(this.size)
    return random.next() < (this.keep[rank] as number) ? rank : (this.alias[rank] as number)
  }
}
