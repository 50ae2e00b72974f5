import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "@photostructure/sqlite"

export type Database = InstanceType<typeof DatabaseSync>
export type Statement = ReturnType<Database["prepare"]>

export const databaseFile = (directory: string): string => join(directory, "read-models.db")

/** Documents of a few kilobytes stay within their page. */
const PAGE_SIZE = 8_192
/** The write-ahead log is moved into the database every 32 MB. */
const CHECKPOINT_PAGES = 4_096

/**
 * Opens the database for the one writer. A lost tail of commits is folded again from the event log, as
 * documents and checkpoint are lost together: so commits need not wait for the disk.
 */
export const openWriter = (directory: string): Database => {
  mkdirSync(directory, { recursive: true })
  const database = new DatabaseSync(databaseFile(directory))
  database.exec(`
    PRAGMA page_size = ${PAGE_SIZE};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA busy_timeout = 5000;
    PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = ${4 * CHECKPOINT_PAGES * PAGE_SIZE};
    CREATE TABLE IF NOT EXISTS builds (
      id TEXT PRIMARY KEY, projection TEXT NOT NULL, definition TEXT NOT NULL, state TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS checkpoints (build TEXT PRIMARY KEY, partitions TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS collections (
      build TEXT NOT NULL, collection TEXT NOT NULL, PRIMARY KEY (build, collection)
    ) WITHOUT ROWID;
  `)
  return database
}

export const openReader = (directory: string): Database => {
  const database = new DatabaseSync(databaseFile(directory), { readOnly: true })
  database.exec("PRAGMA busy_timeout = 5000; PRAGMA cache_size = -32768")
  return database
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** The table of one collection of one build. */
export const tableName = (build: string, collection: string): string => quoted(`${build}/${collection}`)

/** Not WITHOUT ROWID: such a table moves all but a kilobyte of a larger document to pages of its own. */
export const createTable = (build: string, collection: string): string =>
  `CREATE TABLE IF NOT EXISTS ${tableName(build, collection)} (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, doc TEXT NOT NULL)`

/** The statements of one collection, prepared when first used and kept while the table exists. */
export class Table {
  readonly get: Statement
  readonly upsert: Statement | undefined
  readonly remove: Statement | undefined
  readonly up: Statement
  readonly down: Statement

  constructor(database: Database, build: string, collection: string, writable: boolean) {
    const name = tableName(build, collection)
    this.get = database.prepare(`SELECT doc FROM ${name} WHERE key = ?`)
    const scan = `SELECT key, doc FROM ${name} WHERE key >= ? AND key < ? ORDER BY key`
    this.up = database.prepare(`${scan} LIMIT ?`)
    this.down = database.prepare(`${scan} DESC LIMIT ?`)
    if (writable) {
      this.upsert = database.prepare(
        `INSERT INTO ${name} (key, doc) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET doc = excluded.doc`,
      )
      this.remove = database.prepare(`DELETE FROM ${name} WHERE key = ?`)
    }
  }
}
