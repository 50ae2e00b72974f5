import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import type { AccessService } from "../../../src/accounts/Access.js"
import { keyAccess } from "../../../src/accounts/KeyAccess.js"
import * as ActorsSingleProcess from "../../../src/actors/cluster/ActorsSingleProcess.js"
import { type Incoming, type Origin, Recorder, type RecordResult } from "../../../src/actors/Recorder.js"
import type { QuarantineEntry, QuarantineService } from "../../../src/collect/Quarantine.js"
import { clientKey } from "../../../src/domain/Ids.js"
import type { EventLog } from "../../../src/eventlog/EventLog.js"
import { EmbeddedEventLog } from "../../../src/eventlog/embedded/EmbeddedLog.js"
import { type GraphqlServer, makeGraphqlServer } from "../../../src/graphql/Server.js"
import * as EmbeddedKeyStore from "../../../src/keystore/embedded/EmbeddedKeyStore.js"
import type { KeyStore } from "../../../src/keystore/KeyStore.js"
import type { ControllerTuning } from "../../../src/processors/Controller.js"
import * as ProcessorsInProcess from "../../../src/processors/ProcessorsInProcess.js"
import type { Projection } from "../../../src/processors/Projection.js"
import { projections } from "../../../src/projections/index.js"
import { apiKeyRef, decodeApiKey } from "../../../src/projections/merchants.js"
import * as QueriesLayer from "../../../src/queries/Queries.js"
import { Queries } from "../../../src/queries/Queries.js"
import * as EmbeddedReadModels from "../../../src/readmodels/embedded/EmbeddedReadModels.js"
import { ReadModels, type ReadModelsService } from "../../../src/readmodels/ReadModels.js"

export const SECRET = Buffer.from("a secret of the tests")
export const ADMIN_KEY = "admin-key-of-the-tests"
const origin: Origin = { source: "api", key: "admin", mayCreateMerchants: true }

let made = 0

export interface Given {
  readonly merchantId?: string
  readonly id?: string
  readonly type?: string
  readonly at?: number
  readonly clientId?: string
  readonly path?: string
  readonly amount?: number
  readonly currency?: string
  readonly paymentMethod?: string
  readonly pointsUsed?: number
  readonly pointsEarned?: number
  readonly referrer?: string
  readonly country?: string
  readonly device?: string
  readonly browser?: string
  readonly os?: string
  readonly grade?: string
  readonly properties?: Readonly<Record<string, unknown>>
}

const incoming = ({
  merchantId = "m-1",
  id,
  type = "pageview",
  at = Date.now(),
  clientId,
  ...data
}: Given): Incoming => ({
  type,
  at,
  data: {
    id: id ?? `e-${made++}`,
    merchantId,
    ...data,
    ...(clientId === undefined ? {} : { clientKey: clientKey(SECRET, merchantId, clientId) }),
  },
  ...(clientId === undefined ? {} : { profile: { clientId, ip: "203.0.113.7" } }),
})

type All = Recorder | EventLog | KeyStore | ReadModels | Queries

/** The real parts from the log to GraphQL, on stores in a directory of their own. */
export class World {
  private constructor(
    private readonly scope: Scope.CloseableScope,
    private readonly context: Context.Context<All>,
    readonly directory: string,
    readonly access: AccessService,
    readonly quarantined: Array<QuarantineEntry>,
    readonly graphql: GraphqlServer,
    readonly server: Server,
  ) {}

