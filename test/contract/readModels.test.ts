import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "@photostructure/sqlite"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { fromNumber } from "../../src/domain/Position.js"
import * as Embedded from "../../src/readmodels/embedded/EmbeddedReadModels.js"
import { makeMemoryReadModels } from "../../src/readmodels/MemoryReadModels.js"
import { ReadModels, type ReadModelsService } from "../../src/readmodels/ReadModels.js"
import { type ReadModelsUnderTest, readModelsContract } from "./ReadModelsContract.js"

const built = async (
  layer: Layer.Layer<ReadModels, unknown>,
  scope: Scope.CloseableScope,
): Promise<ReadModelsService> => {
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  return Effect.runSync(Effect.provide(ReadModels, context))
}

const openEmbedded = async (directory: string): Promise<ReadModelsUnderTest> => {
  const scope = Effect.runSync(Scope.make())
  // The reader comes first, as it may when a program starts for the first time.
  const reader = await built(Embedded.readerLayer({ directory }), scope)
  expect(await Effect.runPromise(reader.builds)).toEqual([])
  const writer = await built(Embedded.layer({ directory }), scope)
  const closeScope = () => Effect.runPromise(Scope.close(scope, Exit.void))
  return {
    writer,
    reader,
    reopen: async () => {
      await closeScope()
      const again = Effect.runSync(Scope.make())
      return {
        reader: await built(Embedded.readerLayer({ directory }), again),
        writer: await built(Embedded.layer({ directory }), again),
        reopen: undefined,
        close: async () => {
          await Effect.runPromise(Scope.close(again, Exit.void))
          rmSync(directory, { recursive: true })
        },
      }
    },
    close: async () => {
      await closeScope()
      rmSync(directory, { recursive: true })
    },
  }
}

const temporary = () => mkdtempSync(join(tmpdir(), "tidemark-read-models-"))

readModelsContract("embedded", () => openEmbedded(temporary()))

for (const synchronous of [true, false]) {
  readModelsContract(`memory, ${synchronous ? "synchronous" : "asynchronous"}`, async () => {
    const store = makeMemoryReadModels({ synchronous })
    return { writer: store, reader: store, reopen: undefined, close: async () => {} }
  })
}

describe("embedded read models", () => {
  it("keep their write-ahead log bounded while a reader reads all the time", async () => {
    const directory = temporary()
    const { writer, reader, close } = await openEmbedded(directory)
    const doc = "x".repeat(1000)
    for (let round = 0; round < 60; round++) {
      const puts = Array.from({ length: 2_000 }, (_, i) => ({
        collection: "c",
        key: `${i}`,
        doc: `${doc}${round}`,
      }))
      const position = { position: fromNumber(round + 1), recordedAt: null }
      await Effect.runPromise(writer.commit("b", puts, new Map([[0, position]])))
      const { checkpoint, rows } = await Effect.runPromise(
        reader.query("b", 0, [{ collection: "c", from: "", to: "~", limit: 1 }]),
      )
      expect(checkpoint.position).toBe(String(round + 1))
      expect(rows[0]?.[0]?.doc).toBe(`${doc}${round}`)
    }
    // 60 commits wrote more than 120 MB.
    expect(statSync(join(directory, "build-b.db-wal")).size).toBeLessThan(80 * 1024 * 1024)
    await close()
  })

  it("take the commits of two writers of one build in turns, whatever each has read before, and keep what is the other's", async () => {
    const directory = temporary()
    const scope = Effect.runSync(Scope.make())
    const run = Effect.runPromise
    const one = await built(Embedded.layer({ directory, writers: 2 }), scope)
    const other = await built(Embedded.layer({ directory, writers: 2 }), scope)
    const reader = await built(Embedded.readerLayer({ directory }), scope)
    await run(one.commit("b", [], new Map()))
    const at = (partition: number, n: number) =>
      new Map([[partition, { position: fromNumber(n), recordedAt: n }]])
    const put = (key: string, doc: number) => ({ collection: "c", key, doc })
    for (let n = 1; n <= 20; n++) {
      // Each reads on in what it saw before the other's commit.
      expect(one.loadNow?.("b", { collection: "c", key: "one" })).toBe(n === 1 ? undefined : n - 1)
      expect(other.loadNow?.("b", { collection: "c", key: "other" })).toBe(n === 1 ? undefined : n - 1)
      await run(one.commit("b", [put("one", n)], at(3, n)))
      await run(other.commit("b", [put("other", n)], at(200, n)))
      const { rows } = await run(reader.query("b", 3, [{ collection: "c", from: "", to: "~" }]))
      expect(rows[0]?.map(({ doc }) => doc)).toEqual([n, n])
      expect(await run(reader.checkpoints("b"))).toEqual(new Map([...at(3, n), ...at(200, n)]))
    }
    for (let i = 0; i < 2_000; i++) one.loadNow?.("b", { collection: "c", key: `none-${i}` })
    expect(one.loadNow?.("b", { collection: "c", key: "other" })).toBe(20)
    await run(Scope.close(scope, Exit.void))
    rmSync(directory, { recursive: true })
  })

  it("can be read before they are written to again, when the program was killed while it made their file", async () => {
    const [killed, left] = [temporary(), temporary()]
    const making = new DatabaseSync(join(killed, "build-b.db"))
    // Of changes that do not fit the cache some are in the file, and what was there is in the journal.
    making.exec(`
      PRAGMA cache_size = 5;
      CREATE TABLE c (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, doc TEXT NOT NULL);
      INSERT INTO c (key, doc) VALUES ('kept', '1');
      BEGIN;
    `)
    const insert = making.prepare("INSERT INTO c (key, doc) VALUES (?, '2')")
    for (let i = 0; i < 2_000; i++) insert.run(`lost-${i}-${"x".repeat(200)}`)
    cpSync(killed, left, { recursive: true })
    making.close()
    expect(readdirSync(left)).toContain("build-b.db-journal")
    const { reader, close } = await openEmbedded(left)
    const scan = { collection: "c", from: "", to: "~" }
    const { rows } = await Effect.runPromise(reader.query("b", 0, [scan]))
    expect(rows).toEqual([[{ key: "kept", doc: 1 }]])
    await close()
  })
})
