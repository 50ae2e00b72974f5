import * as Effect from "effect/Effect"
import { apiKeyRef, decodeApiKey, PROJECTION } from "../projections/merchants.js"
import type { ReadModelsService } from "../readmodels/ReadModels.js"
import type { FindKey } from "./KeyAccess.js"

/** Finds issued keys in the serving build of the merchants' read model. Rejects when it can't be read. */
export const findIssuedKey =
  (readModels: ReadModelsService): FindKey =>
  (hash) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const builds = yield* readModels.builds
        const serving = builds.find(
          ({ projection, state }) => projection === PROJECTION && state === "SERVING",
        )
        if (serving === undefined) return undefined
        const [doc] = yield* readModels.load(serving.id, [apiKeyRef(hash)])
        const key = decodeApiKey(doc)
        return key === undefined || key.revoked ? undefined : { merchantId: key.merchantId, keyId: key.keyId }
      }),
    )
