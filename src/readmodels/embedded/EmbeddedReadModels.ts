import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  queryThrough,
  ReadModels,
  type ReadModelsService,
  ReadModelsUnavailable,
  type Registry,
} from "../ReadModels.js"
import { buildsThrough, unregister } from "../Registry.js"
import { Store } from "./Store.js"
import { databaseFile, registryFile } from "./Tables.js"

export interface EmbeddedReadModelsOptions {
  /** Where the registry and the builds' files lie. */
  readonly directory: string
  /** How many threads write one build, each the documents of its own partitions; 1 when missing. */
  readonly writers?: number
}

const serviceOf = (store: Store, directory: string): ReadModelsService => {
  const attempt = <A>(doing: string, file: string, run: () => A): Effect.Effect<A, ReadModelsUnavailable> =>
    Effect.try({
      try: run,
      catch: (cause) =>
        new ReadModelsUnavailable({
          reason: `${doing} in ${file} failed: ${cause instanceof Error ? cause.message : String(cause)}`,
          cause,
        }),
    })
  const inBuild = <A>(doing: string, build: string, run: () => A) =>
    attempt(`${doing} ${build}`, databaseFile(directory, build), run)
  const queryMany: ReadModelsService["queryMany"] = (build, questions) =>
    inBuild("querying", build, () => store.of(build).queryMany(questions))
  const registry: Registry = {
    registered: attempt("listing builds", registryFile(directory), () => store.registered()),
    register: (next) =>
      attempt(`registering builds of ${next.projection}`, registryFile(directory), () =>
        store.registry.register(next),
      ),
  }
  return {
    ...registry,
    ...buildsThrough(registry),
    // The file first: who is killed in between finds in the registry what is left to be done.
    dropBuild: (build) =>
      inBuild("dropping", build, () => store.remove(build)).pipe(
        Effect.zipRight(unregister(registry, build)),
      ),
    checkpoints: (build) => inBuild("reading checkpoints of", build, () => store.of(build).checkpoints()),
    load: (build, refs) => inBuild("reading documents of", build, () => store.of(build).loadMany(refs)),
    loadNow: (build, ref) => store.of(build).loadNow(ref),
    commit: (build, puts, checkpoints) =>
      inBuild("writing documents of", build, () => store.of(build).commit(puts, checkpoints)),
    queryMany,
    query: queryThrough(queryMany),
  }
}

const scoped = (
  options: EmbeddedReadModelsOptions,
  mode: "writer" | "reader" | "snapshot",
  builds?: ReadonlyArray<string>,
) =>
  Layer.scoped(
    ReadModels,
    Effect.acquireRelease(
      Effect.try({
        try: () => {
          const store = new Store(options.directory, mode === "writer" ? "writer" : "reader", options.writers)
          if (mode === "snapshot") store.hold(builds)
          return store
        },
        catch: (cause) =>
          new ReadModelsUnavailable({
            reason: `${options.directory} could not be opened: ${String(cause)}. Another program may be writing it: end that one first. When it is broken, remove the directory: everything in it is made again from the event log`,
            cause,
          }),
      }),
      (store) => Effect.sync(() => store.close()),
    ).pipe(Effect.map((store) => serviceOf(store, options.directory))),
  )

/** For those who fold. Each build is written by one thread at a time, or by as many as `writers` says. */
export const layer = (options: EmbeddedReadModelsOptions): Layer.Layer<ReadModels, ReadModelsUnavailable> =>
  scoped(options, "writer")

/** For readers in other threads and processes; every answer is one state that was committed. */
export const readerLayer = (
  options: EmbeddedReadModelsOptions,
): Layer.Layer<ReadModels, ReadModelsUnavailable> => scoped(options, "reader")

/** For a reader that compares builds, all or those named: it stays at what was committed when the layer was built. */
export const snapshotLayer = (
  options: EmbeddedReadModelsOptions,
  builds?: ReadonlyArray<string>,
): Layer.Layer<ReadModels, ReadModelsUnavailable> => scoped(options, "snapshot", builds)
