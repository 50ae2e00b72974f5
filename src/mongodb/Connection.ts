import * as Redacted from "effect/Redacted"
import {
  type Collection,
  type Db,
  MongoClient,
  MongoServerSelectionError,
  MongoTopologyClosedError,
} from "mongodb"

export interface MongoOptions {
  /** `mongodb://…` or `mongodb+srv://…`, with credentials and TLS as the driver takes them. */
  readonly url: Redacted.Redacted
  /** How long one answer of the server may take, in ms, before the call fails. */
  readonly deadlineMs?: number
  /** In the place of those that fit the server. */
  readonly writeLimits?: WriteLimits
}

export interface WriteLimits {
  /** In one command. */
  readonly statements: number
  /** Commands at once. */
  readonly parallel: number
}

const DEADLINE_MS = 15_000
const DEFAULT_DATABASE = "tidemark"
/** FerretDB 1.x keeps a read open for each statement of an update, and waits for ever at the 100th. */
const FERRETDB_STATEMENTS = 40
const STATEMENTS = 1_000

/** Which database a connection string names. */
export const databaseOf = (url: string): string => {
  const path = /^[a-z+]+:\/\/[^/]+\/([^?]*)/.exec(url)?.[1] ?? ""
  return path === "" ? DEFAULT_DATABASE : decodeURIComponent(path)
}

/** What is wrong with a connection string, without the string itself: it may hold a password. */
export const faultOf = (url: string): string | undefined => {
  try {
    new MongoClient(url)
    return undefined
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return message.replaceAll(url, "…")
  }
}

/** Where, for people: no credentials. */
const placeOf = (url: string): string =>
  `${/^[a-z+]+:\/\/(?:[^@/]*@)?([^/?]*)/.exec(url)?.[1] ?? "?"}/${databaseOf(url)}`

/** One client of a MongoDB server, with deadlines of our own: a frozen server never answers. */
export class Connection {
  readonly place: string
  private client: MongoClient
  private isClosed = false
  private connectedAt = 0
  private limits: Promise<WriteLimits> | undefined
  readonly deadlineMs: number
  private readonly database: string
  private readonly connect: () => MongoClient
  private readonly selectionMs: number

  constructor(options: MongoOptions) {
    const url = Redacted.value(options.url)
    this.place = placeOf(url)
    this.deadlineMs = options.deadlineMs ?? DEADLINE_MS
    if (options.writeLimits !== undefined) this.limits = Promise.resolve(options.writeLimits)
    const given = new URLSearchParams(url.split("?")[1] ?? "")
    const unlessGiven = (name: string, value: number) => (given.has(name) ? {} : { [name]: value })
    const selectionMs = Math.min(5_000, this.deadlineMs)
    this.selectionMs = Number(given.get("serverSelectionTimeoutMS") ?? selectionMs)
    this.connect = () => {
      this.connectedAt = performance.now()
      return new MongoClient(url, {
        writeConcern: { w: "majority" },
        // Whatever the text prefers: a secondary lags behind, and a writer that finds its head where it was before
        // would take itself for taken over.
        readPreference: "primary",
        ...unlessGiven("serverSelectionTimeoutMS", selectionMs),
        ...unlessGiven("connectTimeoutMS", selectionMs),
        ...unlessGiven("socketTimeoutMS", 2 * this.deadlineMs),
        ...unlessGiven("maxPoolSize", 20),
      })
    }
    this.database = databaseOf(url)
    this.client = this.connect()
  }

  get db(): Db {
    return this.client.db(this.database)
  }

  close(): Promise<void> {
    this.isClosed = true
    return this.client.close()
  }

  collection<A extends { readonly _id: unknown }>(name: string): Collection<A> {
    return this.db.collection<A>(name) as unknown as Collection<A>
  }

  /** The answer, or a failure that says what was not answered in time. */
  async within<A>(doing: string, answer: Promise<A>): Promise<A> {
    let timer: NodeJS.Timeout | undefined
    // Also where nobody waits any more: the driver may look for a server for longer than the deadline.
    answer.catch((error: unknown) => this.renewAfter(error))
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${doing}: no answer within ${this.deadlineMs / 1000} s`)),
        this.deadlineMs,
      )
    })
    try {
      return await Promise.race([answer, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * A client that could not connect when it was first used never tries again. Nor does one whose check of the server
   * was about to write when its connection broke (driver 7.9): it waits for ever to hear that the socket drained, and
   * looks at the server no more. So whoever found no server goes on with a new client, unless it has just been made.
   */
  private renewAfter(error: unknown): void {
    const isLost = error instanceof MongoTopologyClosedError || error instanceof MongoServerSelectionError
    const isFresh = performance.now() < this.connectedAt + this.selectionMs
    if (!isLost || isFresh || this.isClosed) return
    const former = this.client
    this.client = this.connect()
    // Nobody asks it any more: how it ends changes nothing.
    former.close().catch(() => {})
  }

  writeLimits(): Promise<WriteLimits> {
    this.limits ??= this.within("asking for the server's version", this.db.command({ buildInfo: 1 })).then(
      (info) =>
        "ferretdbVersion" in info
          ? { statements: FERRETDB_STATEMENTS, parallel: 1 }
          : { statements: STATEMENTS, parallel: 4 },
      (error: unknown) => {
        this.limits = undefined
        throw error
      },
    )
    return this.limits
  }
}

const DUPLICATE_KEY = 11_000

export const isDuplicate = (error: unknown): boolean =>
  (error as { readonly code?: unknown } | null)?.code === DUPLICATE_KEY
