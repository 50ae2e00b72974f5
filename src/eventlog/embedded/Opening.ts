import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { DatabaseSync, type DatabaseSyncInstance } from "@photostructure/sqlite"
import { LogDamaged } from "../EventLog.js"
import { failureOf } from "./Failure.js"
import { type LogFiles, PAGE_SIZE } from "./Files.js"
import { readMark } from "./Mark.js"
import { checkMeta } from "./Schema.js"
import { scanWal, type WalReport } from "./Wal.js"

/** Makes the directory, known to the disk: what is synced inside it must not lose its way. */
export const makeDirectory = (directory: string): void => {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = resolve(directory); made.length >= dirname(resolve(first)).length; made = dirname(made)) {
    const handle = openSync(made, "r")
    fsyncSync(handle)
    closeSync(handle)
    if (made === dirname(made)) return
  }
}

/** Fields of the file's header that decide how SQLite understands everything else. */
const checkHeader = (file: string): void => {
  const handle = openSync(file, "r")
  const header = Buffer.alloc(100)
  const length = readSync(handle, header, 0, 100, 0)
  closeSync(handle)
  if (length === 0) return
  const wrong = (offset: number, reason: string) =>
    new LogDamaged({ place: `${file} at byte ${offset}`, reason: `${reason}. Restore it from a backup` })
  if (length < 100) throw wrong(length, "the file ends within its header")
  if (header.toString("latin1", 0, 16) !== "SQLite format 3\0") throw wrong(0, "not the header of a database")
  if (header.readUInt16BE(16) !== PAGE_SIZE) throw wrong(16, "the page size is not the one it was made with")
  if (header[18] !== 2 || header[19] !== 2) throw wrong(18, "the file says that it has no write-ahead log")
  if (header.readUInt32BE(56) > 1) throw wrong(56, "the text encoding is not the one it was made with")
}

const walDamage = (files: LogFiles, wal: WalReport, lost: string): LogDamaged =>
  new LogDamaged({
    place: wal.badAt === undefined ? files.database : `${files.wal} at byte ${wal.badAt}`,
    reason: `${lost}. Nothing was changed. Restore the log from a backup`,
  })

/** Nothing is made or changed: without a write-ahead log SQLite would begin one, unless told not to. */
const openToLook = (files: LogFiles, wal: WalReport): DatabaseSyncInstance => {
  const url = pathToFileURL(files.database)
  if (wal.bytes === 0) url.searchParams.set("immutable", "1")
  return new DatabaseSync(url, { readOnly: true, timeout: 5_000 })
}

/** The last sequence, after what only a look at the whole file finds, such as an index that lost its end. */
const look = (db: DatabaseSyncInstance, files: LogFiles, checkEvents: number): number => {
  const tables = db.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number }
  if (tables.n === 0) return 0
  checkMeta(db, files.database)
  const head = (db.prepare("SELECT max(sequence) AS n FROM events").get() as { n: number | null }).n ?? 0
  if (head > checkEvents) return head
  const [found] = db.prepare("PRAGMA integrity_check(1)").all() as Array<{ integrity_check: string }>
  if (found !== undefined && found.integrity_check !== "ok")
    throw new LogDamaged({
      place: files.database,
      reason: `${found.integrity_check.replaceAll("\n", ", ")}. Restore the log from a backup`,
    })
  return head
}

/**
 * Looks for damage before anything is written, by whoever holds the lock. A torn tail is the trace of
 * a crash and is fine. Returns a warning when acknowledged events are gone because a file was cut.
 * Throws LogDamaged, having changed nothing.
 *
 * @param checkEvents a log of at most so many events is checked page by page
 */
export const inspect = (files: LogFiles, checkEvents: number): string | undefined => {
  const mark = readMark(files.mark)
  const wal = scanWal(files.wal)
  const hasWal = existsSync(files.wal)
  if (!existsSync(files.database)) {
    if (wal.bytes > 0 || (mark !== undefined && mark.sequence > 0))
      throw new LogDamaged({
        place: files.database,
        reason: "the file is missing, though the log has events. Restore it from a backup",
      })
    return undefined
  }
  // Without a mark the log was never opened whole: a crash while it was made is no damage.
  if (mark !== undefined) checkHeader(files.database)
  if (wal.later) throw walDamage(files, wal, "the bytes are damaged, and whole transactions follow")
  let db: DatabaseSyncInstance | undefined
  try {
    db = openToLook(files, wal)
    const head = look(db, files, checkEvents)
    if (mark === undefined || head >= mark.sequence) return undefined
    const lost = `events ${head + 1} to ${mark.sequence} were acknowledged and are not there`
    if (hasWal && wal.bytes < mark.walBytes)
      return `${files.wal} was cut from ${mark.walBytes} to ${wal.bytes} bytes: ${lost}`
    throw walDamage(files, wal, lost)
  } catch (cause) {
    throw failureOf(cause, files.database)
  } finally {
    db?.close()
  }
}
