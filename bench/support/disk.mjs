// What lies on disk, by table and index, from SQLite's own page statistics.
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "@photostructure/sqlite"
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
const collectionIn = (name) => /^(?:sqlite_autoindex_)?([A-Za-z]+?)(?:_1)?$/.exec(name)?.[1]

/** The files of builds, by the build's id. */
export const buildFiles = (readModels) =>
  readdirSync(readModels).flatMap((name) => {
    const build = /^build-(.+)\.db$/.exec(name)?.[1]
    return build === undefined ? [] : [[build, join(readModels, name)]]
  })

/** `{ name, documents, bytes }` of each collection of a build. */
const collectionsIn = (build, file) => {
  const sizes = new Map()
  for (const { name, bytes } of tablesOf(file)) {
    const collection = collectionIn(name)
    if (collection !== undefined) sizes.set(collection, (sizes.get(collection) ?? 0) + bytes)
  }
  sizes.delete("sqlite_schema")
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return [...sizes].map(([name, bytes]) => {
      const { documents } = database.prepare(`SELECT count(*) AS documents FROM "${name}"`).get()
      return { name: `${build}/${name}`, documents, bytes }
    })
  } finally {
    database.close()
  }
}

/** Rows of a table: collection, documents, megabytes with the index of keys, bytes an event. */
export const collectionsOf = (readModels, events) =>
  buildFiles(readModels)
    .flatMap(([build, file]) => collectionsIn(build, file))
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ name, documents, bytes }) => [
      name,
      count(documents),
      (bytes / 1e6).toFixed(1),
      (bytes / events).toFixed(1),
    ])

export const logTables = (data) => tablesOf(join(data, "log", "events.db"))
export const keyTables = (data) => tablesOf(join(data, "keys", "keys.sqlite"))
