import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { openEmbeddedLog } from "../../src/eventlog/embedded/EmbeddedLog.js"
import { eventLogContract } from "./EventLogContract.js"

const openIn = async (directory: string) => {
  const scope = await Effect.runPromise(Scope.make())
  const log = await Effect.runPromise(Scope.extend(openEmbeddedLog({ directory, liveEvents: 2_000 }), scope))
  return { log, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

eventLogContract("the embedded log", async () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-log-"))
  let current = await openIn(directory)
  return {
    log: current.log,
    reopen: async () => {
      await current.close()
      current = await openIn(directory)
      return current.log
    },
    close: async () => {
      await current.close()
      rmSync(directory, { recursive: true })
    },
  }
})
