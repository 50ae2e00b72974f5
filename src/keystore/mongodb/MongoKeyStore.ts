import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Binary, type Collection } from "mongodb"
import { Connection, isDuplicate, type MongoOptions } from "../../mongodb/Connection.js"
import { KeyStore, type KeyStoreService, KeyStoreUnavailable } from "../KeyStore.js"

interface StoredKey {
  /** The client. */
  readonly _id: string
  /** Null: the client was forgotten. */
  readonly secret: Binary | null
}

type Found = ReadonlyMap<string, Buffer | null>

/** Length of a key in bytes (AES-256). */
const KEY = 32
const KEYS = "keys"
const AT_ONCE = 1_000
const LOOK_AGAIN_MS = 20

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Keys as documents, one for each client. A key is given out when a majority of the servers has it on disk:
 * what is written waits for that, and what is read is only what that was said of.
 */
export class MongoKeys {
  constructor(private readonly connection: Connection) {}

  private get keys(): Collection<StoredKey> {
    return this.connection.db.collection<StoredKey>(KEYS, {
      writeConcern: { w: "majority", journal: true },
      readConcern: { level: "majority" },
    })
  }

  /** By client; null for a forgotten one. */
  async find(clients: ReadonlyArray<string>): Promise<Found> {
    const found = new Map<string, Buffer | null>()
    for (let at = 0; at < clients.length; at += AT_ONCE) {
      const some = clients.slice(at, at + AT_ONCE)
      const keys = this.keys.find({ _id: { $in: some } }).toArray()
      for (const { _id, secret } of await this.connection.within("reading keys", keys))
        found.set(_id, secret === null ? null : Buffer.from(secret.buffer))
    }
    return found
  }

  async ensure(clients: ReadonlyArray<string>): Promise<Found> {
    const found = new Map(await this.find([...new Set(clients)]))
    const missing = [...new Set(clients)].filter((client) => !found.has(client))
    const made = new Map(missing.map((client) => [client, randomBytes(KEY)] as const))
    const stored = (await this.insert(made)) ? made : await this.durable(missing)
    for (const [client, secret] of stored) found.set(client, secret)
    return found
  }

  /** False: some of them had one already, which stays. */
  async insert(secrets: ReadonlyMap<string, Uint8Array>): Promise<boolean> {
    const all = [...secrets].map(([_id, secret]) => ({ _id, secret: new Binary(secret) }))
    let isNew = true
    for (let at = 0; at < all.length; at += AT_ONCE) {
      try {
        const some = all.slice(at, at + AT_ONCE)
        await this.connection.within("writing keys", this.keys.insertMany(some, { ordered: false }))
      } catch (error) {
        if (!isDuplicate(error)) throw error
        isNew = false
      }
    }
    return isNew
  }

  /** The keys of clients that all have one: what another has just inserted may not be on enough disks yet. */
  async durable(clients: ReadonlyArray<string>): Promise<Found> {
    const deadline = performance.now() + this.connection.deadlineMs
    for (;;) {
      const found = await this.find(clients)
      if (found.size === clients.length) return found
      if (performance.now() > deadline)
        throw new Error(
          "a majority of MongoDB's servers does not take new keys: see that enough of them are up",
        )
      await pause(LOOK_AGAIN_MS)
    }
  }

  /** A document without a key stays, so that no new one is made. */
  async forget(client: string): Promise<void> {
    const write = () =>
      this.connection.within(
        "forgetting a key",
        this.keys.updateOne({ _id: client }, { $set: { secret: null } }, { upsert: true }),
      )
    try {
      await write()
    } catch (error) {
      // A key was made between the server's look and its insert: now it is there, and goes.
      if (!isDuplicate(error)) throw error
      await write()
    }
  }

  /** Whether nobody has a key, or was forgotten. */
  async isEmpty(): Promise<boolean> {
    return (await this.connection.within("reading keys", this.keys.findOne({}))) === null
  }
}

const attempt = <A>(doing: string, run: () => Promise<A>): Effect.Effect<A, KeyStoreUnavailable> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new KeyStoreUnavailable({
        reason: `${doing} in MongoDB failed: ${cause instanceof Error ? cause.message : String(cause)}`,
        cause,
      }),
  })

export interface MongoKeyStoreOptions extends MongoOptions {
  /** Called before anything is asked of the store. */
  readonly onOpen?: (keys: MongoKeys) => Promise<void>
}

/** The keys of the clients in the collection `keys`. Fails when the server can't be reached at the start. */
export const make = (
  options: MongoKeyStoreOptions,
): Effect.Effect<KeyStoreService, KeyStoreUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const connection = yield* Effect.acquireRelease(
      attempt("opening the key store", async () => new Connection(options)),
      (opened) => Effect.promise(() => opened.close()),
    )
    const keys = new MongoKeys(connection)
    yield* attempt("opening the key store", async () => {
      await keys.isEmpty()
      await options.onOpen?.(keys)
    })
    const inOrder = (clients: ReadonlyArray<string>, found: Found) =>
      clients.map((client) => found.get(client) ?? undefined)
    return {
      ensure: (clients) => attempt("making keys", async () => inOrder(clients, await keys.ensure(clients))),
      find: (clients) =>
        attempt("finding keys", async () => inOrder(clients, await keys.find([...new Set(clients)]))),
      forget: (client) => attempt("forgetting a key", () => keys.forget(client)),
    }
  })

export const layer = (options: MongoKeyStoreOptions): Layer.Layer<KeyStore, KeyStoreUnavailable> =>
  Layer.scoped(KeyStore, make(options))
