import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { filesOf, PAGE_SIZE } from "../../src/eventlog/embedded/Files.js"
import { inspect } from "../../src/eventlog/embedded/Opening.js"
import { garbageCollector } from "../../src/threads/garbageCollector.js"
import {
  copyOf,
  killedLog,
  message,
  randomFrom,
  readEverything,
  seedOf,
  soak,
  temporary,
  writerOn,
} from "./eventLogFixture.js"

const FRAME = 24 + PAGE_SIZE

/** A connection with statements stays half open until those are collected. */
const collectGarbage = async (): Promise<void> => {
  garbageCollector()()
  await new Promise((resolve) => setImmediate(resolve))
}

const cutAt = (directory: string, bytes: number): string => {
  const target = temporary()
  const [from, to] = [filesOf(directory), filesOf(target)]
  for (const kind of ["database", "wal", "mark"] as const) copyFileSync(from[kind], to[kind])
  truncateSync(to.wal, bytes)
  return target
}

describe("a log cut off at any byte of its tail opens again with every acknowledged event", () => {
  it("at every byte of the last commits", async () => {
    const log = killedLog(24)
    const whole = readEverything(copyOf(log.directory), log.streams).all
    expect(whole).toHaveLength(log.history.at(-1)!.head)
    const from = log.history.at(soak ? -4 : -3)!.walBytes
    const to = log.history.at(-1)!.walBytes
    expect(readFileSync(filesOf(log.directory).wal)).toHaveLength(to)
    let opened = 0
    for (let bytes = to; bytes >= from; bytes--) {
      const inFrame = (bytes - 32) % FRAME
      if (inFrame > 26 && inFrame < FRAME - 2 && bytes % 61 !== 0) continue
      const cut = cutAt(log.directory, bytes)
      const acknowledged = log.history.findLast((commit) => commit.walBytes <= bytes)!.head
      const warning = inspect(filesOf(cut), 0)
      expect(warning === undefined).toBe(acknowledged === whole.length)
      const found = readEverything(cut, []).all
      expect(found).toEqual(whole.slice(0, acknowledged))
      rmSync(cut, { recursive: true })
      if (++opened % 50 === 0) await collectGarbage()
    }
    expect(opened).toBeGreaterThan(100)
  })

  it("and takes appends again, which are there after the next opening", () => {
    const seed = seedOf()
    const random = randomFrom(seed)
    const log = killedLog(20, 8)
    const whole = readEverything(copyOf(log.directory), log.streams).all
    const { length } = readFileSync(filesOf(log.directory).wal)
    const cuts = [
      0,
      1,
      31,
      32,
      33,
      length - 1,
      length,
      ...Array.from({ length: soak ? 400 : 20 }, () => Math.floor(random() * length)),
    ]
    for (const bytes of cuts) {
      const cut = copyOf(log.directory)
      truncateSync(filesOf(cut).wal, bytes)
      const writer = writerOn(cut)
      const kept = writer.head
      expect(writer.warning === undefined, `cut at ${bytes}`).toBe(kept === whole.length)
      writer.commit([message("merchant-009.new", -1, 3)], false)
      const killed = copyOf(cut)
      writer.close()
      for (const directory of [killed, cut]) {
        const again = writerOn(directory)
        expect(again.warning, `cut at ${bytes}`).toBeUndefined()
        again.close()
        const found = readEverything(directory, []).all
        expect(found.slice(0, kept)).toEqual(whole.slice(0, kept))
        expect(found.slice(kept).map((event) => event.stream)).toEqual(Array(3).fill("merchant-009.new"))
      }
    }
  })

  it("with garbage of a write that never finished after the last commit", () => {
    const random = randomFrom(seedOf())
    const log = killedLog(12)
    const whole = readEverything(copyOf(log.directory), log.streams).all
    for (const bytes of [1, 24, 100, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME]) {
      const torn = copyOf(log.directory)
      const { wal } = filesOf(torn)
      const garbage = Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256)))
      writeFileSync(wal, Buffer.concat([readFileSync(wal), garbage]))
      const writer = writerOn(torn)
      expect(writer.head).toBe(whole.length)
      expect(writer.warning).toBeUndefined()
      writer.close()
      expect(readEverything(torn, []).all).toEqual(whole)
    }
  })

  it("with a first frame of the unfinished write lost and later ones there, as after a power cut", () => {
    const log = killedLog(12)
    const before = copyOf(log.directory)
    const acknowledged = readEverything(copyOf(before), []).all
    const going = copyOf(log.directory)
    const writer = writerOn(going)
    writer.commit([message("merchant-001.big", -1, 40, "p".repeat(600))], false)
    const torn = copyOf(going)
    writer.close()
    const at = log.history.at(-1)!.walBytes
    const wal = filesOf(torn).wal
    const bytes = readFileSync(wal)
    expect(bytes.length).toBeGreaterThan(at + 4 * FRAME)
    bytes.fill(0, at, at + FRAME)
    writeFileSync(wal, bytes)
    // The mark as it was before the commit, which was never acknowledged.
    copyFileSync(filesOf(before).mark, filesOf(torn).mark)
    const again = writerOn(torn)
    expect(again.head).toBe(acknowledged.length)
    again.close()
    expect(readEverything(torn, []).all).toEqual(acknowledged)
  })
})
