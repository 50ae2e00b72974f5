import { existsSync, mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { DatabaseSync } from "@photostructure/sqlite"

export type Database = InstanceType<typeof DatabaseSync>
export type Statement = ReturnType<Database["prepare"]>

/** Each build is a file of its own: it has a writer of its own, and is removed in no time. */
export const databaseFile = (directory: string, build: string): string =>
  join(directory, `build-${encodeURIComponent(build)}.db`)

/** Who serves and what is folded. */
export const registryFile = (directory: string): string => join(directory, "registry.db")

/** Documents of a few kilobytes stay within their page. */
const PAGE_SIZE = 8_192
/** The write-ahead log is moved into the database every 64 MB: a page that many commits change is moved once. */
const CHECKPOINT_PAGES = 8_192
/** What SQLite keeps beside a database; the journal from when it is made, until it has a write-ahead log. */
const BESIDE = ["-wal", "-shm", "-journal"]
/** Pages in memory, in KiB, of all writers of a build together. */
const CACHE = 65_536
/**
 * How long a writer waits for the lock before it says that the file can't be written. Its thread stands still
 * meanwhile, and can't even be ended: who has to wait longer tries again.
 */
export const WAIT_MS = 3_000

/**
 * Opens the database for a writer, one of so many that take turns. A lost tail of commits is folded again from the event log, as
 * documents and checkpoint are lost together: so commits need not wait for the disk.
 */
export const openWriter = (directory: string, build: string, writers: number): Database => {
  mkdirSync(directory, { recursive: true })
  const database = new DatabaseSync(databaseFile(directory, build))
  database.exec(`
    PRAGMA busy_timeout = ${WAIT_MS};
    PRAGMA page_size = ${PAGE_SIZE};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -${Math.floor(CACHE / writers)};
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = ${CHECKPOINT_PAGES * PAGE_SIZE};
    CREATE TABLE IF NOT EXISTS "%checkpoints" (id INTEGER PRIMARY KEY, partitions TEXT NOT NULL);
  `)
  return database
}

/** Removes a database. Readers that have it open read on in what they have. */
export const removeDatabase = (file: string): void => {
  for (const end of ["", ...BESIDE]) rmSync(file + end, { force: true })
}

/** Whether anything was ever put into the file. */
export const hasCollections = (database: Database): boolean =>
  database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name <> '%checkpoints'").get() !==
  undefined

const touch = (database: Database): void => {
  database.exec("PRAGMA busy_timeout = 5000")
  database.prepare("SELECT 1 FROM sqlite_schema").get()
}

/**
 * After `kill -9` the index of the write-ahead log may have to be made anew. Only who may write can do that, which a
 * reader has to be where it comes before the writer.
 */
const recover = (file: string): void => {
  const url = pathToFileURL(file)
  // One that was removed just now is not made again.
  url.searchParams.set("mode", "rw")
  const database = new DatabaseSync(url)
  try {
    touch(database)
  } finally {
    database.close()
  }
}

/** For reading alone. */
export const openToRead = (file: string): Database => {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    touch(database)
    return database
  } catch (error) {
    database.close()
    if (!(error instanceof Error && error.message.includes("readonly database"))) throw error
  }
  recover(file)
  const again = new DatabaseSync(file, { readOnly: true })
  touch(again)
  return again
}

/** Undefined when the file is removed meanwhile. */
export const openReader = (directory: string, build: string): Database | undefined => {
  const file = databaseFile(directory, build)
  let database: Database | undefined
  try {
    database = openToRead(file)
  } catch (error) {
    if (existsSync(file)) throw error
  }
  if (!existsSync(file)) {
    database?.close()
    // Opening it may have made again what lies beside it.
    removeDatabase(file)
    return undefined
  }
  database?.exec("PRAGMA cache_size = -24576")
  return database
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Not WITHOUT ROWID: such a table moves all but a kilobyte of a larger document to pages of its own. */
export const createTable = (collection: string): string =>
  `CREATE TABLE IF NOT EXISTS ${quoted(collection)} (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, doc TEXT NOT NULL)`

/** The statements of one collection, prepared when first used and kept while the table exists. */
export class Table {
  readonly get: Statement
  readonly upsert: Statement | undefined
  readonly remove: Statement | undefined
  readonly up: Statement
  readonly down: Statement

  constructor(database: Database, collection: string, writable: boolean) {
    const name = quoted(collection)
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

export const whereTableExists = <A>(use: () => A): A | undefined => {
  try {
    return use()
  } catch (error) {
    if (error instanceof Error && error.message.includes("no such table")) return undefined
    throw error
  }
}
