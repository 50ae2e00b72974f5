import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Metric, metrics } from "../../../src/domain/Metrics.js"
import { type Cell, decodeCells, encodeCells } from "../../../src/projections/Cells.js"
import { columnsOf } from "../../../src/projections/CountColumns.js"
import { CountPart, countParts } from "../../../src/projections/CountPart.js"
import {
  addCounts,
  type Counts,
  isMet,
  metricValue,
  noCounts,
  setCount,
  setMoney,
} from "../../../src/projections/Counts.js"
import { GrowingTable } from "../../../src/projections/GrowingTable.js"
import type { Slots } from "../../../src/projections/Layout.js"
import {
  countsPacking,
  hoursPacking,
  type PackedCounts,
  type PackedHours,
} from "../../../src/projections/PackedEntries.js"
import { dayVisitorParts, hourVisitorParts } from "../../../src/projections/SetParts.js"
import { hashOf, type Packing, rowEntries } from "../../../src/projections/Table.js"
import { Tally } from "../../../src/projections/Tally.js"
import { VisitorSet } from "../../../src/projections/VisitorSet.js"
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

/** As they are stored, whatever order they came in. */
const stored = (
  entries: Iterable<readonly [string, Counts]>,
  hours: Iterable<readonly [string, Slots<Counts>]> = [],
): { readonly day: PackedCounts; readonly hours: PackedHours } => {
  const part = new CountPart()
  for (const [one, counts] of entries) {
    if (!part.has(one)) part.add(one)
    part.day.addCounts(part.at(one).row, counts)
  }
  for (const [one, slots] of hours) {
    if (!part.has(one)) part.add(one)
    for (const slot in slots) part.inHour(slot).addCounts(part.at(one).row, slots[slot] as Counts)
  }
  return JSON.parse(JSON.stringify({ day: part.ofDay, hours: part }))
}

describe("packed entries", () => {
  it("of counts are unpacked as they were", () => {
    fc.assert(
      fc.property(named(counts), (all) => {
        const { names, entries } = countsPacking.unpack(stored(all).day)
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
        const { names, entries } = hoursPacking.unpack(stored([], all).hours)
        const expected = [...all].map(([one, slots]): [string, Slots<Counts>] => [
          one,
          Object.fromEntries(Object.entries(slots).filter(([, some]) => some.length > 0)),
        ])
        expect(new Map(names.map((one, row) => [one, entries[row]]))).toEqual(new Map(expected))
      }),
    )
  })
})

describe("a table of counts and one of visitors", () => {
  const table = key("m", "a")
  const count = (folded: ReturnType<typeof documents>, names: Iterable<string>) => {
    const counts = new GrowingTable(folded.docs, countParts, table)
    const visitors = new GrowingTable(folded.docs, dayVisitorParts, table)
    const hours = new GrowingTable(folded.docs, hourVisitorParts, table)
    for (const one of names) {
      const hash = hashOf(one)
      const { part, row } = counts.open(one, hash).at(one)
      part.day.addCounts(row, [1])
      part.inHour("t3600").addCounts(row, [2])
      visitors.open(one, hash).at(one).add(one)
      hours.open(one, hash).at(one).at("t0").add(`first ${one}`)
      hours.open(one, hash).at(one).at("t3600").add(one)
    }
  }
  const scanned = <E>(folded: ReturnType<typeof documents>, collection: string, packing?: Packing) => {
    const rows = folded.scan({ collection, from: key("m", "a"), to: key("m", "b") })
    return rows.flatMap((row) => [...rowEntries<E>(row, 2, packing)])
  }

  it("has every name as a map would, whenever it is written, and whether or not it is kept in memory", () => {
    const commit = fc.record({ names: fc.array(name, { maxLength: 90 }), forgets: fc.boolean() })
    fc.assert(
      fc.property(fc.array(commit, { size: "max", maxLength: 9 }), (commits) => {
        const folded = documents()
        const expected = new Map<string, number>()
        for (const { names, forgets } of commits) {
          count(folded, names)
          for (const one of names) expected.set(one, (expected.get(one) ?? 0) + 1)
          folded.commit(forgets)
        }
        const days = scanned<Counts>(folded, "values", countsPacking)
        expect(days).toHaveLength(expected.size)
        expect(new Map(days.map(([one, [n]]) => [one, n]))).toEqual(expected)
        const hours = scanned<Slots<Counts>>(folded, "valueHours", hoursPacking)
        expect(hours).toHaveLength(expected.size)
        expect(new Map(hours.map(([one, { t3600 }]) => [one, Number(t3600?.[0]) / 2]))).toEqual(expected)
        const seen = scanned<string>(folded, "valueVisitors")
        expect(seen).toHaveLength(expected.size)
        const member = (text: string) => {
          const set = VisitorSet.of(undefined)
          set.add(text)
          return set.toJSON()
        }
        for (const [one, set] of seen) expect(set).toBe(member(one))
        const seenByHour = scanned<Slots<string>>(folded, "valueHourVisitors")
        expect(seenByHour).toHaveLength(expected.size)
        for (const [one, slots] of seenByHour)
          expect(slots).toEqual({ t0: member(`first ${one}`), t3600: member(one) })
      }),
      { numRuns: 60 },
    )
  })

  it("lies in the same bytes for the same names and counts, in whatever order they came", () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 200 }), (names) => {
        const texts = [names, names.toReversed()].map((all) => {
          const folded = documents()
          count(folded, all)
          folded.commit()
          return new Map(
            [...folded.texts].filter(([one]) => one.startsWith("values/") || one.startsWith("valueHours/")),
          )
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
          const inHours = [...entries].map(([one, counts]) => [one, { t0: counts }] as const)
          const { day, hours } = stored(entries, inHours)
          byDay.add(byDay.placesIn(chunk, day), day.c)
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
