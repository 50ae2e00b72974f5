import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { WorkingSet } from "../../../src/processors/WorkingSet.js"
import { GrowingTable } from "../../../src/projections/GrowingTable.js"
import { namedParts } from "../../../src/projections/NamedPart.js"
import { hashOf, rowEntries, tableScan, tablesIn } from "../../../src/projections/Table.js"
import { key } from "../../../src/readmodels/Key.js"
import { Random } from "../../support/Seed.js"
import { documents } from "./support.js"

const inTables = tablesIn("t")

interface Entry {
  n: number
}

const parts = namedParts<Entry, Entry>(inTables, {
  create: () => ({ n: 0 }),
  decode: (stored) => ({ ...stored }),
  textOf: JSON.stringify,
  textOfStored: JSON.stringify,
})

const open = (docs: WorkingSet, table: string) => new GrowingTable(docs, parts, table)

const edit = (docs: WorkingSet, table: string, name: string): Entry =>
  open(docs, table).open(name, hashOf(name)).at(name)

const read = (docs: WorkingSet, table: string, name: string): Entry | undefined =>
  open(docs, table).partOf(hashOf(name)).read(name)

const count = (docs: WorkingSet, table: string, name: string): void => {
  edit(docs, table, name).n++
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
        const seen = [...open(docs, table).everyPart()].flatMap((part) => [...part.readAll()])
        const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b)
        expect(sorted(seen.map(({ n }) => n))).toEqual(sorted(expected.values()))
        for (const [name, n] of expected) expect(read(docs, table, name)?.n).toBe(n)
        for (const name of odd) {
          if (!expected.has(name)) expect(read(docs, table, name)).toBeUndefined()
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
    const entry = edit(docs, "k", "first")
    for (let i = 0; i < 3_000; i++) count(docs, "k", `name ${i}`)
    expect(read(docs, "k", "first")).toBe(entry)
  })
})
