import { textOf } from "../DocText.js"
import type { Put } from "../ReadModels.js"

/** A document on its way into the store, as text. */
export interface TextPut {
  readonly collection: string
  readonly key: string
  /** Undefined removes it. */
  readonly text: string | undefined
}

/** MongoDB holds 16 MiB in one document; the rest is for key and names. */
const LARGEST_DOCUMENT = 16 * 1024 * 1024 - 8 * 1024
/** A journal is cut into parts of this many bytes: several fit into one message of the protocol. */
const PART = 12 * 1024 * 1024

export class DocumentTooLarge extends Error {
  constructor(collection: string, key: string, bytes: number) {
    super(
      `the document ${JSON.stringify(key)} of ${collection} has ${bytes} bytes, and MongoDB holds 16 MiB in one: fold it into smaller ones, or keep the read models embedded`,
    )
  }
}

export const textsOf = (puts: ReadonlyArray<Put>): ReadonlyArray<TextPut> =>
  puts.map(({ collection, key, doc }) => {
    const text = doc === undefined ? undefined : textOf(doc)
    if (text !== undefined && text.length > LARGEST_DOCUMENT / 3) {
      const bytes = Buffer.byteLength(text) + Buffer.byteLength(key)
      if (bytes > LARGEST_DOCUMENT) throw new DocumentTooLarge(collection, key, bytes)
    }
    return { collection, key, text }
  })

/** `[collection, [key, bytes of its text or -1, key, …]]` */
type Index = ReadonlyArray<readonly [string, ReadonlyArray<string | number>]>

/**
 * A commit as bytes: length of the index (4 bytes), the index as JSON, then all texts. Texts are not put into JSON
 * once more, which would escape each of their quotes.
 */
export const encodeCommit = (puts: ReadonlyArray<TextPut>): ReadonlyArray<Buffer> => {
  const collections = new Map<string, Array<string | number>>()
  const texts: Array<string> = []
  for (const [name, some] of byCollection(puts)) {
    const entries: Array<string | number> = []
    for (const { key, text } of some) {
      entries.push(key, text === undefined ? -1 : Buffer.byteLength(text))
      if (text !== undefined) texts.push(text)
    }
    collections.set(name, entries)
  }
  const index = Buffer.from(JSON.stringify([...collections]))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(index.length)
  const all = Buffer.concat([length, index, ...texts.map((text) => Buffer.from(text))])
  const parts: Array<Buffer> = []
  for (let at = 0; at < all.length; at += PART) parts.push(all.subarray(at, at + PART))
  return parts
}

export const decodeCommit = (parts: ReadonlyArray<Buffer>): ReadonlyArray<TextPut> => {
  const all = Buffer.concat(parts)
  let at = 4 + all.readUInt32LE(0)
  const index = JSON.parse(all.toString("utf8", 4, at)) as Index
  const puts: Array<TextPut> = []
  for (const [collection, entries] of index) {
    for (let i = 0; i < entries.length; i += 2) {
      const bytes = entries[i + 1] as number
      puts.push({
        collection,
        key: entries[i] as string,
        text: bytes < 0 ? undefined : all.toString("utf8", at, at + bytes),
      })
      if (bytes > 0) at += bytes
    }
  }
  return puts
}

export const byCollection = <A extends { readonly collection: string }>(
  some: ReadonlyArray<A>,
): ReadonlyMap<string, ReadonlyArray<A>> => {
  const collections = new Map<string, Array<A>>()
  for (const one of some) {
    const known = collections.get(one.collection)
    if (known === undefined) collections.set(one.collection, [one])
    else known.push(one)
  }
  return collections
}
