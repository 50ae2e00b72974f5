/**
 * The live clients' columns: one number of each for every place, in typed arrays. A place is kept until its client
 * goes, and is used again then.
 */
export class Columns {
  keys = new Int32Array(0)
  at = new Float64Array(0)
  recordedAt = new Float64Array(0)
  address = new Float64Array(0)
  country = new Uint16Array(0)
  merchant = new Int32Array(0)
  next = new Int32Array(0)
  previous = new Int32Array(0)
  /** Places ever used. */
  used = 0
  /** First of the places that are free, linked by `next`; -1 when there is none. */
  private free = -1

  get capacity(): number {
    return this.merchant.length
  }

  get bytes(): number {
    return this.capacity * (16 + 8 + 8 + 8 + 2 + 4 + 4 + 4)
  }

  take(): number {
    if (this.free >= 0) {
      const place = this.free
      this.free = this.next[place] as number
      return place
    }
    if (this.used === this.capacity) this.grow()
    return this.used++
  }

  give(place: number): void {
    this.next[place] = this.free
    this.free = place
  }

  /** By a half: a million clients must not hold the memory of two. */
  private grow(): void {
    const capacity = Math.max(16, Math.ceil(this.capacity * 1.5))
    const longer = <A extends Int32Array | Float64Array | Uint16Array>(from: A, to: A): A => {
      to.set(from)
      return to
    }
    this.keys = longer(this.keys, new Int32Array(capacity * 4))
    this.at = longer(this.at, new Float64Array(capacity))
    this.recordedAt = longer(this.recordedAt, new Float64Array(capacity))
    this.address = longer(this.address, new Float64Array(capacity))
    this.country = longer(this.country, new Uint16Array(capacity))
    this.merchant = longer(this.merchant, new Int32Array(capacity))
    this.next = longer(this.next, new Int32Array(capacity))
    this.previous = longer(this.previous, new Int32Array(capacity))
  }
}
