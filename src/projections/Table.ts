import type { Row, Scan } from "../readmodels/ReadModels.js"

/**
 * A table of named entries, kept in documents that stay small enough to be rewritten often: one document
 * while it has few names, else chunks by a hash of the name. How it lies follows from the names alone, not
 * from the order in which they came. It grows by one chunk at a time, whose names come out of one other
 * (W. Litwin, "Linear hashing", 1980), so that no event has to rewrite a table of a million names.
 *
 * `key`            the head: how many names there are, and while they are few, the entries.
 * `key` U+0001 nnn chunk nnn: entries.
 */
export type Entries<E> = { [name: string]: E }

interface Head<E> {
  n: number
  e?: Entries<E>
}

/** How entries are read where they are not stored as JSON has them. What is stored has a text `n`. */
export interface Packing<Out = unknown> {
  readonly unpack: (stored: object) => {
    readonly names: ReadonlyArray<string>
    readonly entries: ReadonlyArray<Out>
  }
}

/** A collection of tables. How many names a head, and on average a chunk, holds is part of the storage format. */
export interface Tables {
  readonly collection: string
  readonly inline: number
  readonly perChunk: number
}

export const tablesIn = (
  collection: string,
  { inline = 64, perChunk = 48 }: { inline?: number; perChunk?: number } = {},
): Tables => ({ collection, inline, perChunk })

/** Whether entries were stored packed; those of former versions of a projection are not. */
export const isPacked = (stored: object): boolean => typeof (stored as { n?: unknown }).n === "string"

/** 0 when all entries are in the head. */
export const chunksFor = ({ inline, perChunk }: Tables, names: number): number =>
  names <= inline ? 0 : Math.ceil(names / perChunk)

/** FNV-1a over UTF-16 units. The storage format depends on it. */
export const hashOf = (name: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193)
  return (h ^ (h >>> 15)) >>> 0
}

/** The greatest power of two that is not above the number. */
export const powerOfTwo = (number: number): number => 2 ** (31 - Math.clz32(number))

/** The chunk of a name with this hash. With one chunk more, only names of one chunk change theirs, and all to the new one. */
export const chunkAt = (hash: number, chunks: number): number => {
  const half = powerOfTwo(chunks)
  const chunk = hash & (2 * half - 1)
  return chunk < chunks ? chunk : hash & (half - 1)
}

/** Asked as a set: the operator `in` would have V8 keep each name, of which there are as many as clients. */
const inherited = new Set(Object.getOwnPropertyNames(Object.prototype))

/** The name as an object's own key, which `constructor` or `__proto__` can't be. */
export const entryName = (name: string): string =>
  inherited.has(name) || name.charCodeAt(0) === 2 ? `\u0002${name}` : name

export const nameOf = (entry: string): string => (entry.charCodeAt(0) === 2 ? entry.slice(1) : entry)

export const chunkKey = (key: string, chunk: number): string =>
  `${key}\u0001${chunk.toString(36).padStart(3, "0")}`

function* named<E>(entries: Entries<E>): Generator<[string, E]> {
  for (const own in entries) yield [nameOf(own), entries[own] as E]
}

/** The scan of the tables with keys from `from`, included, to `to`, excluded. Read its rows with `rowEntries`. */
export const tableScan = ({ collection }: Tables, from: string, to: string): Scan => ({
  collection,
  from,
  to,
})

/**
 * The entries of a row of a `tableScan` as they are stored, undefined in a row that only says how many there are;
 * `parts` is how many parts the tables' keys have.
 */
export const storedEntries = (row: Row, parts: number): object | undefined => {
  const isHead = row.key.split("\u0001").length === parts
  return isHead ? (row.doc as Head<unknown>).e : (row.doc as object)
}

/** The entries in a row of a `tableScan`; `packing`: how they are stored. */
export function* rowEntries<E>(row: Row, parts: number, packing?: Packing): Generator<[string, E]> {
  const stored = storedEntries(row, parts)
  if (stored === undefined) return
  if (packing === undefined || !isPacked(stored)) {
    yield* named(stored as Entries<E>)
    return
  }
  const { names, entries } = packing.unpack(stored)
  for (let i = 0; i < names.length; i++) yield [names[i] as string, entries[i] as E]
}
