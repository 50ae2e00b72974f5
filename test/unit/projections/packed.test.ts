import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Metric, metrics } from "../../../src/domain/Metrics.js"
import { type Cell, decodeCells, encodeCells } from "../../../src/projections/Cells.js"
import { columnsOf } from "../../../src/projections/CountColumns.js"
import {
  addCounts,
  type Counts,
  isMet,
  metricValue,
  noCounts,
  setCount,
  setMoney,
} from "../../../src/projections/Counts.js"
import type { Slots } from "../../../src/projections/Layout.js"
import {
  countsPacking,
  hoursPacking,
  type PackedCounts,
  type PackedHours,
} from "../../../src/projections/PackedEntries.js"
import {
  editTable,
  entryName,
  rowEntries,
  tableEntries,
  tableEntry,
  tableScan,
  tablesIn,
} from "../../../src/projections/Table.js"
import { Tally } from "../../../src/projections/Tally.js"
import { key } from "../../../src/readmodels/Key.js"
import { documents } from "./support.js"

const decoded = (text: string): ReadonlyMap<number, Cell> => {
  const cells = new Map<number, Cell>()
  decodeCells(text, (index, cell) => cells.set(index, cell))
  return cells
}

const odd = [31, 32, 1_023, 1_024, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, -(2 ** 40)]
const cell: fc.Arbitrary<Cell> = fc.oneof(
  { arbitrary: fc.constant(0), weight: 4 },
  { arbitrary: fc.nat(40), weight: 4 },
  fc.maxSafeNat(),
  fc.constantFrom<Cell>(...odd, "9007199254740993", "-9007199254740993"),
)

describe("cells", () => {
  it("are read as they were written, zeros left out", () => {
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 400 }), (cells) => {
        const expected = new Map([...cells.entries()].filter(([, one]) => one !== 0))
        expect(decoded(encodeCells(cells.length, (index) => cells[index] as Cell))).toEqual(expected)
      }),
    )
  })

  it("are plain text, one character for a small number", () => {
    expect(encodeCells(6, (index) => [1, 2, 31, 0, 10, 0][index] as number)).toBe("12V0A")
    expect(encodeCells(300, (index) => (index === 299 ? 7 : 0))).toBe(".h97")
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 50 }), (cells) => {
        const text = encodeCells(cells.length, (index) => cells[index] as Cell)
        expect(JSON.stringify(text)).toBe(`"${text}"`)
      }),
    )
  })
})

/** As folds make them: up to the last number that was counted, currencies in order of their codes. */
const counts: fc.Arbitrary<Counts> = fc
  .record({
    plain: fc.array(cell, { maxLength: 9 }),
    money: fc.uniqueArray(
      fc.record({
        code: fc.constantFrom("EUR", "JPY", "USD"),
        sums: fc.tuple(fc.integer({ min: 1, max: 9 }), cell, fc.nat(3), cell),
      }),
      { selector: ({ code }) => code, maxLength: 3 },
    ),
  })
  .map(({ plain, money }) => {
    const made = noCounts()
    for (const [index, one] of plain.entries()) if (one !== 0) setCount(made, index, one)
    for (const { code, sums } of money)
      for (const [index, one] of sums.entries()) setMoney(made, code, index, one)
    return made
  })

const sorted = (names: Iterable<string>): ReadonlyArray<string> => [...names].sort()
const name = fc.oneof(
  fc.constantFrom("constructor", "__proto__", "\u0002x", "", "42", "n", "Zoë", "😀", "\ud800", "\udc00"),
  fc.nat(60).map((n) => `/page/${n}`),
  fc.string({ unit: "binary" }),
)
const named = <A>(entry: fc.Arbitrary<A>) =>
  fc
    .array(fc.tuple(name, entry), { maxLength: 80 })
    .map((pairs) => new Map(sorted(new Map(pairs).keys()).map((one) => [one, new Map(pairs).get(one) as A])))

const stored = <A>(doc: A): A => JSON.parse(JSON.stringify(doc)) as A

describe("packed entries", () => {
  it("of counts are unpacked as they were", () => {
    fc.assert(
      fc.property(named(counts), (all) => {
        const packed = stored(countsPacking.pack([...all.keys()], [...all.values()]))
        const { names, entries } = countsPacking.unpack(packed)
        expect(new Map(names.map((one, row) => [one, entries[row]]))).toEqual(all)
      }),
    )
  })

  it("of hours are unpacked as they were, but for hours in which nothing was counted", () => {
    const hours = fc
      .array(fc.tuple(fc.nat(24), counts), { maxLength: 8 })
      .map((pairs): Slots<Counts> => Object.fromEntries(pairs.map(([hour, one]) => [`t${hour * 3600}`, one])))
    fc.assert(
      fc.property(named(hours), (all) => {
        const packed = stored(hoursPacking.pack([...all.keys()], [...all.values()]))
        const { names, entries } = hoursPacking.unpack(packed)
        const expected = [...all].map(([one, slots]): [string, Slots<Counts>] => [
          one,
          Object.fromEntries(Object.entries(slots).filter(([, some]) => some.length > 0)),
        ])
        expect(new Map(names.map((one, row) => [one, entries[row]]))).toEqual(new Map(expected))
      }),
    )
  })
})

