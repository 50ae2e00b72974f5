import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, expect, it } from "vitest"
import * as LevelStreamIndex from "../../src/actors/embedded/LevelStreamIndex.js"
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
