import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as EmbeddedReadModels from "../readmodels/embedded/EmbeddedReadModels.js"
import type { ReadModels, ReadModelsUnavailable } from "../readmodels/ReadModels.js"

/** Where the read models are kept. A connection string has credentials in it: it is not to be printed. */
export type ReadModelStore =
  | { readonly _tag: "Embedded" }
  | { readonly _tag: "MongoDB"; readonly url: Redacted.Redacted }

const NAME = "TIDEMARK_READ_MODELS"

const invalid = (reason: string) => ConfigError.InvalidData([NAME], reason)

/** `TIDEMARK_READ_MODELS`. */
export const readModelStore: Effect.Effect<ReadModelStore, ConfigError.ConfigError> = Effect.gen(
  function* () {
    const value = yield* Config.string(NAME).pipe(Config.withDefault("embedded"))
    if (value === "embedded") return { _tag: "Embedded" }
    if (!/^mongodb(\+srv)?:\/\//.test(value)) {
      return yield* Effect.fail(
        invalid(
          `it has to be "embedded", or a connection string that begins with "mongodb://" or "mongodb+srv://"`,
        ),
      )
    }
    const { faultOf } = yield* Effect.promise(() => import("../mongodb/Connection.js"))
    const fault = faultOf(value)
    if (fault !== undefined) {
      return yield* Effect.fail(
        invalid(`it is not a connection string that MongoDB's client takes: ${fault}`),
      )
    }
    return { _tag: "MongoDB", url: Redacted.make(value) }
  },
)

/** As plain data, to be handed to a thread. `url` is undefined for the embedded store. */
export interface ReadModelsData {
  readonly directory: string
  readonly url: string | undefined
}

export const readModelsData = (store: ReadModelStore, directory: string): ReadModelsData => ({
  directory,
  url: store._tag === "MongoDB" ? Redacted.value(store.url) : undefined,
})

/** Loaded when it is used: the client takes memory and time that embedded stores don't need. */
type MongoReadModels = typeof import("../readmodels/mongodb/MongoReadModels.js")

type ReadModelsLayer = Layer.Layer<ReadModels, ReadModelsUnavailable>

const choose = (
  data: ReadModelsData,
  embedded: (directory: string) => ReadModelsLayer,
  mongodb: (store: MongoReadModels, url: Redacted.Redacted) => ReadModelsLayer,
): ReadModelsLayer => {
  const { directory, url } = data
  if (url === undefined) return embedded(directory)
  return Layer.unwrapEffect(
    Effect.map(
      Effect.promise(() => import("../readmodels/mongodb/MongoReadModels.js")),
      (store) => mongodb(store, Redacted.make(url)),
    ),
  )
}

/** `writers`: how many threads write the same builds; MongoDB's have one. */
export const writerLayer = (data: ReadModelsData, writers = 1): ReadModelsLayer =>
  choose(
    data,
    (directory) => EmbeddedReadModels.layer({ directory, writers }),
    (store, url) => store.layer({ url }),
  )

export const readerLayer = (data: ReadModelsData): ReadModelsLayer =>
  choose(
    data,
    (directory) => EmbeddedReadModels.readerLayer({ directory }),
    (store, url) => store.readerLayer({ url }),
  )

/** Of all builds, or those named. `temporary`: an empty directory for a copy, where the store has no snapshots. */
export const snapshotLayer = (
  data: ReadModelsData,
  temporary: string,
  builds?: ReadonlyArray<string>,
): ReadModelsLayer =>
  choose(
    data,
    (directory) => EmbeddedReadModels.snapshotLayer({ directory }, builds),
    (store, url) => store.snapshotLayer({ url, directory: temporary }, builds),
  )
