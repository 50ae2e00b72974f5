import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Connection, type MongoOptions } from "../../mongodb/Connection.js"
import { decodeCheckpoints } from "../embedded/Checkpoints.js"
import * as Embedded from "../embedded/EmbeddedReadModels.js"
import {
  queryThrough,
  ReadModels,
  type ReadModelsService,
  ReadModelsUnavailable,
  type Registry,
} from "../ReadModels.js"
import { buildsThrough, unregister } from "../Registry.js"
import { BuildWriter, type Step, TakenOver } from "./BuildWriter.js"
import { sweep } from "./Graves.js"
import { Heads, noCheckpoints } from "./Heads.js"
import { DocumentTooLarge } from "./Journal.js"
import { Reader } from "./Reader.js"
import { Registry as MongoRegistry } from "./Registry.js"
import { copyBuilds } from "./Snapshot.js"
import { dropBuild, dropLeftovers, prepare } from "./Spaces.js"

export interface MongoWriterOptions extends MongoOptions {
  /** How long removed documents stay, empty: longer than a writer may sleep in the midst of a write. */
  readonly keepRemovedMs?: number
  /** Called between the steps of each commit, for tests. */
  readonly at?: (step: Step, build: string) => Promise<void>
}

const KEEP_REMOVED_MS = 86_400_000
const SWEEP_EVERY = Duration.minutes(10)

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const attemptAt =
  (place: string) =>
  <A>(doing: string, run: () => Promise<A>): Effect.Effect<A, ReadModelsUnavailable> =>
    Effect.tryPromise({
      try: run,
      catch: (cause) =>
        new ReadModelsUnavailable({
          reason: `${doing} in MongoDB at ${place} failed: ${messageOf(cause)}`,
          cause,
          isFinal: cause instanceof TakenOver || cause instanceof DocumentTooLarge,
        }),
    })

const connect = (options: MongoOptions): Effect.Effect<Connection, ReadModelsUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => new Connection(options),
      catch: (cause) =>
        new ReadModelsUnavailable({ reason: `TIDEMARK_READ_MODELS: ${messageOf(cause)}`, cause }),
    }),
    (connection) => Effect.promise(() => connection.close()),
  )

const registryOf = (connection: Connection): Registry => {
  const attempt = attemptAt(connection.place)
  const registry = new MongoRegistry(connection)
  return {
    registered: attempt("listing builds", () => registry.registered()),
    register: (next) => attempt(`registering builds of ${next.projection}`, () => registry.register(next)),
  }
}

/** Reads; a connection is made, and made again, when something is asked. */
const reading = (connection: Connection): ReadModelsService => {
  const attempt = attemptAt(connection.place)
  const heads = new Heads(connection)
  const registry = registryOf(connection)
  const reader = new Reader(connection, heads)
  const queryMany: ReadModelsService["queryMany"] = (build, questions) =>
    attempt(`querying ${build}`, () => reader.queryMany(build, questions))
  const readOnly = (doing: string) => attempt(doing, () => Promise.reject(new Error("not open for writing")))
  return {
    ...registry,
    ...buildsThrough(registry),
    dropBuild: (build) => readOnly(`dropping build ${build}`),
    checkpoints: (build) =>
      attempt(`reading checkpoints of ${build}`, async () => {
        const head = await heads.read(build)
        return head === null ? noCheckpoints : decodeCheckpoints(head.v.checkpoints)
      }),
    load: (build, refs) => attempt(`reading documents of ${build}`, () => reader.load(build, refs)),
    commit: (build) => readOnly(`writing documents of ${build}`),
    queryMany,
    query: queryThrough(queryMany),
  }
}

const writing = (connection: Connection, options: MongoWriterOptions): ReadModelsService => {
  const attempt = attemptAt(connection.place)
  const heads = new Heads(connection)
  const reader = new Reader(connection, heads)
  const writers = new Map<string, { readonly writer: BuildWriter; readonly lock: Effect.Semaphore }>()
  const withWriter = <A>(doing: string, build: string, run: (writer: BuildWriter) => Promise<A>) =>
    Effect.suspend(() => {
      let known = writers.get(build)
      if (known === undefined) {
        known = {
          writer: new BuildWriter(connection, build, options.at),
          lock: Effect.unsafeMakeSemaphore(1),
        }
        writers.set(build, known)
      }
      const { writer, lock } = known
      return lock.withPermits(1)(Effect.uninterruptible(attempt(doing, () => run(writer))))
    })
  return {
    ...reading(connection),
    dropBuild: (build) =>
      unregister(registryOf(connection), build).pipe(
        Effect.zipRight(
          attempt(`dropping build ${build}`, async () => {
            await dropBuild(connection, heads, build)
            writers.delete(build)
          }),
        ),
      ),
    // A build that was taken over keeps its place: its head need not be read each time, as others' have to be.
    load: (build, refs) =>
      attempt(`reading documents of ${build}`, () =>
        reader.load(build, refs, writers.get(build)?.writer.space),
      ),
    checkpoints: (build) => withWriter(`taking over ${build}`, build, (writer) => writer.checkpoints()),
    commit: (build, puts, checkpoints) =>
      withWriter(`writing documents of ${build}`, build, (writer) => writer.commit(puts, checkpoints)),
  }
}

/**
 * For the one thread that writes. Fails when the server can't be reached at the start; from then on each
 * call fails by itself, and the next one connects again.
 */
export const layer = (options: MongoWriterOptions): Layer.Layer<ReadModels, ReadModelsUnavailable> =>
  Layer.scoped(
    ReadModels,
    Effect.gen(function* () {
      const connection = yield* connect(options)
      const attempt = attemptAt(connection.place)
      yield* attempt("opening the read models", async () => {
        await prepare(connection)
        await dropLeftovers(connection, new Heads(connection))
      })
      const keep = options.keepRemovedMs ?? KEEP_REMOVED_MS
      yield* attempt("removing documents for good", () => sweep(connection, Date.now() - keep)).pipe(
        Effect.catchAll((error) => Effect.logWarning("what was removed is still there; trying later", error)),
        Effect.zipRight(Effect.sleep(SWEEP_EVERY)),
        Effect.forever,
        Effect.forkScoped,
      )
      return writing(connection, options)
    }),
  )

/** For readers in other threads and processes. */
export const readerLayer = (options: MongoOptions): Layer.Layer<ReadModels, ReadModelsUnavailable> =>
  Layer.scoped(ReadModels, Effect.map(connect(options), reading))

/** For a reader that compares: a copy of the serving builds, or of those named, made in the directory when the layer is built. */
export const snapshotLayer = (
  options: MongoOptions & { readonly directory: string },
  builds?: ReadonlyArray<string>,
): Layer.Layer<ReadModels, ReadModelsUnavailable> =>
  Layer.unwrapScoped(
    Effect.gen(function* () {
      const connection = yield* connect(options)
      yield* attemptAt(connection.place)("copying the read models", () =>
        copyBuilds(connection, options.directory, builds),
      )
      return Embedded.snapshotLayer({ directory: options.directory })
    }),
  )
