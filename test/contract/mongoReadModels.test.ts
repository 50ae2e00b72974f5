import { Effect, Exit, Layer, Scope } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import * as Mongo from "../../src/readmodels/mongodb/MongoReadModels.js"
import { ReadModels, type ReadModelsService } from "../../src/readmodels/ReadModels.js"
import { dropDatabase, hasMongo, mongoForTests, redacted } from "../support/MongoServer.js"
import { type ReadModelsUnderTest, readModelsContract } from "./ReadModelsContract.js"

const built = async (
  layer: Layer.Layer<ReadModels, unknown>,
  scope: Scope.CloseableScope,
): Promise<ReadModelsService> => {
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  return Effect.runSync(Effect.provide(ReadModels, context))
}

const open = async (url: string): Promise<ReadModelsUnderTest> => {
  const scope = Effect.runSync(Scope.make())
  const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
  return {
    reader: await built(Mongo.readerLayer({ url: redacted(url) }), scope),
    writer: await built(Mongo.layer({ url: redacted(url) }), scope),
    reopen: async () => {
      await close()
      return open(url)
    },
    close: async () => {
      await close()
      await dropDatabase(url)
    },
  }
}

describe.skipIf(!hasMongo)("MongoDB", () => {
  const mongo = mongoForTests()
  beforeAll(mongo.start)
  afterAll(mongo.close)
  readModelsContract("MongoDB", () => open(mongo.database()))
})
