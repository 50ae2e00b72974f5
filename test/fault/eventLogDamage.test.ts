import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { LogDamaged } from "../../src/eventlog/EventLog.js"
import { openEmbeddedLogReader } from "../../src/eventlog/embedded/EmbeddedLogReader.js"
import { filesOf, PAGE_SIZE } from "../../src/eventlog/embedded/Files.js"
import {
  type Content,
  copyOf,
  killedLog,
  randomFrom,
  readEverything,
  seedOf,
  soak,
  writerOn,
} from "./eventLogFixture.js"

const FRAME = 24 + PAGE_SIZE

const bytesOf = (directory: string): Map<string, string> =>
  new Map(
    readdirSync(directory)
      .filter((name) => !name.endsWith("-shm") && !name.startsWith("events.lock"))
      .map((name) => [
        name,
        createHash("sha1")
          .update(readFileSync(join(directory, name)))
          .digest("hex"),
      ]),
  )

const flip = (file: string, offset: number, bit: number): void => {
  const bytes = readFileSync(file)
  bytes[offset] = bytes[offset]! ^ (1 << bit)
  writeFileSync(file, bytes)
}

type Verdict = "refused" | "reported on reading" | "harmless"

/** What becomes of a log with damage; throws when events are lost or changed without a word. */
const verdictOn = (directory: string, streams: ReadonlyArray<string>, whole: Content): Verdict => {
  const before = bytesOf(directory)
  try {
    writerOn(directory).close()
  } catch (cause) {
    expect(cause, String(cause)).toBeInstanceOf(LogDamaged)
    expect((cause as LogDamaged).place).toContain("events.db")
    expect(bytesOf(directory)).toEqual(before)
    return "refused"
  }
  try {
    expect(readEverything(directory, streams)).toEqual(whole)
    return "harmless"
  } catch (cause) {
    if (!(cause instanceof LogDamaged)) throw cause
    expect(cause.place).toContain("events.db")
    return "reported on reading"
  }
}

describe("damage is reported with its place, never skipped", () => {
  const tryFlips = (
    kind: "database" | "wal",
    log: ReturnType<typeof killedLog>,
    offsets: (length: number) => ReadonlyArray<number>,
  ) => {
    const seed = seedOf()
    const random = randomFrom(seed)
    const whole = readEverything(copyOf(log.directory), log.streams)
    const { length } = readFileSync(filesOf(log.directory)[kind])
    const counts = new Map<Verdict, number>()
    for (const offset of offsets(length)) {
      const damaged = copyOf(log.directory)
      const bit = Math.floor(random() * 8)
      flip(filesOf(damaged)[kind], offset, bit)
      let verdict: Verdict
      try {
        verdict = verdictOn(damaged, log.streams, whole)
      } catch (cause) {
        throw new Error(`bit ${bit} of byte ${offset} of the ${kind} (seed ${seed}): ${String(cause)}`, {
          cause,
        })
      }
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1)
      rmSync(damaged, { recursive: true })
    }
    return counts
  }

  const some = (seed: number, count: number, from: number, to: number): Array<number> => {
    const random = randomFrom(seed)
    return Array.from({ length: count }, () => from + Math.floor(random() * (to - from)))
  }

  it("any flipped bit in the write-ahead log", () => {
    const log = killedLog(24)
    const counts = tryFlips("wal", log, (length) => [
      ...Array.from({ length: 32 + 24 }, (_, i) => i),
      ...Array.from({ length: 24 }, (_, i) => length - FRAME + i),
      ...some(seedOf(), soak ? 150 : 60, 0, length),
    ])
    expect(counts.get("harmless") ?? 0).toBe(0)
  })

  it("any flipped bit in a write-ahead log that was begun anew, where old frames follow", () => {
    const log = killedLog(24, 18)
    const counts = tryFlips("wal", log, (length) => some(seedOf(), soak ? 150 : 60, 0, length))
    expect(counts.get("refused") ?? 0).toBeGreaterThan(0)
    expect(counts.get("harmless") ?? 0).toBeGreaterThan(0)
  })

  it("any flipped bit in the main file", () => {
    const log = killedLog(60)
    writerOn(log.directory).close()
    const counts = tryFlips("database", log, (length) => [
      ...Array.from({ length: 100 }, (_, i) => i).filter((i) => i % 4 === 0 || i < 20),
      // The headers of pages, where SQLite itself notices least.
      ...Array.from({ length: Math.floor(length / PAGE_SIZE) * 12 }, (_, i) => {
        return Math.floor(i / 12) * PAGE_SIZE + (i % 12)
      }).filter((i) => i % 7 === 0),
      ...some(seedOf(), soak ? 100 : 60, 0, length),
    ])
    expect((counts.get("refused") ?? 0) + (counts.get("reported on reading") ?? 0)).toBeGreaterThan(30)
  })

  it("a missing file", () => {
    for (const [kind, checkpointed] of [
      ["database", false],
      ["database", true],
      ["wal", false],
    ] as const) {
      const log = killedLog(10)
      if (checkpointed) writerOn(log.directory).close()
      const file = filesOf(log.directory)[kind]
      rmSync(file)
      expect(() => writerOn(log.directory)).toThrow(LogDamaged)
      expect(existsSync(file)).toBe(false)
    }
  })

  it("a page of the main file overwritten with zeros", () => {
    const log = killedLog(80)
    writerOn(log.directory).close()
    const whole = readEverything(copyOf(log.directory), log.streams)
    const { length } = readFileSync(filesOf(log.directory).database)
    for (let page = 0; page < length; page += PAGE_SIZE) {
      const damaged = copyOf(log.directory)
      const bytes = readFileSync(filesOf(damaged).database)
      bytes.fill(0, page, page + PAGE_SIZE)
      writeFileSync(filesOf(damaged).database, bytes)
      expect(verdictOn(damaged, log.streams, whole), `page at ${page}`).not.toBe("harmless")
    }
  })

  it("a reader without a writer reports it too, having changed nothing", async () => {
    const log = killedLog(12)
    const reading = () =>
      Effect.runPromise(
        Effect.either(
          Effect.scoped(
            Effect.flatMap(openEmbeddedLogReader({ directory: log.directory }), (reader) => reader.head),
          ),
        ),
      )
    expect(await reading()).toMatchObject({ _tag: "Right", right: String(log.history.at(-1)!.head) })
    flip(filesOf(log.directory).wal, 32 + 3 * FRAME + 700, 1)
    const before = bytesOf(log.directory)
    expect(await reading()).toMatchObject({ _tag: "Left", left: { _tag: "LogDamaged" } })
    expect(bytesOf(log.directory)).toEqual(before)
  })

  it("the frame that is damaged is the one that is named", () => {
    const log = killedLog(12)
    const offset = 32 + 2 * FRAME
    flip(filesOf(log.directory).wal, offset + 500, 3)
    expect(() => writerOn(log.directory)).toThrow(`events.db-wal at byte ${offset}`)
  })
})
