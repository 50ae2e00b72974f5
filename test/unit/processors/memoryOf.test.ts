import { describe, expect, it } from "vitest"
import { memoryOf } from "../../../src/processors/memoryOf.js"
import { WorkingSet } from "../../../src/processors/WorkingSet.js"

describe("memory of a document", () => {
  it("is more for more, whatever it is made of", () => {
    expect(memoryOf("a".repeat(1_000))).toBeGreaterThanOrEqual(1_000)
    expect(memoryOf(new Uint8Array(5_000))).toBeGreaterThanOrEqual(5_000)
    expect(memoryOf(Array.from({ length: 100 }, () => 1))).toBeGreaterThanOrEqual(800)
    expect(memoryOf(new Set(["abc", "def"]))).toBeGreaterThan(memoryOf(new Set(["abc"])))
    expect(memoryOf(new Map([["abc", { a: 1 }]]))).toBeGreaterThan(memoryOf(new Map([["abc", 1]])))
    expect(memoryOf({ a: { b: [1, 2, 3] } })).toBeGreaterThan(memoryOf({ a: { b: [] } }))
    expect(memoryOf(undefined)).toBe(0)
  })

  it("is not that of the text it is written as", () => {
    const packed = (rows: number) => ({
      rows: Array.from({ length: rows }, () => [1, 2, 3, 4, 5, 6, 7, 8, 9]),
      toJSON: () => "short",
    })
    const working = new WorkingSet(() => undefined, { documents: 1_000, bytes: 1_000_000 })
    for (let key = 0; key < 100; key++) working.put("packed", `k${key}`, packed(100))
    working.committed()
    for (let key = 100; key < 200; key++) working.put("packed", `k${key}`, packed(100))
    // A hundred rows of nine numbers are ten kilobytes.
    expect(working.estimatedBytes()).toBeGreaterThan(100 * 9 * 100 * 8)
  })
})
