import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { topRows } from "../../../src/queries/TopRows.js"

describe("the first rows of a breakdown", () => {
  it("are those of all rows in order, greatest first and equal ones by key", () => {
    const value = fc.oneof(fc.nat(5), fc.integer(), fc.double({ noNaN: true }), fc.constant(undefined))
    const candidate = fc.record({
      value,
      above: fc.oneof(fc.constant(0), fc.nat(4), fc.constant(Number.POSITIVE_INFINITY)),
    })
    fc.assert(
      fc.property(fc.dictionary(fc.string(), candidate), fc.nat(12), (all, count) => {
        const entries = Object.entries(all)
        const naive = entries
          .flatMap(([key, { value: one }]) => (one === undefined ? [] : [{ key, value: one }]))
          .sort((a, b) => (b.value === a.value ? (a.key < b.key ? -1 : 1) : b.value > a.value ? 1 : -1))
          .slice(0, count)
        const candidates = entries.map(([key, { value: one, above }]) => ({
          key,
          atMost: (one ?? 0) + above,
          value: () => one,
        }))
        expect(topRows(candidates, count)).toEqual(naive)
      }),
    )
  })

  it("do not ask for values that can't be among them", () => {
    const asked: Array<string> = []
    const candidate = (key: string, value: number, atMost = value) => ({
      key,
      atMost,
      value: () => {
        asked.push(key)
        return value
      },
    })
    const rows = topRows(
      [candidate("d", 1), candidate("b", 5, 9), candidate("a", 7), candidate("c", 5), candidate("e", 4)],
      2,
    )
    expect(rows).toEqual([
      { key: "a", value: 7 },
      { key: "b", value: 5 },
    ])
    expect(asked).toEqual(["b", "a", "c"])
  })
})
