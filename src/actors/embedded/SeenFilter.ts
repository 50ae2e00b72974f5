/** Bits for each key of a full table: about 1 in 100 strange keys then looks known. */
const BITS_PER_KEY = 12
/** A block is 8 words of 32 bits, so that a look-up touches one line of the processor's cache. */
const WORDS = 8
const FIRST_TABLE_KEYS = 1 << 19
/** Larger tables would ask for much memory at once, of which little is used for long. */
const MOST_TABLE_KEYS = 1 << 23
const LARGEST = 64 << 20

/** One odd multiplier for each word of a block: they spread one hash into eight bits. */
const SALTS = Int32Array.from([
  0x2c9277b5, 0x6a09e667, 0x3c6ef373, 0x510e527f, 0x1b873593, 0x5bd1e995, 0x4cf5ad43, 0x38b34ae5,
])

const blocksFor = (keys: number): number => Math.ceil((keys * BITS_PER_KEY) / (WORDS * 32))
const MOST_BLOCKS = blocksFor(MOST_TABLE_KEYS)

interface Table {
  readonly words: Int32Array
  readonly blocks: number
  /** Keys that it still takes. */
  room: number
}

/** The finaliser of MurmurHash3: every bit of the input reaches every bit of the result. */
const mix = (h: number): number => {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/**
 * Which keys may have been seen: "no" is certain, "yes" is to be checked. Tables in the manner of the
 * split block Bloom filter (Putze, Sanders and Singler 2007), each twice as large as the one before up to a limit; past
 * `bytes` of memory it gives up, and answers "yes" to everything. Dashes in keys are passed over, so that
 * a UUID and its 32 hex digits are the same key.
 */
export class SeenFilter {
  private tables: Array<Table> = []
  private first = 0
  private second = 0
  private used = 0
  private full = false

  constructor(private readonly bytes = LARGEST) {}

  /** True once it has forgotten everything for lack of memory: for good. */
  get gaveUp(): boolean {
    return this.full
  }

  mayHold(key: string): boolean {
    if (this.full) return true
    this.hash(key)
    for (const table of this.tables) if (this.within(table)) return true
    return false
  }

  add(key: string): void {
    if (this.full) return
    let table = this.tables[this.tables.length - 1]
    if (table === undefined || table.room === 0) {
      table = this.grow(table)
      if (table === undefined) return
    }
    this.hash(key)
    table.room--
    const at = ((this.first >>> 0) % table.blocks) * WORDS
    for (let i = 0; i < WORDS; i++) {
      const word = table.words[at + i] ?? 0
      table.words[at + i] = word | (1 << (Math.imul(this.second, SALTS[i] ?? 1) >>> 27))
    }
  }

  private within({ words, blocks }: Table): boolean {
    const at = ((this.first >>> 0) % blocks) * WORDS
    for (let i = 0; i < WORDS; i++) {
      if (((words[at + i] ?? 0) & (1 << (Math.imul(this.second, SALTS[i] ?? 1) >>> 27))) === 0) return false
    }
    return true
  }

  private grow(last: Table | undefined): Table | undefined {
    const blocks = last === undefined ? blocksFor(FIRST_TABLE_KEYS) : Math.min(last.blocks * 2, MOST_BLOCKS)
    this.used += blocks * WORDS * 4
    if (this.used > this.bytes) {
      this.full = true
      this.tables = []
      return undefined
    }
    const room = Math.floor((blocks * WORDS * 32) / BITS_PER_KEY)
    const table = { words: new Int32Array(blocks * WORDS), blocks, room }
    this.tables.push(table)
    return table
  }

  private hash(key: string): void {
    let a = 0x811c9dc5
    let b = 0x9747b28c
    for (let i = 0; i < key.length; i++) {
      const code = key.charCodeAt(i)
      if (code === 45) continue
      a = Math.imul(a ^ code, 0x01000193)
      b = Math.imul(b ^ code, 0x5bd1e995) ^ (b >>> 15)
    }
    this.first = mix(a)
    this.second = mix(b ^ (a >>> 7))
  }
}
