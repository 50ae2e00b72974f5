import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { BuildFile } from "../../../src/readmodels/embedded/BuildFile.js"
import { KnownKeys } from "../../../src/readmodels/embedded/KnownKeys.js"

describe("keys known to a writer", () => {
  it("never says of a key that was put that it was not, and nearly always says so of others", () => {
    const known = new KnownKeys()
    const keys = Array.from({ length: 400_000 }, (_, i) => `m-${i % 997}\u0001UTC\u0001${i}`)
    for (const key of keys) known.add("days", key)
    expect(keys.every((key) => known.mayHave("days", key))).toBe(true)
    const taken = keys.slice(0, 50_000).filter((key) => known.mayHave("hours", key)).length
    expect(taken).toBeLessThan(50_000 * 0.1)
  })

  it("tell a writer what is not there only of a file that it began itself", () => {
    const directory = mkdtempSync(join(tmpdir(), "tidemark-keys-"))
    const docOf = (file: BuildFile, key: string) => file.loadNow({ collection: "c", key })
    try {
      const first = new BuildFile(directory, "b", "writer")
      first.commit([{ collection: "c", key: "a", doc: 1 }], new Map())
      expect([docOf(first, "a"), docOf(first, "b")]).toEqual([1, undefined])
      first.commit([{ collection: "c", key: "a", doc: undefined }], new Map())
      first.commit([{ collection: "c", key: "b", doc: 2 }], new Map())
      expect([docOf(first, "a"), docOf(first, "b")]).toEqual([undefined, 2])
      first.close()
      const second = new BuildFile(directory, "b", "writer")
      expect([docOf(second, "a"), docOf(second, "b")]).toEqual([undefined, 2])
      second.remove()
      expect(docOf(second, "b")).toBeUndefined()
      second.commit([{ collection: "c", key: "a", doc: 3 }], new Map())
      expect([docOf(second, "a"), docOf(second, "b")]).toEqual([3, undefined])
      second.close()
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