describe("a table of packed entries", () => {
  const tables = tablesIn("t", { packing: countsPacking })
  const bump = (docs: ReturnType<typeof documents>["docs"], table: string, one: string) => {
    const entry = editTable<Counts>(docs, tables, table, one, noCounts)[entryName(one)] as Counts
    setCount(entry, 0, ((entry[0] as number | undefined) ?? 0) + 1)
  }

  it("counts every name as a map would, whenever it is written, also one that was begun unpacked", () => {
    const step = fc.record({ name, commit: fc.integer({ min: 0, max: 60 }) })
    fc.assert(
      fc.property(
        fc.array(step, { size: "max", maxLength: 500 }),
        fc.dictionary(fc.string({ minLength: 1, maxLength: 3 }), fc.constant([1])),
        (steps, before) => {
          const { docs, texts, commit, scan } = documents()
          const table = key("m", "a")
          const begun = new Map(Object.entries(before).slice(0, 20))
          const e = Object.fromEntries([...begun].map(([one, entry]) => [entryName(one), entry]))
          if (begun.size > 0) texts.set(`t/${table}`, JSON.stringify({ n: begun.size, e }))
          const expected = new Map([...begun.keys()].map((one) => [one, 1]))
          for (const { name: one, commit: when } of steps) {
            bump(docs, table, one)
            expected.set(one, (expected.get(one) ?? 0) + 1)
            if (when === 0) commit()
          }
          expect(
            new Map([...tableEntries<Counts>(docs, tables, table)].map(([one, [n]]) => [one, n])),
          ).toEqual(expected)
          for (const [one, n] of expected) expect(tableEntry<Counts>(docs, tables, table, one)?.[0]).toBe(n)
          commit()
          const rows = scan(tableScan(tables, key("m", "a"), key("m", "b")))
          const scanned = rows.flatMap((row) => [...rowEntries<Counts>(row, 2, countsPacking)])
          expect(scanned).toHaveLength(expected.size)
          expect(new Map(scanned.map(([one, [n]]) => [one, n]))).toEqual(expected)
        },
      ),
      { numRuns: 60 },
    )
  })

  it("lies in the same bytes for the same names and counts, in whatever order they came", () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 200 }), (names) => {
        const texts = [names, names.toReversed()].map((all) => {
          const folded = documents()
          for (const one of all) bump(folded.docs, key("m", "a"), one)
          folded.commit()
          return folded.texts
        })
        expect(texts[0]).toEqual(texts[1])
      }),
      { numRuns: 40 },
    )
  })
})

const countedMetrics = metrics.filter(
  (metric): metric is Exclude<Metric, "VISITORS"> => metric !== "VISITORS",
)

describe("a tally of packed documents", () => {
  it("has of each value and metric what adding up the counts gives", () => {
    const values = named(counts).map((all) => new Map([...all].map(([one, entry]) => [`P${one}`, entry])))
    const others = named(counts).map((all) => new Map([...all].map(([one, entry]) => [`R${one}`, entry])))
    const doc = fc.tuple(values, others).map(([some, more]) => new Map([...some, ...more]))
    const docs = fc.array(fc.tuple(fc.constantFrom("", "000", "001"), doc), { maxLength: 5 })
    fc.assert(
      fc.property(docs, fc.constantFrom(...countedMetrics), (all, metric) => {
        const byDay = new Tally("P", columnsOf(metric, "USD"))
        const byHour = new Tally("P", columnsOf(metric, "USD"))
        const expected = new Map<string, Counts>()
        for (const [chunk, entries] of all) {
          const names = [...entries.keys()]
          const some = [...entries.values()]
          const day = stored(countsPacking.pack(names, some)) as PackedCounts
          byDay.add(byDay.placesIn(chunk, day), day.c)
          const inHours = some.map((one) => ({ t0: one }))
          const hours = stored(hoursPacking.pack(names, inHours)) as PackedHours
          for (const slot in hours.h)
            byHour.add(byHour.placesIn(chunk, hours), hours.h[slot] as PackedCounts["c"])
          for (const [one, entry] of entries) {
            if (!one.startsWith("P")) continue
            const sum = expected.get(one.slice(1)) ?? noCounts()
            addCounts(sum, entry)
            expected.set(one.slice(1), sum)
          }
        }
        const shown = (sums: Iterable<readonly [string, Counts]>) =>
          new Map(
            [...sums]
              .filter(([, one]) => isMet(one, metric, "USD"))
              .map(([one, sum]) => [one, metricValue(sum, metric, "USD")]),
          )
        expect(shown(byDay.sums())).toEqual(shown(expected))
        expect(shown(byHour.sums())).toEqual(shown(expected))
      }),
    )
  })
})