  static async open(
    options: {
      readonly idleAfterMs?: number
      /** What the queries read from, made of the real store. */
      readonly readModels?: (real: ReadModelsService) => ReadModelsService
      readonly projections?: ReadonlyArray<Projection>
      readonly tuning?: ControllerTuning
      /** Of a world that was closed with `keep`. */
      readonly directory?: string
    } = {},
  ): Promise<World> {
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), "tidemark-queries-"))
    const scope = await Effect.runPromise(Scope.make())
    const stores = Layer.mergeAll(
      EmbeddedEventLog.layer({ directory: join(directory, "log") }),
      EmbeddedReadModels.layer({ directory: join(directory, "readmodels") }),
      EmbeddedKeyStore.layer({ directory: join(directory, "keys") }),
    )
    const { idleAfterMs = 1_800_000, readModels: wrap = (real) => real } = options
    const queries = QueriesLayer.layer({ secret: SECRET, idleAfterMs }).pipe(
      Layer.provide(Layer.effect(ReadModels, Effect.map(ReadModels, wrap))),
    )
    const layer = Layer.merge(
      ActorsSingleProcess.layer({ directory: join(directory, "index"), tuning: { idleAfterMs } }),
      queries.pipe(
        Layer.provide(ProcessorsInProcess.layer(options.projections ?? projections, options.tuning)),
      ),
    ).pipe(Layer.provideMerge(stores), Layer.provide(Logger.minimumLogLevel(LogLevel.None)))
    const context = (await Effect.runPromise(Layer.buildWithScope(layer, scope))) as Context.Context<All>
    const readModels = Context.get(context, ReadModels)
    const access = keyAccess({
      adminKey: ADMIN_KEY,
      findKey: async (hash) => {
        const builds = await Effect.runPromise(readModels.builds)
        const build = builds.find((one) => one.projection === "merchants" && one.state === "SERVING")
        if (build === undefined) return undefined
        const [doc] = await Effect.runPromise(readModels.load(build.id, [apiKeyRef(hash)]))
        const key = decodeApiKey(doc)
        return key === undefined || key.revoked ? undefined : key
      },
    })
    const quarantined: Array<QuarantineEntry> = []
    // Filled by the tests: what quarantines is another room's.
    const quarantine: QuarantineService = {
      put: () => {},
      list: ({ first }) => Effect.succeed({ entries: quarantined.slice(0, first) }),
      stats: () => ({ waiting: 0, written: 0, dropped: 0 }),
    }
    const graphql = makeGraphqlServer(
      {
        queries: Context.get(context, Queries),
        recorder: Context.get(context, Recorder),
        access,
        quarantine,
      },
      { development: true },
    )
    const server = createServer(graphql.handleHttp)
    server.on("upgrade", graphql.handleUpgrade)
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return new World(scope, context, directory, access, quarantined, graphql, server)
  }

  get<I extends All, S>(tag: Context.Tag<I, S>): S {
    return Context.get(this.context as Context.Context<I>, tag)
  }

  get queries() {
    return this.get(Queries)
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/graphql`
  }

  /** Records events as they would come from the collecting path; answers with the position. */
  async send(...events: ReadonlyArray<Given>): Promise<string> {
    const result = await new Promise<RecordResult>((resolve) => {
      this.get(Recorder).record(events.map(incoming), origin, resolve)
    })
    if (result._tag !== "Recorded") throw new Error(JSON.stringify(result))
    for (const one of result.events) if (one._tag === "Refused") throw new Error(one.message)
    return result.position
  }

  async post(body: unknown, key: string | undefined = ADMIN_KEY, headers: Record<string, string> = {}) {
    const answer = await fetch(this.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(key === "" ? {} : { authorization: `Bearer ${key}` }),
        ...headers,
      },
      body: typeof body === "string" ? body : JSON.stringify(body),
    })
    const text = await answer.text()
    // biome-ignore lint/suspicious/noExplicitAny: the shape follows the query
    return { status: answer.status, headers: answer.headers, body: JSON.parse(text) as any }
  }

  /** The data; errors fail the test. */
  // biome-ignore lint/suspicious/noExplicitAny: the shape follows the query
  async ask(query: string, variables: Record<string, unknown> = {}, key?: string): Promise<any> {
    const { body } = await this.post({ query, variables }, key)
    if (body.errors !== undefined) throw new Error(JSON.stringify(body.errors))
    return body.data
  }

  /** The codes of the errors. */
  async refusal(query: string, variables: Record<string, unknown> = {}, key?: string): Promise<string> {
    const { body } = await this.post({ query, variables }, key)
    return (body.errors ?? []).map((one: { extensions?: { code?: string } }) => one.extensions?.code).join()
  }

  /** With `keep` its directory is kept, for another world. */
  async close(keep = false): Promise<void> {
    await this.graphql.close()
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
    await Effect.runPromise(Scope.close(this.scope, Exit.void))
    if (!keep) rmSync(this.directory, { recursive: true, force: true })
  }
}
