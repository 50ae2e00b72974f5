import type { AnyBulkWriteOperation } from "mongodb"
import { type Connection, isDuplicate } from "../../mongodb/Connection.js"
import type { StoredDoc } from "./Heads.js"
import { collectionName } from "./Heads.js"
import { byCollection, type TextPut } from "./Journal.js"

const CHUNK_BYTES = 8 * 1024 * 1024

/** Documents compare by their first field first: so the one with the higher commit number stays. */
const statement = (n: number, { key, text }: TextPut): AnyBulkWriteOperation<StoredDoc> => ({
  updateOne: {
    filter: { _id: key },
    update: { $max: { v: text === undefined ? { n } : { n, d: text } } },
    upsert: true,
  },
})

const chunks = function* (puts: ReadonlyArray<TextPut>, statements: number) {
  const sorted = [...puts].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  let chunk: Array<TextPut> = []
  let size = 0
  for (const put of sorted) {
    chunk.push(put)
    size += (put.text?.length ?? 0) + put.key.length
    if (chunk.length < statements && size < CHUNK_BYTES) continue
    yield chunk
    chunk = []
    size = 0
  }
  if (chunk.length > 0) yield chunk
}

/** Puts the documents of commit `n` in place. May be done any number of times, by anybody, at any time. */
export const applyCommit = async (
  connection: Connection,
  space: number,
  n: number,
  puts: ReadonlyArray<TextPut>,
): Promise<void> => {
  const { statements, parallel } = await connection.writeLimits()
  const work = function* () {
    for (const [name, some] of byCollection(puts)) {
      const collection = connection.collection<StoredDoc>(collectionName(space, name))
      for (const chunk of chunks(some, statements)) {
        yield async () => {
          const write = () =>
            connection.within(
              `writing ${chunk.length} documents of ${name}`,
              collection.bulkWrite(
                chunk.map((put) => statement(n, put)),
                { ordered: false },
              ),
            )
          try {
            await write()
          } catch (error) {
            // Somebody else inserted one of them between the server's look and its insert: now it is there.
            if (!isDuplicate(error)) throw error
            await write()
          }
        }
      }
    }
  }
  const pieces = work()
  const run = async () => {
    for (const piece of pieces) await piece()
  }
  await Promise.all(Array.from({ length: parallel }, run))
}
