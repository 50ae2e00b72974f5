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

/** Rows of a table: collection, documents, megabytes, bytes an event. */
export const collectionsOf = (readModels, events) => {
  const file = databaseFile(readModels)
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return tablesOf(file)
      .filter(({ name }) => name.includes("/"))
      .map(({ name, bytes }) => {
        const { documents } = database.prepare(`SELECT count(*) AS documents FROM "${name}"`).get()
        return [name, count(documents), (bytes / 1e6).toFixed(1), (bytes / events).toFixed(1)]
      })
  } finally {
    database.close()
  }
}

export const logTables = (data) => tablesOf(join(data, "log", "events.db"))
export const keyTables = (data) => tablesOf(join(data, "keys", "keys.sqlite"))
