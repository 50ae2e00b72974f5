/** Keys that the first filter has room for; each next one has twice as much. */
const FIRST_ROOM = 131_072
const BITS_PER_KEY = 10
const PROBES = 4
/** About 8 million keys in 17 MB. Past them nothing is known any more. */
const MOST_FILTERS = 6

interface Filter {
  readonly words: Uint32Array
  readonly mask: number
  left: number
}

const filterOf = (room: number): Filter => {
  // To the next power of two, so that a mask takes the place of a division.
  const bits = 2 ** Math.ceil(Math.log2(room * BITS_PER_KEY))
  return { words: new Uint32Array(bits / 32), mask: bits - 1, left: room }
}

/** FNV-1a over UTF-16 code units, 32 bits, from a hash that goes before. */
const hashOf = (text: string, before: number): number => {
  let h = before
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h
}

/** Spreads a hash over all of its bits (the finaliser of MurmurHash3). */
const mix = (hash: number): number => {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

const has = ({ words, mask }: Filter, hash: number, step: number): boolean => {
  for (let probe = 0, at = hash; probe < PROBES; probe++, at += step) {
    const bit = at & mask
    if (((words[bit >>> 5] as number) & (1 << (bit & 31))) === 0) return false
  }
  return true
}

const put = ({ words, mask }: Filter, hash: number, step: number): void => {
  for (let probe = 0, at = hash; probe < PROBES; probe++, at += step) {
    const bit = at & mask
    words[bit >>> 5] = (words[bit >>> 5] as number) | (1 << (bit & 31))
  }
}

/**
 * All keys that were ever put into a store that was empty at first, as Bloom filters. A catching-up fold asks for as
 * many documents that are not there as for ones that are, and a look-up in the store costs twenty times as much.
 */
export class KnownKeys {
  readonly #filters: Array<Filter> = [filterOf(FIRST_ROOM)]
  readonly #seeds = new Map<string, number>()
  #isFull = false

  #hash(collection: string, key: string): number {
    let seed = this.#seeds.get(collection)
    if (seed === undefined) {
      seed = hashOf(collection, 0x811c9dc5)
      this.#seeds.set(collection, seed)
    }
    return mix(hashOf(key, seed))
  }

  add(collection: string, key: string): void {
    if (this.#isFull) return
    const hash = this.#hash(collection, key)
    const step = mix(hash) | 1
    if (this.#filters.some((filter) => has(filter, hash, step))) return
    let last = this.#filters[this.#filters.length - 1] as Filter
    if (last.left === 0) {
      if (this.#filters.length === MOST_FILTERS) {
        this.#isFull = true
        this.#filters.length = 0
        return
      }
      last = filterOf(FIRST_ROOM * 2 ** this.#filters.length)
      this.#filters.push(last)
    }
    put(last, hash, step)
    last.left--
  }

  /** False: it was never put. True: it may have been. */
  mayHave(collection: string, key: string): boolean {
    if (this.#isFull) return true
    const hash = this.#hash(collection, key)
    const step = mix(hash) | 1
    for (const filter of this.#filters) if (has(filter, hash, step)) return true
    return false
  }
}
