import { randomUUID } from "node:crypto"
import type { DatabaseSyncInstance } from "@photostructure/sqlite"
import { PARTITIONS } from "../../domain/Partition.js"
import { LogDamaged, LogUnavailable } from "../EventLog.js"
import { PAGE_SIZE } from "./Files.js"

const FORMAT = "1"

/**
 * Sequences and revisions have no gaps, and rows are never changed. Event ids have no index: random keys
 * would cost a page write each, and a repeated append is recognised at its expected revision.
 */
const tables = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    id TEXT NOT NULL,
    event TEXT NOT NULL,
    metadata TEXT NOT NULL
  );
  CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);
`

/** A connection that does nothing but checkpoint: synced like the writer's, or a page could be lost with power. */
export const prepareToCheckpoint = (db: DatabaseSyncInstance): void => {
  db.exec("PRAGMA synchronous = FULL")
  db.exec("PRAGMA wal_autocheckpoint = 0")
}

/** Sets up a connection that writes, and the tables when the file is new. */
export const prepareDatabase = (db: DatabaseSyncInstance): void => {
  db.exec(`PRAGMA page_size = ${PAGE_SIZE}`)
  db.exec("PRAGMA journal_mode = WAL")
  db.exec("PRAGMA synchronous = FULL")
  db.exec("PRAGMA wal_autocheckpoint = 0")
  db.exec("PRAGMA cache_size = -16384")
  db.exec("PRAGMA foreign_keys = OFF")
  db.exec("BEGIN IMMEDIATE")
  try {
    const found = db.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number }
    if (found.n === 0) {
      db.exec(tables)
      const put = db.prepare("INSERT INTO meta (name, value) VALUES (?, ?)")
      put.run("format", FORMAT)
      put.run("partitions", String(PARTITIONS))
      put.run("logId", randomUUID())
    }
    db.exec("COMMIT")
  } catch (cause) {
    db.exec("ROLLBACK")
    throw cause
  }
}

/** Checks that this code can read the log, and gives the log's id. */
export const checkMeta = (db: DatabaseSyncInstance, file: string): string => {
  const rows = db.prepare("SELECT name, value FROM meta").all() as Array<{ name: string; value: string }>
  const meta = new Map(rows.map((row) => [row.name, row.value]))
  const [format, partitions, logId] = [meta.get("format"), meta.get("partitions"), meta.get("logId")]
  if (format === undefined || partitions === undefined || logId === undefined)
    throw new LogDamaged({ place: `${file}, table meta`, reason: "the log's own description is missing" })
  if (format !== FORMAT)
    throw new LogUnavailable({ reason: `${file} has format ${format}, this program reads ${FORMAT}` })
  if (partitions !== String(PARTITIONS))
    throw new LogUnavailable({
      reason: `${file} was made with ${partitions} partitions, this program has ${PARTITIONS}`,
    })
  return logId
}
