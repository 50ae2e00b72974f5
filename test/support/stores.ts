// Which stores the program runs on in this run of the tests: the same test files run on each of them.
//   TIDEMARK_TEST_EVENT_LOG   embedded (default), or eventstoredb: the stand-in, one for each data directory
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { OWN_STREAMS } from "../../src/domain/Partition.js"
import type { EventLogService } from "../../src/eventlog/EventLog.js"
import { openEmbeddedLogReader } from "../../src/eventlog/embedded/EmbeddedLogReader.js"
import { openEventStoreLog } from "../../src/eventlog/eventstoredb/EventStoreLog.js"
import { EventStoreServer } from "./eventstoredb/EventStoreServer.js"

const eventLog = process.env.TIDEMARK_TEST_EVENT_LOG ?? "embedded"
if (eventLog !== "embedded" && eventLog !== "eventstoredb") {
  throw new Error(`TIDEMARK_TEST_EVENT_LOG: "${eventLog}" is neither "embedded" nor "eventstoredb"`)
}

/** The stores of one program on one data directory. */
export class TestStores {
  private server: Promise<EventStoreServer> | undefined

  constructor(private readonly dataDir: string) {}

  /**
   * The server that keeps the log: it outlives the program, and ends with the tests. Asked for before the
   * program starts, it is used whatever the run chose.
   */
  eventStore(): Promise<EventStoreServer> {
    if (this.server === undefined) {
      const directory = join(this.dataDir, "eventstoredb")
      mkdirSync(directory, { recursive: true })
      const server = new EventStoreServer(directory)
      this.server = server.start().then(() => server)
    }
    return this.server
  }

  /** The log of another program. */
  share(server: EventStoreServer): void {
    this.server = Promise.resolve(server)
  }

  private get isEmbedded(): boolean {
    return eventLog === "embedded" && this.server === undefined
  }

  /** What the program finds in its environment; starts servers when first asked. */
  async environment(): Promise<Readonly<Record<string, string>>> {
    return this.isEmbedded ? {} : { TIDEMARK_EVENT_LOG: (await this.eventStore()).connection }
  }

  /** The event log, to read, whether the program runs or not. */
  openLog(): Effect.Effect<EventLogService, unknown, Scope.Scope> {
    return this.isEmbedded
      ? openEmbeddedLogReader({ directory: join(this.dataDir, "log") })
      : Effect.flatMap(
          Effect.promise(() => this.eventStore()),
          ({ connection }) => openEventStoreLog({ connection, streams: OWN_STREAMS }),
        )
  }
}

const all = new Map<string, TestStores>()

/** Those of a data directory: the program and the commands that work beside it share them. */
export const storesOf = (dataDir: string): TestStores => {
  const known = all.get(dataDir) ?? new TestStores(dataDir)
  all.set(dataDir, known)
  return known
}
