import { fsyncSync, openSync, writeSync } from "node:fs"
import { parentPort, workerData } from "node:worker_threads"
import { DatabaseSync } from "@photostructure/sqlite"
import { yieldToRequests } from "../../threads/yieldToRequests.js"
import { prepareToCheckpoint } from "./Schema.js"

/**
 * After a sync that failed the system may have let go of pages that count as moved, and the next sync says nothing of
 * them. Everything still is in the write-ahead log; only a start after an end without closing moves it again.
 */
const endAtOnce = (error: unknown): void => {
  const reason = error instanceof Error ? error.message : String(error)
  writeSync(
    2,
    `the event log's file could not be synced (${reason}): ending at once, so that the next start moves everything from the write-ahead log again\n`,
  )
  process.kill(process.pid, "SIGKILL")
}

/** Moves what the write-ahead log holds to the main file whenever it is asked to, and says when that is done. */
if (parentPort !== null) {
  yieldToRequests()
  const port = parentPort
  const file = workerData as string
  const db = new DatabaseSync(file, { timeout: 5_000 })
  prepareToCheckpoint(db)
  // Never closed, as that would take SQLite's locks on the file from all connections of the process.
  const handle = openSync(file, "r")
  port.on("message", (what: "checkpoint" | "close") => {
    if (what === "close") {
      db.close()
      port.close()
      return
    }
    db.exec("PRAGMA wal_checkpoint(PASSIVE)")
    // SQLite leaves that to the checkpoint that reaches the end, which is the writer's: it is to find little to sync.
    try {
      fsyncSync(handle)
    } catch (error) {
      endAtOnce(error)
    }
    port.postMessage("done")
  })
}
