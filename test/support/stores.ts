import { randomUUID } from "node:crypto"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { OWN_STREAMS } from "../../src/domain/Partition.js"
import type { EventLogService } from "../../src/eventlog/EventLog.js"
import { openEmbeddedLogReader } from "../../src/eventlog/embedded/EmbeddedLogReader.js"
import { openEventStoreLog } from "../../src/eventlog/eventstoredb/EventStoreLog.js"
import { EventStoreServer } from "./eventstoredb/EventStoreServer.js"
import { MongoProxy } from "./MongoProxy.js"
import { dropDatabase, MongoServer, withDatabase } from "./MongoServer.js"

const choice = <A extends string>(name: string, kinds: ReadonlyArray<A>): A | undefined => {
  const chosen = process.env[name]
  const found = kinds.find((kind) => kind === chosen)
  if (chosen !== undefined && found === undefined)
    throw new Error(`${name} is "${chosen}": it has to be one of ${kinds.join(", ")}`)
  return found
}

/** Which stores a program runs on. */
export interface Pair {
  readonly eventLog: "embedded" | "eventstoredb"
  readonly readModels: "embedded" | "mongodb"
}

const eventLog = choice("TIDEMARK_TEST_EVENT_LOG", ["embedded", "eventstoredb"])
const readModels = choice("TIDEMARK_TEST_READ_MODELS", ["embedded", "mongodb"])

/** This run of the tests is about a pair of stores. */
export const isChosen = eventLog !== undefined || readModels !== undefined

/** What this run of the tests chose by its environment, or what the test prefers where it chose nothing. */
export const chosenOr = (preferred: Pair): Pair =>
  isChosen ? { eventLog: eventLog ?? "embedded", readModels: readModels ?? "embedded" } : preferred

const chosen = chosenOr({ eventLog: "embedded", readModels: "embedded" })

/**
 * How much longer than on the embedded store it may take until events are counted: FerretDB, which stands in for
 * MongoDB, takes some ten times as long as SQLite alone for each document.
 */
export const patienceFor = ({ readModels }: Pair): number => (readModels === "mongodb" ? 4 : 1)

/** The same for the pair that this run has. */
export const patience = patienceFor(chosen)

/** The MongoDB-protocol server of one program, and what can be made to go wrong on the way to it. */
export interface OwnMongo {
  readonly server: MongoServer
  readonly proxy: MongoProxy
}

interface RealLog {
  readonly connection: string
  readonly prefix: string
}

/**
 * The stores of one program on one data directory. They outlive the program. Servers are those that
 * EVENTSTOREDB_URL and MONGODB_URL name, where nothing is done to them; else stand-ins, one for each data directory.
 */
export class TestStores {
  private mongo: Promise<MongoServer> | undefined
  private proxied: Promise<OwnMongo> | undefined
  private mongoUrl: Promise<string> | undefined
  private events: Promise<EventStoreServer> | undefined
  private readonly real: RealLog | undefined
  private found: Readonly<Record<string, string>> = {}
  private readonly database = `test-${randomUUID().slice(0, 13)}`

  constructor(
    private readonly dataDir: string,
    private readonly pair: Pair,
  ) {
    const named = process.env.EVENTSTOREDB_URL
    if (named !== undefined) this.real = { connection: named, prefix: `t${randomUUID().slice(0, 13)}.` }
  }

  /**
   * The server that keeps the log. Asked for before the program starts, it is used whatever the run chose.
   */
  eventStore(): Promise<EventStoreServer> {
    this.events ??= this.startEventStore()
    return this.events
  }

  /** The same for the read models. The program reaches it through the proxy then, else directly. */
  ownMongo(): Promise<OwnMongo> {
    this.proxied ??= this.startProxy()
    return this.proxied
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

  private async startMongo(): Promise<MongoServer> {
    const server = new MongoServer()
    await server.start()
    return server
  }

  private async startProxy(): Promise<OwnMongo> {
    this.mongo ??= this.startMongo()
    const server = await this.mongo
    const proxy = new MongoProxy(server.port)
    await proxy.start()
    return { server, proxy }
  }

  private get hasEmbeddedLog(): boolean {
    return this.pair.eventLog === "embedded" && this.events === undefined
  }

  private async log(): Promise<RealLog> {
    if (this.events === undefined && this.real !== undefined) return this.real
    return { connection: (await this.eventStore()).connection, prefix: "" }
  }

  /** What the program, or a command beside it, finds in its environment; starts servers when first asked. */
  async environment(): Promise<Readonly<Record<string, string>>> {
    const log = this.hasEmbeddedLog ? undefined : await this.log()
    const mongo =
      this.pair.readModels === "embedded" && this.proxied === undefined
        ? undefined
        : await this.mongoDatabase()
    this.found = {
      ...(log === undefined
        ? {}
        : { TIDEMARK_EVENT_LOG: log.connection, TIDEMARK_EVENT_LOG_PREFIX: log.prefix }),
      ...(mongo === undefined ? {} : { TIDEMARK_READ_MODELS: mongo }),
    }
    return this.found
  }

  /** As `environment`, once a program was started. */
  get known(): Readonly<Record<string, string>> {
    return this.found
  }

  private mongoDatabase(): Promise<string> {
    this.mongoUrl ??= this.mongoServer().then((url) => withDatabase(url, this.database))
    return this.mongoUrl
  }

  private async mongoServer(): Promise<string> {
    if (this.proxied !== undefined) return (await this.proxied).proxy.url
    if (process.env.MONGODB_URL !== undefined) return process.env.MONGODB_URL
    this.mongo ??= this.startMongo()
    return (await this.mongo).url
  }

  /** The event log, to read, whether the program runs or not. */
  openLog(): Effect.Effect<EventLogService, unknown, Scope.Scope> {
    return this.hasEmbeddedLog
      ? openEmbeddedLogReader({ directory: join(this.dataDir, "log") })
      : Effect.flatMap(
          Effect.promise(() => this.log()),
          (log) => openEventStoreLog({ ...log, streams: OWN_STREAMS }),
        )
  }

  async close(): Promise<void> {
    const { mongo, mongoUrl, proxied } = this
    this.mongo = undefined
    this.proxied = undefined
    this.mongoUrl = undefined
    if (mongoUrl !== undefined && mongo === undefined) await dropDatabase(await mongoUrl)
    await (await proxied)?.proxy.close()
    await (await mongo)?.close()
    await (await this.events)?.stop()
  }
}

const all = new Map<string, TestStores>()

/** Those of a data directory: the program and the commands that work beside it share them. */
export const storesOf = (dataDir: string, pair: Pair = chosen): TestStores => {
  const known = all.get(dataDir) ?? new TestStores(dataDir, pair)
  all.set(dataDir, known)
  return known
}
