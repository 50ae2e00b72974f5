import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { afterAll, describe, expect, it } from "vitest"
import { BuildFile } from "../../../src/readmodels/embedded/BuildFile.js"
import { rounds } from "../../support/rounds.js"

const directory = mkdtempSync(join(tmpdir(), "tidemark-removed-"))
const shared = new SharedArrayBuffer(8)
const turn = new Int32Array(shared, 0, 1)
const errors = new Int32Array(shared, 4, 1)
const worker = new Worker(new URL("./removedWhileRead.mjs", import.meta.url), {
  workerData: { directory: join(directory, "now"), shared },
})
afterAll(async () => {
  Atomics.store(turn, 0, 2)
  Atomics.notify(turn, 0)
  await worker.terminate()
  rmSync(directory, { recursive: true })
})

/** How it is after `kill -9`, which may take the index of the write-ahead log with it. */
const killed = [
  { how: "with its index", ends: ["", "-wal", "-shm"] },
  { how: "without one", ends: ["", "-wal"] },
]

it("a build leaves nothing behind that was killed when its file was being made", () => {
  const made = join(directory, "made")
  mkdirSync(made)
  for (const end of ["", "-journal"]) writeFileSync(join(made, `build-b.db${end}`), "")
  new BuildFile(made, "b", "writer").remove()
  expect(readdirSync(made)).toEqual([])
})

describe("a build that is removed while a reader opens it", () => {
  it.each(killed)("leaves nothing behind, and the reader finds no build ($how)", ({ ends }) => {
    const [before, now] = [join(directory, "before"), join(directory, "now")]
    mkdirSync(now, { recursive: true })
    const writer = new BuildFile(before, "b", "writer")
    writer.commit([{ collection: "c", key: "k", doc: 1 }], new Map())
    const left: Array<string> = []
    for (let round = 0; round < rounds(300, 5_000); round++) {
      for (const end of ends) copyFileSync(join(before, `build-b.db${end}`), join(now, `build-b.db${end}`))
      const build = new BuildFile(now, "b", "writer")
      Atomics.store(turn, 0, 1)
      Atomics.notify(turn, 0)
      const until = performance.now() + (round % 200) / 100
      while (performance.now() < until);
      build.remove()
      while (Atomics.load(turn, 0) !== 0);
      left.push(...readdirSync(now))
    }
    writer.close()
    expect([left, Atomics.load(errors, 0)]).toEqual([[], 0])
  })
})
