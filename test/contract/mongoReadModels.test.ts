import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { fromNumber } from "../../src/domain/Position.js"
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

/** What one command may have on MongoDB itself: FerretDB as it is released would get stuck. */
const writeLimits = { statements: 1_000, parallel: 4 }

const open = async (
  url: string,
  options: Partial<Mongo.MongoWriterOptions> = {},
): Promise<ReadModelsUnderTest> => {
  const scope = Effect.runSync(Scope.make())
  const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
  return {
    reader: await built(Mongo.readerLayer({ url: redacted(url) }), scope),
    writer: await built(Mongo.layer({ url: redacted(url), ...options }), scope),
    reopen: async () => {
      await close()
      return open(url, options)
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

  it("puts thousands of documents in place, in as many and as large commands at once as on MongoDB itself", async () => {
    const { writer, reader, close } = await open(mongo.database(), { writeLimits })
    const refs = Array.from({ length: 9_000 }, (_, i) => ({
      collection: `c${i % 3}`,
      key: String(i).padStart(5, "0"),
    }))
    for (const n of [1, 2]) {
      const puts = refs.map((ref) => ({ ...ref, doc: `${ref.key} ${n}` }))
      const checkpoint = { position: fromNumber(n), recordedAt: n }
      await Effect.runPromise(writer.commit("b", puts, new Map([[0, checkpoint]])))
      expect(await Effect.runPromise(reader.load("b", refs))).toEqual(puts.map(({ doc }) => doc))
    }
    await close()
  })
})
