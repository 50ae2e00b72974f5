import { fsyncSync, openSync } from "node:fs"
import { parentPort, workerData } from "node:worker_threads"
import { DatabaseSync } from "@photostructure/sqlite"
import { yieldToRequests } from "../../threads/yieldToRequests.js"
import { prepareToCheckpoint } from "./Schema.js"

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
    fsyncSync(handle)
    port.postMessage("done")
  })
}
