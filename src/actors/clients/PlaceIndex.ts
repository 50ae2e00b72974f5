import type { Column } from "./Columns.js"
import { formatKey, parsed, parseKey } from "./KeyBytes.js"

const EMPTY = -1
const FIRST = 32

/**
 * Which place a client key has: open addressing with linear probing over numbers of 32 bits. Keys are pseudonyms,
 * as good as random, so their first bits are the hash. A key that is none (of a test) is kept as a text.
 */
export class PlaceIndex {
  private table = new Int32Array(FIRST).fill(EMPTY)
  private count = 0
  private readonly odd = new Map<string, number>()
  private readonly oddKeys = new Map<number, string>()

  /** @param key where the keys of places stand. */
  constructor(private readonly key: readonly [Column, Column, Column, Column]) {}

  get size(): number {
    return this.count + this.odd.size
  }

  get bytes(): number {
    return this.table.byteLength
  }

  isOdd(place: number): boolean {
    return this.oddKeys.has(place)
  }

  oddPlaces(): ReadonlyArray<number> {
    return [...this.oddKeys.keys()]
  }

  /** -1 when the key has none. */
  find(key: string): number {
    if (!parseKey(key)) return this.odd.get(key) ?? EMPTY
    return this.table[this.slotOfParsed()] as number
  }

  keyOf(place: number): string {
    const odd = this.oddKeys.get(place)
    if (odd !== undefined) return odd
    const [a, b, c, d] = this.key
    return formatKey(a.get(place), b.get(place), c.get(place), d.get(place))
  }

  /** The key has no place yet. */
  add(key: string, place: number): void {
    if (!parseKey(key)) {
      this.odd.set(key, place)
      this.oddKeys.set(place, key)
      return
    }
    for (let word = 0; word < 4; word++) this.key[word]?.set(place, parsed[word] as number)
    this.addKept(place)
  }

  /** A place whose key stands in the columns already. */
  addKept(place: number): void {
    if ((this.count + 1) * 3 > this.table.length * 2) this.grow()
    this.table[this.slotOf(place)] = place
    this.count++
  }

  remove(place: number): void {
    const odd = this.oddKeys.get(place)
    if (odd !== undefined) {
      this.oddKeys.delete(place)
      this.odd.delete(odd)
      return
    }
    const mask = this.table.length - 1
    let hole = this.slotOf(place)
    if (this.table[hole] === EMPTY) return
    this.count--
    // Those behind move up, so that no search ends too early (Knuth 6.4, algorithm R).
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const other = this.table[slot] as number
      if (other === EMPTY) break
      const home = this.key[0].get(other) & mask
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        this.table[hole] = other
        hole = slot
      }
    }
    this.table[hole] = EMPTY
  }

  /** The slot of the parsed key, or the empty one where it belongs. */
  private slotOfParsed(): number {
    const [first, second, third, fourth] = this.key
    const mask = this.table.length - 1
    const [a, b, c, d] = parsed as unknown as readonly [number, number, number, number]
    for (let slot = a & mask; ; slot = (slot + 1) & mask) {
      const place = this.table[slot] as number
      if (place === EMPTY) return slot
      const isSame =
        first.get(place) === a && second.get(place) === b && third.get(place) === c && fourth.get(place) === d
      if (isSame) return slot
    }
  }

  private slotOf(place: number): number {
    const mask = this.table.length - 1
    let slot = this.key[0].get(place) & mask
    while (this.table[slot] !== EMPTY && this.table[slot] !== place) slot = (slot + 1) & mask
    return slot
  }

  private grow(): void {
    const old = this.table
    this.table = new Int32Array(old.length * 2).fill(EMPTY)
    for (const place of old) if (place !== EMPTY) this.table[this.slotOf(place)] = place
  }
}
