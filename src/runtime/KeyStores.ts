import { existsSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EmbeddedKeyStore from "../keystore/embedded/EmbeddedKeyStore.js"
import type { KeyStore, KeyStoreUnavailable } from "../keystore/KeyStore.js"
import type { ReadModelStore } from "./ReadModelStore.js"

const missing = (place: string) =>
  Effect.logWarning(
    `the clients' keys are missing in ${place}: without them everyone in the log reads as (erased). Restore them from the backup that goes with the log`,
  )

/** The clients' keys: where the read models are, or in the directory. Says so when a log with events has none. */
export const keyStoreLayer = (
  store: ReadModelStore,
  directory: string,
  logIsEmpty: boolean,
): Layer.Layer<KeyStore, KeyStoreUnavailable> => {
  if (store._tag === "Embedded") {
    const isMissing = !logIsEmpty && !existsSync(join(directory, "keys.sqlite"))
    return EmbeddedKeyStore.layer({ directory }).pipe(
      Layer.tap(() => (isMissing ? missing(directory) : Effect.void)),
    )
  }
  // Loaded when it is used, as the read models' client.
  return Layer.unwrapEffect(
    Effect.gen(function* () {
      const { layer } = yield* Effect.promise(() => import("../keystore/mongodb/MongoKeyStore.js"))
      const { moveKeys } = yield* Effect.promise(() => import("../keystore/mongodb/MovedKeys.js"))
      const say = { moved: 0, isMissing: false }
      return layer({
        url: store.url,
        onOpen: async (keys) => {
          say.moved = await moveKeys(directory, keys)
          say.isMissing = !logIsEmpty && (await keys.isEmpty())
        },
      }).pipe(
        Layer.tap(() =>
          say.moved > 0
            ? Effect.logInfo(`moved the keys of ${say.moved} clients from ${directory} into MongoDB`)
            : say.isMissing
              ? missing("MongoDB's collection keys")
              : Effect.void,
        ),
      )
    }),
  )
}
