// What lies on disk, by table and index, from SQLite's own page statistics.
import { existsSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "@photostructure/sqlite"
import { databaseFile } from "../../dist/readmodels/embedded/Tables.js"
import { count } from "./text.mjs"

/** `{ name, bytes, unused }` of each table and index of a database file, largest first. */
export const tablesOf = (file) => {
  if (!existsSync(file)) return []
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return database
      .prepare("SELECT name, pgsize AS bytes, unused FROM dbstat WHERE aggregate = TRUE ORDER BY 2 DESC")
      .all()
  } finally {
    database.close()
  }
}

/** Of a table, or of the index of its keys: SQLite names that after the table. */
const collectionIn = (name) => /^(?:sqlite_autoindex_)?(.+\/.+?)(?:_1)?$/.exec(name)?.[1]

/** Rows of a table: collection, documents, megabytes with the index of keys, bytes an event. */
export const collectionsOf = (readModels, events) => {
  const file = databaseFile(readModels)
  const sizes = new Map()
  for (const { name, bytes } of tablesOf(file)) {
    const collection = collectionIn(name)
    if (collection !== undefined) sizes.set(collection, (sizes.get(collection) ?? 0) + bytes)
  }
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return [...sizes]
      .sort(([, a], [, b]) => b - a)
      .map(([name, bytes]) => {
        const { documents } = database.prepare(`SELECT count(*) AS documents FROM "${name}"`).get()
        return [name, count(documents), (bytes / 1e6).toFixed(1), (bytes / events).toFixed(1)]
      })
  } finally {
    database.close()
  }
}

export const logTables = (data) => tablesOf(join(data, "log", "events.db"))
export const keyTables = (data) => tablesOf(join(data, "keys", "keys.sqlite"))
