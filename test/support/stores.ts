import { randomUUID } from "node:crypto"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { OWN_STREAMS } from "../../src/domain/Partition.js"
import type { EventLogService } from "../../src/eventlog/EventLog.js"
import { openEmbeddedLogReader } from "../../src/eventlog/embedded/EmbeddedLogReader.js"
import { openEventStoreLog } from "../../src/eventlog/eventstoredb/EventStoreLog.js"
import { EventStoreServer } from "./eventstoredb/EventStoreServer.js"
import { dropDatabase, MongoServer, withDatabase } from "./MongoServer.js"

/**
 * Which stores the program runs on in this run of the tests:
 * `TIDEMARK_TEST_EVENT_LOG` is `embedded` (the default) or `eventstoredb`, for the stand-in, one for each data
 * directory; `TIDEMARK_TEST_READ_MODELS` is `embedded` (the default) or `mongodb`, for the server that
 * `MONGODB_URL` names, or else one that the tests start.
 */
const choice = <A extends string>(name: string, kinds: ReadonlyArray<A>): A => {
  const chosen = process.env[name] ?? "embedded"
  const found = kinds.find((kind) => kind === chosen)
  if (found === undefined) throw new Error(`${name} is "${chosen}": it has to be one of ${kinds.join(", ")}`)
  return found
}

const eventLog = choice("TIDEMARK_TEST_EVENT_LOG", ["embedded", "eventstoredb"])
const readModels = choice("TIDEMARK_TEST_READ_MODELS", ["embedded", "mongodb"])

/** How much longer than embedded ones these stores may take: the one that stands in for MongoDB is slow. */
export const patience = readModels === "mongodb" ? 10 : 1

/** The stores of one program on one data directory. They outlive the program. */
export class TestStores {
  private mongo: MongoServer | undefined
  private mongoUrl: string | undefined
  private events: Promise<EventStoreServer> | undefined
  private found: Readonly<Record<string, string>> = {}

  constructor(private readonly dataDir: string) {}

  /**
   * The server that keeps the log. Asked for before the program starts, it is used whatever the run chose.
   */
  eventStore(): Promise<EventStoreServer> {
    this.events ??= this.startEventStore()
    return this.events
  }

  /** Makes this the second program on the log of a first. */
  share(server: EventStoreServer): void {
    this.events = Promise.resolve(server)
  }

  private async startEventStore(): Promise<EventStoreServer> {
    const directory = join(this.dataDir, "eventstoredb")
    mkdirSync(directory, { recursive: true })
    const server = new EventStoreServer(directory)
    await server.start()
    return server
  }

  private get hasEmbeddedLog(): boolean {
    return eventLog === "embedded" && this.events === undefined
  }

  /** What the program, or a command beside it, finds in its environment; starts servers when first asked. */
  async environment(): Promise<Readonly<Record<string, string>>> {
    const log = this.hasEmbeddedLog ? {} : { TIDEMARK_EVENT_LOG: (await this.eventStore()).connection }
    const models = readModels === "embedded" ? {} : { TIDEMARK_READ_MODELS: await this.mongoDatabase() }
    this.found = { ...log, ...models }
    return this.found
  }

  /** As `environment`, once a program was started. */
  get known(): Readonly<Record<string, string>> {
    return this.found
  }

  private async mongoDatabase(): Promise<string> {
    if (this.mongoUrl !== undefined) return this.mongoUrl
    if (process.env.MONGODB_URL === undefined) {
      this.mongo = new MongoServer()
      await this.mongo.start()
    }
    const server = process.env.MONGODB_URL ?? this.mongo?.url ?? ""
    this.mongoUrl = withDatabase(server, `test-${randomUUID().slice(0, 13)}`)
    return this.mongoUrl
  }

  /** The event log, to read, whether the program runs or not. */
  openLog(): Effect.Effect<EventLogService, unknown, Scope.Scope> {
    return this.hasEmbeddedLog
      ? openEmbeddedLogReader({ directory: join(this.dataDir, "log") })
      : Effect.flatMap(
          Effect.promise(() => this.eventStore()),
          ({ connection }) => openEventStoreLog({ connection, streams: OWN_STREAMS }),
        )
  }

  async close(): Promise<void> {
    const { mongo, mongoUrl } = this
    this.mongo = undefined
    this.mongoUrl = undefined
    if (mongoUrl !== undefined && mongo === undefined) await dropDatabase(mongoUrl)
    await mongo?.close()
    await (await this.events)?.stop()
  }
}

const all = new Map<string, TestStores>()

/** Those of a data directory: the program and the commands that work beside it share them. */
export const storesOf = (dataDir: string): TestStores => {
  const known = all.get(dataDir) ?? new TestStores(dataDir)
  all.set(dataDir, known)
  return known
}
