// Which stores a run of the tests uses: the same test files run on each of them.
//   TIDEMARK_TEST_EVENT_LOG   embedded (default), or eventstoredb: the stand-in, one for each data directory
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import type { EventLogService } from "../../src/eventlog/EventLog.js"
import { openEmbeddedLogReader } from "../../src/eventlog/embedded/EmbeddedLogReader.js"
import { openEventStoreLog } from "../../src/eventlog/eventstoredb/EventStoreLog.js"
import { EventStoreServer } from "./eventstoredb/EventStoreServer.js"

const kinds = ["embedded", "eventstoredb"] as const

const chosen = (process.env.TIDEMARK_TEST_EVENT_LOG ?? "embedded") as (typeof kinds)[number]
if (!kinds.includes(chosen)) {
  throw new Error(`TIDEMARK_TEST_EVENT_LOG is "${chosen}": it has to be one of ${kinds.join(", ")}`)
}

export const eventLogKind = chosen

const servers = new Map<string, Promise<EventStoreServer>>()

/**
 * The server that keeps the log of a data directory: it outlives the program, and ends with the tests. Asked
 * for before the program starts, it is used whatever the run chose.
 */
export const eventStoreOf = (dataDir: string): Promise<EventStoreServer> => {
  const known = servers.get(dataDir)
  if (known !== undefined) return known
  const directory = join(dataDir, "eventstoredb")
  mkdirSync(directory, { recursive: true })
  const server = new EventStoreServer(directory)
  const started = server.start().then(() => server)
  servers.set(dataDir, started)
  return started
}

/** A second program on the log of a first. */
export const shareEventStore = (dataDir: string, server: EventStoreServer): void => {
  servers.set(dataDir, Promise.resolve(server))
}

const isEmbedded = (dataDir: string): boolean => eventLogKind === "embedded" && !servers.has(dataDir)

/** What the program is told of the stores of a data directory. */
export const storesOf = async (dataDir: string): Promise<Readonly<Record<string, string>>> =>
  isEmbedded(dataDir) ? {} : { TIDEMARK_EVENT_LOG: (await eventStoreOf(dataDir)).connection }

/** The event log of a data directory, to read, whether the program runs or not. */
export const logOf = (dataDir: string): Effect.Effect<EventLogService, unknown, Scope.Scope> =>
  isEmbedded(dataDir)
    ? openEmbeddedLogReader({ directory: join(dataDir, "log") })
    : Effect.flatMap(
        Effect.promise(() => eventStoreOf(dataDir)),
        ({ connection }) => openEventStoreLog({ connection, streams: ["merchant-", "client-"] }),
      )
