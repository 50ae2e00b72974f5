import type { Connection } from "../../mongodb/Connection.js"
import { GRAVES } from "./Graves.js"
import { HEADS, type Heads, spaceOf } from "./Heads.js"
import { JOURNAL } from "./Journals.js"
import { REGISTRY } from "./Registry.js"

const dropSpace = async (connection: Connection, space: number, names: ReadonlyArray<string>) => {
  for (const name of names) {
    if (spaceOf(name) === space) {
      await connection.within(`dropping ${name}`, connection.db.dropCollection(name))
    }
  }
  for (const name of [JOURNAL, GRAVES]) {
    const entries = connection.collection<{ readonly _id: string }>(name)
    await connection.within(
      `clearing ${name}`,
      entries.deleteMany({ _id: { $gte: `${space}/`, $lt: `${space}0` } }),
    )
  }
}

const collectionNames = async (connection: Connection): Promise<ReadonlyArray<string>> => {
  const all = await connection.within(
    "listing collections",
    connection.db.listCollections({}, { nameOnly: true }).toArray(),
  )
  return all.map(({ name }) => name)
}

/** Removes a build's head first, so that no reader finds it any more, and then everything in its namespace. */
export const dropBuild = async (connection: Connection, heads: Heads, build: string): Promise<void> => {
  const head = await heads.read(build)
  if (head === null) return
  await heads.remove(build)
  await dropSpace(connection, head.space, await collectionNames(connection))
}

/** Drops what a process left behind that ended while it dropped a build. */
export const dropLeftovers = async (connection: Connection, heads: Heads): Promise<void> => {
  // Collections first: one that is made from here on has a head already.
  const names = await collectionNames(connection)
  const used = new Set((await heads.all()).map(({ space }) => space))
  const spaces = new Set(names.map(spaceOf))
  for (const space of spaces) {
    if (space !== undefined && !used.has(space)) await dropSpace(connection, space, names)
  }
}

/**
 * Makes the collections that all builds share, and their indexes. Documents need none beside `_id`, by which
 * alone they are read and written.
 */
export const prepare = async (connection: Connection): Promise<void> => {
  const present = new Set(await collectionNames(connection))
  for (const name of [HEADS, JOURNAL, REGISTRY, GRAVES]) {
    if (present.has(name)) continue
    await connection
      .within(`making ${name}`, connection.db.createCollection(name))
      .catch((error: unknown) => {
        // Another process starts at the same time.
        if ((error as { readonly codeName?: unknown }).codeName !== "NamespaceExists") throw error
      })
  }
  await connection.within(
    "making an index",
    connection.db.collection(GRAVES).createIndex({ at: 1 }, { name: "at" }),
  )
}
