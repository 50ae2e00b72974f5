import { appendFileSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { Spool } from "../../../packages/monitor/src/Spool.js"
import { type Temporary, temporary } from "../../support/temporary.js"

let directory: Temporary
let damaged: number
beforeEach(() => {
  directory = temporary()
  damaged = 0
})
afterEach(() => directory.remove())

const memory = Buffer.alloc(128 * 1024)

const openSpool = (maxBytes = 1024 * 1024): Spool =>
  new Spool({ directory: directory.path, maxBytes, onDamage: (pieces) => (damaged += pieces) })

const lines = (from: number, to: number): Buffer =>
  Buffer.from(Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join(""))

/** Takes everything off, and gives it. */
const taken = async (spool: Spool): Promise<string> => {
  let text = ""
  for (;;) {
    const batch = await spool.read(memory.subarray(0, 1_000))
    if (batch === undefined) return text
    expect(batch.bytes.at(-1)).toBe(10)
    text += batch.bytes.toString()
    await spool.advance(batch.next)
  }
}

const segments = (): ReadonlyArray<string> =>
  readdirSync(directory.path).filter((name) => name.endsWith(".ndjson"))

describe("a spool", () => {
  it("gives what was appended, in order and in whole lines", async () => {
    const spool = openSpool()
    await spool.append(lines(0, 500))
    await spool.append(lines(500, 501))
    expect(await taken(spool)).toBe(lines(0, 501).toString())
    expect(spool.waiting).toBe(0)
    await spool.append(lines(501, 600))
    expect(await taken(spool)).toBe(lines(501, 600).toString())
    await spool.close()
  })

  it("gives the same again until it is told to go on", async () => {
    const spool = openSpool()
    await spool.append(lines(0, 10))
    const first = (await spool.read(memory))?.bytes.toString()
    expect((await spool.read(memory))?.bytes.toString()).toBe(first)
    await spool.close()
  })

  it("goes on in the next process where the last one was, with what that one left", async () => {
    const before = openSpool()
    await before.append(lines(0, 300))
    const batch = await before.read(memory.subarray(0, 1_000))
    await before.advance(batch!.next)
    await before.close()
    const after = openSpool()
    await after.append(lines(300, 310))
    expect(batch!.bytes.toString() + (await taken(after))).toBe(lines(0, 310).toString())
    await after.close()
    const third = openSpool()
    expect(await taken(third)).toBe("")
    await third.append(lines(310, 320))
    expect(await taken(third)).toBe(lines(310, 320).toString())
    await third.close()
    expect(damaged).toBe(0)
  })

  it("takes off the piece of a line that a crash left, and says so", async () => {
    const before = openSpool()
    await before.append(lines(0, 3))
    await before.close()
    appendFileSync(join(directory.path, segments()[0]!), '{"id":"cut o')
    const after = openSpool()
    await after.append(lines(3, 5))
    expect(await taken(after)).toBe(lines(0, 5).toString())
    expect(damaged).toBe(1)
    await after.close()
  })

  it("sends all again when the note of what was sent is broken", async () => {
    const before = openSpool()
    await before.append(lines(0, 30))
    const batch = await before.read(memory.subarray(0, 100))
    await before.advance(batch!.next)
    await before.close()
    writeFileSync(join(directory.path, "sent.json"), '{"segm')
    const after = openSpool()
    expect(await taken(after)).toBe(lines(0, 30).toString())
    await after.close()
  })

  it("frees the disk as segments are taken, and has no room for more than its bound", async () => {
    const spool = openSpool(1024 * 1024)
    const chunk = Buffer.from(`${"x".repeat(65_535)}\n`)
    let chunks = 0
    for (; spool.hasRoomFor(chunk.length); chunks++) await spool.append(chunk)
    expect(chunks).toBe(16)
    expect(segments()).toHaveLength(16)
    for (let left = chunks; left > 0; left--) {
      const batch = await spool.read(memory)
      await spool.advance(batch!.next)
    }
    expect(spool.waiting).toBe(0)
    await spool.append(chunk)
    expect(segments().length).toBeLessThanOrEqual(2)
    expect(spool.hasRoomFor(512 * 1024)).toBe(true)
    await spool.close()
  })

  it("keeps in order what a process writes as it ends, once, beside a write under way", async () => {
    const spool = openSpool()
    await spool.append(lines(0, 5))
    const underWay = spool.append(lines(5, 10)).then(
      () => "done",
      () => "failed",
    )
    spool.appendNow(lines(5, 10), lines(10, 20))
    await underWay
    // As the process has ended, the next one looks.
    await spool.close()
    const after = openSpool()
    expect(await taken(after)).toBe(lines(0, 20).toString())
    await after.close()
  })

  it("belongs to one monitor", async () => {
    const spool = openSpool()
    expect(() => openSpool()).toThrow(/is used by process \d+: give each monitor a directory of its own/)
    await spool.close()
    await openSpool().close()
  })

  it("is taken over from a process that is gone, and from one of another that has its id now", async () => {
    const { hostname } = await import("node:os")
    for (const owner of [
      { pid: 2 ** 22 - 3, host: hostname() },
      { pid: process.ppid, host: hostname(), began: "0" },
    ]) {
      writeFileSync(join(directory.path, "lock"), JSON.stringify(owner))
      await openSpool().close()
    }
    writeFileSync(join(directory.path, "lock"), JSON.stringify({ pid: process.ppid, host: hostname() }))
    expect(() => openSpool()).toThrow(`is used by process ${process.ppid}`)
  })
})
