import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ClassicLevel } from "classic-level"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, expect, it } from "vitest"
import * as LevelStreamIndex from "../../src/actors/embedded/LevelStreamIndex.js"
import { eventId, streamNamespace } from "../../src/domain/Ids.js"
import { fromNumber } from "../../src/domain/Position.js"
import { type StreamIndexHarness, streamIndexContract } from "./StreamIndexContract.js"

const made: Array<string> = []

const temporary = () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-index-"))
  made.push(directory)
  return directory
}

afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true })
})

const harness = (directory: string): StreamIndexHarness => ({
  open: () => LevelStreamIndex.LevelStreamIndex.open({ directory, limit: 1_000 }),
  crashed: () => {
    const copy = temporary()
    // The lock file is the living process's.
    cpSync(directory, copy, { recursive: true, filter: (path) => !path.endsWith("LOCK") })
    return harness(copy)
  },
})

streamIndexContract("LevelDB", () => harness(temporary()))

it("a second opening says what to do", async () => {
  const directory = temporary()
  const index = await LevelStreamIndex.LevelStreamIndex.open({ directory })
  const second = await Effect.runPromise(Effect.scoped(Effect.either(LevelStreamIndex.make({ directory }))))
  expect(Either.isLeft(second) && second.left.message).toContain("Stop whatever else uses it")
  await index.close()
})

// classic-level never frees its copy of an empty value: 32 bytes for each id that was ever written.
it("writes no empty value", async () => {
  const directory = temporary()
  const index = await LevelStreamIndex.LevelStreamIndex.open({ directory })
  const [stream, eventIds] = ["client-001.a", [eventId(streamNamespace("client-001.a"), "e-1")]]
  index.record({ stream, partition: 1, revision: 0, position: fromNumber(300), recordedAt: 1, eventIds })
  await index.close()
  const db = new ClassicLevel<Buffer, Buffer>(directory, { keyEncoding: "buffer", valueEncoding: "buffer" })
  const lengths = (await db.values().all()).map((value) => value.length)
  await db.close()
  expect(lengths.length).toBeGreaterThanOrEqual(3)
  expect(Math.min(...lengths)).toBeGreaterThan(0)
})
