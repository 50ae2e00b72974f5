import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import { findIssuedKey } from "../accounts/IssuedKeys.js"
import { keyAccess } from "../accounts/KeyAccess.js"
import { Actors } from "../actors/Actors.js"
import * as ActorsSingleProcess from "../actors/cluster/ActorsSingleProcess.js"
import { Recorder } from "../actors/Recorder.js"
import { collectConfig } from "../collect/CollectConfig.js"
import { makeCollectHandler } from "../collect/Collector.js"
import { EmbeddedQuarantine } from "../collect/EmbeddedQuarantine.js"
import { Quarantine } from "../collect/Quarantine.js"
import { start } from "../domain/Position.js"
import { EventLog } from "../eventlog/EventLog.js"
import { Processors } from "../processors/Processors.js"
import { optional, projections } from "../projections/index.js"
import * as EngineQueries from "../queries/Queries.js"
import { Queries } from "../queries/Queries.js"
import { ReadModels } from "../readmodels/ReadModels.js"
import { compareInThread } from "./CompareInThread.js"
import { loadCountryFile } from "./CountryFile.js"
import { dataDirectory } from "./DataDirectory.js"
import { openLog } from "./EventLogs.js"
import { figures } from "./Figures.js"
import { Gate } from "./Gate.js"
import { listen, pathOf } from "./HttpServer.js"
import { keyStoreLayer } from "./KeyStores.js"
import { metricsHandler } from "./Metrics.js"
import * as ProcessorsInThread from "./ProcessorsInThread.js"
import { reactorsHere } from "./Reactors.js"
import { readerLayer, readModelsData } from "./ReadModelStore.js"
import { loadSecrets, type Secrets } from "./Secrets.js"
import type { RuntimeSettings } from "./Settings.js"

/** A part that the rest can't do without has ended by itself. Everything accepted is in the log. */
export class PartDied extends Data.TaggedError("PartDied")<{
  readonly part: string
  readonly reason: string
}> {
  override get message(): string {
    return `${this.part} has ended: ${this.reason}. Everything accepted is in the log: start again`
  }
}

const PATHS = ["/v1/events", "/graphql", "/metrics"]

export interface Serving {
  readonly url: string
  readonly secrets: Secrets
  /** Fails when a part has died that can't be replaced while running. */
  readonly died: Effect.Effect<never, PartDied>
}

/** The stores and everything that runs on them, in the order in which they can be opened; closed in reverse. */
const open = (
  settings: RuntimeSettings,
  secrets: Secrets,
  died: (error: PartDied) => void,
  onTrouble: (reason: string | undefined) => void,
) =>
  Effect.gen(function* () {
    const directories = dataDirectory(settings.dataDir)
    const secret = Buffer.from(Redacted.value(secrets.secret), "utf8")
    const { log, forThread } = yield* openLog(settings.eventLog, {
      directory: directories.log,
      slowdownMs: settings.logSlowdownMs,
      onDied: (reason) => died(new PartDied({ part: "the event log's writer", reason })),
      onTrouble,
    })
    const isEmpty = (yield* log.head) === start
    if (!isEmpty && secrets.secretIsNew) return yield* secrets.discard
    const readModels = readModelsData(settings.readModels, directories.readModels)
    const processors = ProcessorsInThread.layer({
      forThread,
      readModels,
      deadLetters: settings.deadLetters,
      rebuildThreads: settings.rebuildThreads,
      tuning: { standbyForMs: Duration.toMillis(settings.standbyFor) },
      onDied: ({ reason }) => died(new PartDied({ part: "the processors' thread", reason })),
    })
    const stores = Layer.mergeAll(
      keyStoreLayer(settings.readModels, directories.keys, isEmpty),
      processors.pipe(
        Layer.provideMerge(readerLayer(readModels)),
        Layer.provideMerge(Layer.succeed(EventLog, log)),
      ),
      EmbeddedQuarantine.layer({ directory: directories.quarantine }),
    )
    const actors = ActorsSingleProcess.layer({
      directory: directories.index,
      tuning: {
        passivateAfterMs: Duration.toMillis(settings.passivateAfter),
        idleAfterMs: Duration.toMillis(settings.idleAfter),
      },
    })
    const queries = EngineQueries.layer({
      ...{ secret, idleAfterMs: Duration.toMillis(settings.idleAfter) },
      prepareComparison: compareInThread({ readModels }),
      collectionsOf: (name) => [
        ...new Set(
          [...projections, ...optional, ...reactorsHere()]
            .filter((one) => one.name === name)
            .flatMap(({ collections }) => collections),
        ),
      ],
    })
    return yield* Layer.build(Layer.merge(actors, queries).pipe(Layer.provideMerge(stores)))
  })

