import { execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import type { RecordedEvent } from "../../src/domain/Event.js"
import { DiskReader } from "../../src/eventlog/embedded/DiskReader.js"
import { filesOf } from "../../src/eventlog/embedded/Files.js"
import { tuningOf } from "../../src/eventlog/embedded/Options.js"
import type { AppendMessage } from "../../src/eventlog/embedded/Protocol.js"
import { Writer } from "../../src/eventlog/embedded/Writer.js"

export { soaking as soak } from "../support/rounds.js"

const made: Array<string> = []
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true })
})

export const temporary = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-log-"))
  made.push(directory)
  return directory
}

/** A copy made by another process: closing a file here would give up the locks that SQLite holds on it. */
export const copyOf = (directory: string): string => {
  const target = temporary()
  execFileSync("cp", ["-r", `${directory}/.`, target])
  return target
}

/** Mulberry32: the same seed gives the same faults. */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const seedOf = (): number => {
  const seed = Number(process.env.TIDEMARK_TEST_SEED ?? Date.now() % 1_000_000_007)
  console.log(`TIDEMARK_TEST_SEED=${seed}`)
  return seed
}

let nextId = 0

/** One append of `count` events as the writer gets it. */
export const message = (stream: string, expected: number, count: number, text = "x"): AppendMessage => ({
  tag: "append",
  id: ++nextId,
  streams: [stream],
  expected: [expected],
  counts: [count],
  ids: Array.from({ length: count }, () => randomUUID()),
  events: Array.from({ length: count }, (_, i) =>
    JSON.stringify({ v: 1, type: "pageview", at: i, data: { id: String(i), merchantId: "m", path: text } }),
  ),
  about: Array.from({ length: count }, () => 0),
  metadata: [JSON.stringify({ recordedAt: 1, source: "test", key: "k" })],
})

export const writerOn = (directory: string): Writer => new Writer(tuningOf({ directory }))

/** After a commit: how much of the write-ahead log it takes, and how many events are acknowledged. */
export interface Acknowledged {
  readonly walBytes: number
  readonly head: number
}

/**
 * A log with commits of many sizes to a few streams, stopped as by kill -9: nothing closed. With
 * `checkpointAt`, that commit's pages were moved to the main file, and the write-ahead log begun anew.
 */
export const killedLog = (commits: number, checkpointAt?: number) => {
  const directory = temporary()
  const writer = writerOn(directory)
  const wal = filesOf(directory).wal
  const history: Array<Acknowledged> = []
  const revisions = new Map<string, number>()
  for (let i = 0; i < commits; i++) {
    const batch = Array.from({ length: 1 + (i % 3) }, (_, j) => {
      const stream = `merchant-00${(i + j) % 5}.m`
      const revision = revisions.get(stream) ?? -1
      const count = 1 + ((i * 7 + j) % 4)
      revisions.set(stream, revision + count)
      return message(stream, revision, count, "p".repeat((i * 97) % 700))
    })
    const { answers } = writer.commit(batch, false)
    if (answers.some((answer) => answer.sequences.includes(0))) throw new Error("an append was refused")
    history.push({ walBytes: statSync(wal).size, head: writer.head })
    if (i === checkpointAt) writer.checkpoint()
  }
  const killed = copyOf(directory)
  writer.close()
  return { directory: killed, history, streams: [...revisions.keys()] }
}

export interface Content {
  readonly all: Array<RecordedEvent>
  readonly streams: Array<Array<RecordedEvent>>
}

/** Every event by both ways of reading. Throws what the reader throws. */
export const readEverything = (directory: string, streams: ReadonlyArray<string>): Content => {
  const reader = new DiskReader(directory)
  try {
    const all: Array<RecordedEvent> = []
    for (let at = 0; ; ) {
      const page = reader.after(at, undefined, 1_000)
      if (page.scannedTo === at) break
      all.push(...page.events)
      at = page.scannedTo
    }
    const perStream = streams.map((stream) => {
      const found: Array<RecordedEvent> = []
      for (;;) {
        const page = reader.stream(stream, found.length, false, 1_000)
        if (page.length === 0) return found
        found.push(...page)
      }
    })
    return { all, streams: perStream }
  } finally {
    reader.close()
  }
}
