import { DatabaseSync } from "@photostructure/sqlite"
import { LogUnavailable } from "../EventLog.js"
import { failureOf } from "./Failure.js"

/**
 * Takes the right to write. SQLite's lock on a file of its own: the kernel gives it back when the process
 * ends, however it ends, so no stale lock is ever left. Throws LogUnavailable while another
 * holds it for longer than a reader that only looks.
 */
export const takeLock = (
  file: string,
  directory: string,
  waitMs = 1_000,
): { readonly release: () => void } => {
  try {
    const db = new DatabaseSync(file, { timeout: waitMs })
    try {
      db.exec("PRAGMA journal_mode = OFF; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
    } catch (cause) {
      db.close()
      throw cause
    }
    return { release: () => db.close() }
  } catch (cause) {
    const failure = failureOf(cause, file)
    throw failure._tag === "LogUnavailable" && failure.reason.includes("locked")
      ? new LogUnavailable({
          reason: `another process writes the event log in ${directory}. Stop it, or choose another directory`,
        })
      : failure
  }
}

/** Undefined while another holds the lock, or where no lock can be taken. */
export const tryLock = (file: string, directory: string): ReturnType<typeof takeLock> | undefined => {
  try {
    return takeLock(file, directory, 0)
  } catch {
    return undefined
  }
}
