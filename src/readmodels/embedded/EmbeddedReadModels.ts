import { Effect, Layer } from "effect"
import { queryThrough, ReadModels, type ReadModelsService, ReadModelsUnavailable } from "../ReadModels.js"
import { Store } from "./Store.js"
import { databaseFile } from "./Tables.js"

export interface EmbeddedReadModelsOptions {
  /** Where `read-models.db` lies. */
  readonly directory: string
}

const serviceOf = (store: Store, directory: string): ReadModelsService => {
  const attempt = <A>(doing: string, run: () => A): Effect.Effect<A, ReadModelsUnavailable> =>
    Effect.try({
      try: run,
      catch: (cause) =>
        new ReadModelsUnavailable({
          reason: `${doing} in ${databaseFile(directory)} failed: ${cause instanceof Error ? cause.message : String(cause)}`,
          cause,
        }),
    })
  const queryMany: ReadModelsService["queryMany"] = (build, questions) =>
    attempt(`querying ${build}`, () => store.queryMany(build, questions))
  return {
    builds: attempt("listing builds", () => store.builds()),
    saveBuild: (build) => attempt(`saving build ${build.id}`, () => store.saveBuild(build)),
    dropBuild: (build) => attempt(`dropping build ${build}`, () => store.dropBuild(build)),
    checkpoints: (build) => attempt(`reading checkpoints of ${build}`, () => store.checkpoints(build)),
    load: (build, refs) => attempt(`reading documents of ${build}`, () => store.loadMany(build, refs)),
    loadNow: (build, ref) => store.loadNow(build, ref),
    commit: (build, puts, checkpoints) =>
      attempt(`writing documents of ${build}`, () => store.commit(build, puts, checkpoints)),
    queryMany,
    query: queryThrough(queryMany),
  }
}

const scoped = (options: EmbeddedReadModelsOptions, mode: "writer" | "reader" | "snapshot") =>
  Layer.scoped(
    ReadModels,
    Effect.acquireRelease(
      Effect.try({
        try: () => {
          const store = new Store(options.directory, mode === "writer" ? "writer" : "reader")
          if (mode === "snapshot") store.hold()
          return store
        },
        catch: (cause) =>
          new ReadModelsUnavailable({
            reason: `${databaseFile(options.directory)} could not be opened: ${String(cause)}. Another program may be writing it: end that one first. When it is broken, remove the directory: everything in it is made again from the event log`,
            cause,
          }),
      }),
      (store) => Effect.sync(() => store.close()),
    ).pipe(Effect.map((store) => serviceOf(store, options.directory))),
  )

/** For the one thread that writes. */
export const layer = (options: EmbeddedReadModelsOptions): Layer.Layer<ReadModels, ReadModelsUnavailable> =>
  scoped(options, "writer")

/** For readers in other threads and processes; every answer is one state that was committed. */
export const readerLayer = (
  options: EmbeddedReadModelsOptions,
): Layer.Layer<ReadModels, ReadModelsUnavailable> => scoped(options, "reader")

/** For a reader that compares: it stays at what was committed when the layer was built. */
export const snapshotLayer = (
  options: EmbeddedReadModelsOptions,
): Layer.Layer<ReadModels, ReadModelsUnavailable> => scoped(options, "snapshot")
