import type { Connection } from "../../mongodb/Connection.js"
import { decodeCheckpoints } from "../embedded/Checkpoints.js"
import { Store } from "../embedded/Store.js"
import type { Build, Put } from "../ReadModels.js"
import type { StoredDoc } from "./Heads.js"
import { collectionName, type Head, Heads, spaceOf } from "./Heads.js"
import { Registry } from "./Registry.js"

const BATCH = 2_000
const ATTEMPTS_MS = 120_000

/** The collections of a namespace, without its prefix. */
const collectionsOf = async (connection: Connection, space: number): Promise<ReadonlyArray<string>> => {
  const all = await connection.within(
    "listing collections",
    connection.db.listCollections({}, { nameOnly: true }).toArray(),
  )
  const prefix = collectionName(space, "")
  return all.filter(({ name }) => spaceOf(name) === space).map(({ name }) => name.slice(prefix.length))
}

/** Copies what commits after `after` have written; gives the latest of them. */
const copyBeyond = async (
  connection: Connection,
  head: Head,
  after: number,
  write: (puts: ReadonlyArray<Put>) => void,
): Promise<number> => {
  let latest = 0
  for (const collection of await collectionsOf(connection, head.space)) {
    const filter = after < 0 ? {} : { "v.n": { $gt: after } }
    const docs = connection.collection<StoredDoc>(collectionName(head.space, collection))
    const cursor = docs.find(filter, { batchSize: BATCH })
    try {
      for (;;) {
        const batch: Array<Put> = []
        while (batch.length < BATCH) {
          const next = await connection.within(`copying ${collection}`, cursor.next())
          if (next === null) break
          const { _id, v } = next
          latest = Math.max(latest, v.n)
          batch.push({ collection, key: _id, doc: v.d === undefined ? undefined : JSON.parse(v.d) })
        }
        write(batch)
        if (batch.length < BATCH) break
      }
    } finally {
      await cursor.close()
    }
  }
  return latest
}

/**
 * Copies one build as of one moment: everything first, then what has changed meanwhile, until nothing has. A build
 * that is written all the time, faster than this can read, never comes to that.
 */
const copyBuild = async (connection: Connection, heads: Heads, build: Build, into: Store): Promise<void> => {
  const until = performance.now() + ATTEMPTS_MS
  let after = -1
  for (;;) {
    const head = await heads.read(build.id)
    if (head === null) return
    const latest = await copyBeyond(connection, head, after, (puts) =>
      into.of(build.id).commit(puts, new Map()),
    )
    const now = await heads.read(build.id)
    if (now !== null && now.v.n === head.v.n && latest <= head.v.n) {
      into.of(build.id).commit([], decodeCheckpoints(head.v.checkpoints))
      return
    }
    if (now?.space !== head.space) throw new Error(`${build.id} was dropped while it was copied: try again`)
    if (performance.now() > until) {
      throw new Error(
        `${build.id} did not stand still for ${ATTEMPTS_MS / 1000} s: try again when fewer events come`,
      )
    }
    after = head.v.n
  }
}

/** Copies the serving builds, or those named, into a directory, each as of one moment. */
export const copyBuilds = async (
  connection: Connection,
  directory: string,
  named?: ReadonlyArray<string>,
): Promise<void> => {
  const heads = new Heads(connection)
  const store = new Store(directory, "writer")
  try {
    for (const registered of await new Registry(connection).registered()) {
      store.registry.register({ ...registered, revision: 1 })
      for (const build of registered.builds) {
        const isWanted = named === undefined ? build.state === "SERVING" : named.includes(build.id)
        if (isWanted) await copyBuild(connection, heads, build, store)
      }
    }
  } finally {
    store.close()
  }
}
