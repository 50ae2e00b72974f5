import type { Docs } from "../processors/Projection.js"
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

/** A collection of tables. How many names a head, and on average a chunk, holds is part of the storage format. */
export interface Tables {
  readonly collection: string
  readonly inline: number
  readonly perChunk: number
}

export const tablesIn = (collection: string, inline = 64, perChunk = 48): Tables => ({
  collection,
  inline,
  perChunk,
})

/** 0 when all entries are in the head. */
const chunksFor = ({ inline, perChunk }: Tables, names: number): number =>
  names <= inline ? 0 : Math.ceil(names / perChunk)

/** FNV-1a over UTF-16 units. The storage format depends on it. */
const hash = (name: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193)
  return (h ^ (h >>> 15)) >>> 0
}

/** The greatest power of two that is not above the number. */
const powerOfTwo = (number: number): number => 2 ** (31 - Math.clz32(number))

/** The chunk of a name. With one chunk more, only names of one chunk change theirs, and all to the new one. */
const chunkOf = (name: string, chunks: number): number => {
  const h = hash(name)
  const half = powerOfTwo(chunks)
  const chunk = h & (2 * half - 1)
  return chunk < chunks ? chunk : h & (half - 1)
}

const inherited = {}

/** The name as an object's own key, which `constructor` or `__proto__` can't be. */
export const entryName = (name: string): string =>
  name in inherited || name.charCodeAt(0) === 2 ? `\u0002${name}` : name

const nameOf = (entry: string): string => (entry.charCodeAt(0) === 2 ? entry.slice(1) : entry)

const chunkKey = (key: string, chunk: number): string => `${key}\u0001${chunk.toString(36).padStart(3, "0")}`

const newHead = (): Head<never> => ({ n: 0, e: {} })
const newChunk = (): Entries<never> => ({})

/** The entry, for reading only. */
export const tableEntry = <E>(docs: Docs, tables: Tables, key: string, name: string): E | undefined => {
  const head = docs.get<Head<E>>(tables.collection, key)
  if (head === undefined) return undefined
  const entries =
    head.e ?? docs.get<Entries<E>>(tables.collection, chunkKey(key, chunkOf(name, chunksFor(tables, head.n))))
  return entries?.[entryName(name)]
}

/**
 * The entries among which the name's is, to be changed in place: read and write it under `entryName(name)`.
 * It is made by `create` when it is missing. A later edit may lay the entry among others; the entry itself
 * stays the same object.
 */
export const editTable = <E>(
  docs: Docs,
  tables: Tables,
  key: string,
  name: string,
  create: () => E,
): Entries<E> => {
  const own = entryName(name)
  const head =
    docs.get<Head<E>>(tables.collection, key) ?? docs.edit<Head<E>>(tables.collection, key, newHead)
  if (head.e !== undefined) {
    const edited = docs.edit<Head<E>>(tables.collection, key, newHead)
    const entries = edited.e as Entries<E>
    if (entries[own] !== undefined) return entries
    edited.n++
    entries[own] = create()
    if (edited.n <= tables.inline) return entries
    delete edited.e
    const chunks = chunksFor(tables, edited.n)
    spread(docs, tables, key, entries, [...Array(chunks).keys()], chunks)
    return docs.edit<Entries<E>>(tables.collection, chunkKey(key, chunkOf(name, chunks)), newChunk)
  }
  const chunks = chunksFor(tables, head.n)
  const entries = docs.edit<Entries<E>>(tables.collection, chunkKey(key, chunkOf(name, chunks)), newChunk)
  if (entries[own] !== undefined) return entries
  entries[own] = create()
  const edited = docs.edit<Head<E>>(tables.collection, key, newHead)
  edited.n++
  const more = chunksFor(tables, edited.n)
  if (more === chunks) return entries
  const source = chunks - powerOfTwo(chunks)
  const shared = docs.get<Entries<E>>(tables.collection, chunkKey(key, source)) ?? {}
  spread(docs, tables, key, shared, [source, chunks], more)
  return docs.edit<Entries<E>>(tables.collection, chunkKey(key, chunkOf(name, more)), newChunk)
}

/** Lays the entries, which all belong to the targets, where they lie with this many chunks. */
const spread = <E>(
  docs: Docs,
  tables: Tables,
  key: string,
  entries: Entries<E>,
  targets: ReadonlyArray<number>,
  chunks: number,
): void => {
  const parts = new Map(targets.map((target): [number, Entries<E>] => [target, {}]))
  for (const [name, entry] of named(entries)) {
    const part = parts.get(chunkOf(name, chunks)) as Entries<E>
    part[entryName(name)] = entry
  }
  for (const [target, part] of parts) docs.put(tables.collection, chunkKey(key, target), part)
}

/** Every entry, for reading only. */
export function* tableEntries<E>(docs: Docs, tables: Tables, key: string): Generator<[string, E]> {
  const head = docs.get<Head<E>>(tables.collection, key)
  if (head === undefined) return
  if (head.e !== undefined) yield* named(head.e)
  else {
    for (let chunk = 0; chunk < chunksFor(tables, head.n); chunk++) {
      yield* named(docs.get<Entries<E>>(tables.collection, chunkKey(key, chunk)) ?? {})
    }
  }
}

function* named<E>(entries: Entries<E>): Generator<[string, E]> {
  for (const own in entries) yield [nameOf(own), entries[own] as E]
}

/** The scan of the tables with keys from `from`, included, to `to`, excluded. Read its rows with `rowEntries`. */
export const tableScan = ({ collection }: Tables, from: string, to: string): Scan => ({
  collection,
  from,
  to,
})

/** The entries in a row of a `tableScan`; `parts` is how many parts the tables' keys have. */
export function* rowEntries<E>(row: Row, parts: number): Generator<[string, E]> {
  const isHead = row.key.split("\u0001").length === parts
  const entries = isHead ? (row.doc as Head<E>).e : (row.doc as Entries<E>)
  if (entries !== undefined) yield* named(entries)
}
