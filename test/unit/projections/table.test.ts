import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { WorkingSet } from "../../../src/processors/WorkingSet.js"
import {
  editTable,
  entryName,
  rowEntries,
  tableEntries,
  tableEntry,
  tableScan,
  tablesIn,
} from "../../../src/projections/Table.js"
import { key } from "../../../src/readmodels/Key.js"
import { Random } from "../../support/Seed.js"
import { documents } from "./support.js"

const inTables = tablesIn("t")

interface Entry {
  n: number
}

const count = (docs: WorkingSet, table: string, name: string): void => {
  const entry = editTable<Entry>(docs, inTables, table, name, () => ({ n: 0 }))[entryName(name)] as Entry
  entry.n++
}

const odd = [
  "constructor",
  "__proto__",
  "toString",
  "hasOwnProperty",
  "\u0002constructor",
  "\u0002\u0002x",
  "\u0002x",
  "",
  "0",
  "42",
  "4294967295",
  "e",
  "n",
  "Zoë",
  "😀",
  "\ud800",
  " ",
  "x".repeat(2_000),
]

describe("a table", () => {
  it("counts every name as a map would, however many there are and whenever they are written", () => {
    const names = fc.oneof(
      fc.constantFrom(...odd),
      fc.nat(400).map((n) => `/page/${n}`),
      fc.string(),
    )
    const step = fc.record({ name: names, commit: fc.integer({ min: 0, max: 60 }) })
    fc.assert(
      fc.property(fc.array(step, { size: "max", maxLength: 700 }), (steps) => {
        const { docs, commit, scan } = documents()
        const table = key("m", "a")
        const expected = new Map<string, number>()
        for (const { name, commit: when } of steps) {
          count(docs, table, name)
          expected.set(name, (expected.get(name) ?? 0) + 1)
          if (when === 0) commit()
        }
        const seen = new Map(
          [...tableEntries<Entry>(docs, inTables, table)].map(([name, { n }]) => [name, n]),
        )
        expect(seen).toEqual(expected)
        expect([...tableEntries(docs, inTables, table)].length).toBe(expected.size)
        for (const [name, n] of expected) expect(tableEntry<Entry>(docs, inTables, table, name)?.n).toBe(n)
        for (const name of odd) {
          if (!expected.has(name)) expect(tableEntry(docs, inTables, table, name)).toBeUndefined()
        }
        commit()
        const rows = scan(tableScan(inTables, key("m", "a"), key("m", "b")))
        const scanned = rows.flatMap((row) => [...rowEntries<Entry>(row, 2)])
        expect(scanned).toHaveLength(expected.size)
        expect(new Map(scanned.map(([name, { n }]) => [name, n]))).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })

  it("lies as its names say, not as they came", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 900 }), fc.integer(), (size, seed) => {
        const random = new Random(seed)
        const names = Array.from({ length: size }, (_, i) => odd[i] ?? `name ${i}`)
        const laid = (order: ReadonlyArray<string>) => {
          const { docs, texts, commit } = documents()
          for (const name of order) {
            count(docs, "k", name)
            if (random.integer(80) === 0) commit()
          }
          commit()
          return new Map([...texts].map(([name, text]) => [name, JSON.parse(text)]))
        }
        const mixed = names
          .map((name) => ({ name, at: random.next() }))
          .sort((a, b) => a.at - b.at)
          .map(({ name }) => name)
        expect(laid(mixed)).toEqual(laid(names))
      }),
      { numRuns: 25 },
    )
  })

  it("is one document up to 64 names, and then documents of a few dozen", () => {
    const { docs, texts, commit } = documents()
    for (let i = 0; i < 64; i++) count(docs, "k", `name ${i}`)
    commit()
    expect([...texts.keys()]).toEqual(["t/k"])
    count(docs, "k", "name 64")
    commit()
    expect([...texts.keys()].sort()).toEqual(["t/k", "t/k\u0001000", "t/k\u0001001"])
    for (let i = 65; i < 20_000; i++) count(docs, "k", `name ${i}`)
    commit()
    const sizes = [...texts].slice(1).map(([, text]) => Object.keys(JSON.parse(text)).length)
    expect(sizes.reduce((sum, size) => sum + size)).toBe(20_000)
    expect(Math.max(...sizes)).toBeLessThan(150)
  })

  it("grows without ever writing more than a few documents for a name", () => {
    const { docs, commit } = documents()
    let most = 0
    for (let i = 0; i < 5_000; i++) {
      count(docs, "k", `name ${i}`)
      most = Math.max(most, commit())
    }
    expect(most).toBeLessThanOrEqual(4)
  })

  it("an entry stays the same object while its table grows", () => {
    const { docs } = documents()
    const entry = editTable<Entry>(docs, inTables, "k", "first", () => ({ n: 0 })).first
    for (let i = 0; i < 3_000; i++) count(docs, "k", `name ${i}`)
    expect(tableEntry(docs, inTables, "k", "first")).toBe(entry)
  })
})
