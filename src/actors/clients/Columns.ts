type Numbers = Int32Array | Float64Array | Uint16Array

/** Places of a segment, as a power of two. */
const SEGMENT_BITS = 8
const SEGMENT = 1 << SEGMENT_BITS
const MASK = SEGMENT - 1

/** One number for every place. */
export class Column {
  private readonly segments: Array<Numbers> = []

  get(place: number): number {
    return (this.segments[place >>> SEGMENT_BITS] as Numbers)[place & MASK] as number
  }

  set(place: number, value: number): void {
    ;(this.segments[place >>> SEGMENT_BITS] as Numbers)[place & MASK] = value
  }

  add(segment: Numbers): void {
    this.segments.push(segment)
  }
}

/** Key of 128 bits as four columns, activity and recording time, address, country, merchant, next and previous. */
const PLACE_BYTES = 4 * 4 + 3 * 8 + 2 + 3 * 4

/**
 * The live clients' columns: one number of each for every place. A place is kept until its client goes, and is used
 * again then. They grow by segments that stay where they are: copying all into longer ones would take the memory
 * of both for a while, in every partition at the same time.
 */
export class Columns {
  readonly key: readonly [Column, Column, Column, Column] = [
    new Column(),
    new Column(),
    new Column(),
    new Column(),
  ]
  readonly at = new Column()
  readonly recordedAt = new Column()
  readonly address = new Column()
  readonly country = new Column()
  readonly merchant = new Column()
  readonly next = new Column()
  readonly previous = new Column()
  private capacity = 0
  /** Places ever used. */
  private used = 0
  /** First of the places that are free, linked by `next`; -1 when there is none. */
  private free = -1

  get bytes(): number {
    return this.capacity * PLACE_BYTES
  }

  take(): number {
    if (this.free >= 0) {
      const place = this.free
      this.free = this.next.get(place)
      return place
    }
    if (this.used === this.capacity) this.grow()
    return this.used++
  }

  give(place: number): void {
    this.next.set(place, this.free)
    this.free = place
  }

  private grow(): void {
    const memory = new ArrayBuffer(SEGMENT * PLACE_BYTES)
    let end = 0
    const next = (bytes: number): number => {
      const begin = end
      end += SEGMENT * bytes
      return begin
    }
    // The widest first, so that each begins at a multiple of its width.
    for (const column of [this.at, this.recordedAt, this.address])
      column.add(new Float64Array(memory, next(8), SEGMENT))
    for (const column of [...this.key, this.merchant, this.next, this.previous])
      column.add(new Int32Array(memory, next(4), SEGMENT))
    this.country.add(new Uint16Array(memory, next(2), SEGMENT))
    this.capacity += SEGMENT
  }
}
