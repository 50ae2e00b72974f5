import { type Connection, isDuplicate } from "../../mongodb/Connection.js"
import type { StoredDoc } from "./Heads.js"
import { collectionName } from "./Heads.js"
import { byCollection, type TextPut } from "./Journal.js"

/** What a commit removed: the documents stay, empty, so that a late writer can't bring them back. */
interface Grave {
  readonly _id: string
  readonly space: number
  readonly n: number
  /** Epoch ms. */
  readonly at: number
  /** Keys, by collection, as JSON. */
  readonly keys: string
}

export const GRAVES = "removed"
const KEYS = 1_000

export const bury = async (
  connection: Connection,
  space: number,
  n: number,
  puts: ReadonlyArray<TextPut>,
): Promise<void> => {
  const removed = puts.filter(({ text }) => text === undefined)
  if (removed.length === 0) return
  const graves: Array<Grave> = []
  for (let at = 0; at < removed.length; at += KEYS) {
    const some = byCollection(removed.slice(at, at + KEYS))
    const keys = JSON.stringify([...some].map(([name, refs]) => [name, refs.map(({ key }) => key)]))
    graves.push({ _id: `${space}/${n}/${at}`, space, n, at: Date.now(), keys })
  }
  try {
    await connection.within(
      "noting what was removed",
      connection.collection<Grave>(GRAVES).insertMany(graves, { ordered: false }),
    )
  } catch (error) {
    // A commit that is put in place again was noted before.
    if (!isDuplicate(error)) throw error
  }
}

/** Removes for good what was removed before `before` (epoch ms). Gives the number of documents. */
export const sweep = async (connection: Connection, before: number): Promise<number> => {
  const graves = connection.collection<Grave>(GRAVES)
  const old = await connection.within(
    "reading what was removed",
    graves
      .find({ at: { $lt: before } })
      .limit(1_000)
      .toArray(),
  )
  let swept = 0
  for (const { _id, space, n, keys } of old) {
    for (const [name, some] of JSON.parse(keys) as ReadonlyArray<[string, ReadonlyArray<string>]>) {
      const { deletedCount } = await connection.within(
        "removing documents for good",
        connection.collection<StoredDoc>(collectionName(space, name)).deleteMany({
          _id: { $in: [...some] },
          "v.n": { $lte: n },
          "v.d": { $exists: false },
        }),
      )
      swept += deletedCount
    }
    await connection.within("removing documents for good", graves.deleteOne({ _id }))
  }
  return swept
}