/**
 * Runs Tidemark until the scope closes. The port is open from the start; `/readyz` says when events are
 * taken. On closing: no new connection, what is under way is answered, actors drain, processors commit,
 * the log closes.
 */
export const serve = (settings: RuntimeSettings) =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<never>()
    const onFault = (cause: unknown): void => {
      Runtime.runFork(runtime)(Effect.logError("a request met an error in Tidemark itself", Cause.die(cause)))
    }
    const onUnavailable = (reason: string): void => {
      Runtime.runFork(runtime)(Effect.logWarning(`events can't be stored now, and are refused: ${reason}`))
    }
    const countryOf = yield* loadCountryFile(settings.countryFile)
    const secrets = yield* loadSecrets(settings)
    const secret = Buffer.from(Redacted.value(secrets.secret), "utf8")
    const death = yield* Deferred.make<never, PartDied>()
    const gate = new Gate()

    const died = (error: PartDied): void => {
      gate.broken(error.message)
      Deferred.unsafeDone(death, Effect.fail(error))
    }
    const { port, stopAccepting } = yield* listen({ ...settings, routes: gate.routes(PATHS) })
    const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host
    const url = `http://${host}:${port}`
    yield* Effect.logInfo(`listening on ${url}, opening the stores in ${settings.dataDir}`)

    // Its libraries take half a second to load: threads open the stores meanwhile.
    const loading = yield* Effect.fork(Effect.promise(() => import("../graphql/Server.js")))
    const context = yield* open(settings, secrets, died, (reason) => gate.away(reason))
    const services = yield* Effect.all({
      recorder: Recorder,
      actors: Actors,
      queries: Queries,
      processors: Processors,
      readModels: ReadModels,
      quarantine: Quarantine,
      activation: ActorsSingleProcess.Activation,
    }).pipe(Effect.provide(context))
    const access = keyAccess({
      adminKey: Redacted.value(secrets.adminKey),
      findKey: findIssuedKey(services.readModels),
    })
    const { recorder, quarantine, queries } = services
    const collect = makeCollectHandler({
      recorder,
      access,
      quarantine,
      config: collectConfig(secret, { countryOf }),
      onFault,
      onUnavailable,
    })
    const { makeGraphqlServer } = yield* Fiber.join(loading)
    const graphql = makeGraphqlServer(
      { queries, recorder, access, quarantine },
      { development: settings.development },
    )
    const metrics = metricsHandler(
      figures({
        collect: collect.stats,
        actors: services.actors.stats,
        quarantine: quarantine.stats,
        progress: () => Effect.runPromise(services.processors.progress),
        projections: () => Effect.runPromise(queries.projections.list),
      }),
    )
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        gate.stop()
        yield* stopAccepting
        yield* Effect.promise(graphql.close)
        collect.close()
      }),
    )
    yield* services.activation.await
    gate.open({
      handlers: {
        "/v1/events": collect,
        "/graphql": graphql.handleHttp,
        "/metrics": (req, res) => metrics(req, res, onFault),
      },
      upgrade: (req, socket, head) => {
        if (pathOf(req) === "/graphql") graphql.handleUpgrade(req, socket, head)
        else socket.end("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
      },
    })
    return { url, secrets, died: Deferred.await(death) } satisfies Serving
  })
