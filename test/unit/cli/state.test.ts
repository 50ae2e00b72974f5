import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { fingerprintOf, openSource } from "../../../src/cli/import/Source.js"
import { beginning, type ImportState, loadState, noCounts, saveState } from "../../../src/cli/import/State.js"

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tidemark-import-"))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const fileWith = (name: string, content: string | Buffer): string => {
  const file = join(directory, name)
  writeFileSync(file, content)
  return file
}

const readAll = async (chunks: AsyncIterable<Buffer>): Promise<string> => {
  const all: Buffer[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all).toString()
}

const content = Array.from({ length: 30_000 }, (_, at) => `line ${at}\n`).join("")

describe("a file to import", () => {
  it.each([0, 1, 4_095, 4_096, 4_097, content.length - 1, content.length])(
    "is read from byte %d on, plain and compressed alike",
    async (from) => {
      for (const file of [fileWith("a.log", content), fileWith("b.log.gz", gzipSync(content))]) {
        const source = await openSource(file)
        expect(await readAll(source.bytes(from))).toBe(content.slice(from))
        source.close()
      }
    },
  )

  it("names its events alike before and after it was compressed", async () => {
    const names = [fileWith("c.log", content), fileWith("c.log.gz", gzipSync(content))].map(async (file) => {
      const source = await openSource(file)
      source.close()
      return [source.name, fingerprintOf(source).head]
    })
    const [plain, compressed] = await Promise.all(names)
    expect(plain?.[0]).toBe("c.log")
    expect(compressed).toEqual(plain)
  })

  it("fails when its compressed form is cut off, after giving what came before", async () => {
    const whole = gzipSync(content)
    const source = await openSource(fileWith("cut.log.gz", whole.subarray(0, whole.length - 20)))
    await expect(readAll(source.bytes(0))).rejects.toThrow(/unexpected end of file/)
  })

  it("must exist and be a file", async () => {
    await expect(openSource(join(directory, "nothing"))).rejects.toThrow(/ENOENT/)
    await expect(openSource(directory)).rejects.toThrow(/is a directory/)
  })
})

describe("where an import begins", () => {
  const head = Buffer.from("the first bytes of the file")
  const source = { head, size: 1_000, mtimeMs: 5 }
  const state: ImportState = {
    v: 1,
    source: "access.log",
    meaning: "m",
    fingerprint: fingerprintOf({
      ...source,
      name: "",
      bytes: () => [] as never,
      read: () => 0,
      close: () => {},
    }),
    done: false,
    offset: 500,
    line: 7,
    counts: noCounts,
  }
  const tagOf = (...args: Parameters<typeof beginning>) => beginning(...args)._tag

  it("is the start of a file that was never imported", () => {
    expect(tagOf(undefined, source, "m")).toBe("Fresh")
  })

  it("is where the last run stopped, also when the file has grown since", () => {
    expect(beginning(state, source, "m")).toEqual({ _tag: "Resume", state })
    const grown = { head: Buffer.concat([head, Buffer.from("more")]), size: 2_000, mtimeMs: 9 }
    expect(tagOf(state, grown, "m")).toBe("Resume")
  })

  it("is the start again when the import was finished, the options are others, or the file was changed", () => {
    expect(tagOf({ ...state, done: true }, source, "m")).toBe("Again")
    expect(tagOf(state, source, "other")).toBe("Again")
    // Whoever has put a mapping right is told that it changes nothing of what is stored.
    const finished = { ...state, done: true }
    expect(beginning(finished, source, "other")).toEqual({ _tag: "Again", because: "OTHER_OPTIONS" })
    expect(tagOf(state, { ...source, mtimeMs: 6 }, "m")).toBe("Again")
    expect(tagOf(state, { ...source, size: 999 }, "m")).toBe("Again")
  })

  it("is nowhere when another file has the name, finished or not: its events would pass for repetitions", () => {
    const other = { ...source, head: Buffer.from("The first bytes of the file") }
    for (const done of [true, false]) expect(tagOf({ ...state, done }, other, "m")).toBe("OtherFile")
    expect(tagOf(state, { ...source, head: head.subarray(0, 5) }, "m")).toBe("OtherFile")
  })

  it("is kept in a file, which is refused when it holds something else", () => {
    const file = join(directory, "states", "one.json")
    expect(loadState(file, "access.log")).toBeUndefined()
    saveState(file, state)
    expect(loadState(file, "access.log")).toEqual(state)
    expect(() => loadState(file, "other.log")).toThrow(/belongs to the import of "access.log"/)
    expect(() => loadState(fileWith("x.json", "{}"), "access.log")).toThrow(/no state of an import/)
  })
})
