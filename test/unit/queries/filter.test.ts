import * as Either from "effect/Either"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Filter, FilterTerm } from "../../../src/domain/Filter.js"
import { bucketDimensions, type Dimension, dimensions } from "../../../src/domain/Metrics.js"
import type { Position } from "../../../src/domain/Position.js"
import { indexOf } from "../../../src/projections/Dimensions.js"
import { Columns, type Fact, newSegment } from "../../../src/projections/Facts.js"
import { SegmentWriter } from "../../../src/projections/SegmentWriter.js"
import { type CheckedFilter, checkFilter, matchFacts, matchValues } from "../../../src/queries/Filter.js"

const fact = (given: Partial<Record<Dimension, string>>, properties: Fact["properties"] = null): Fact => ({
  ...{ at: 1, recordedAt: 1, position: "1" as Position, revision: 1, visitor: null },
  ...{ amount: null, pointsUsed: null, pointsEarned: null },
  values: bucketDimensions.map((dimension) => given[dimension] ?? null),
  properties,
})

const checked = (filter: Filter | null): CheckedFilter => Either.getOrThrow(checkFilter(filter))

const passing = (filter: Filter | null, facts: ReadonlyArray<Fact>): ReadonlyArray<number> => {
  const segment = newSegment(0)
  for (const one of facts) new SegmentWriter(segment).append([one])
  const columns = new Columns(segment)
  const matches = matchFacts(checked(filter), columns)
  return facts.flatMap((_, row) => (matches(row) ? [row] : []))
}

describe("a filter", () => {
  const facts = [
    fact({ TYPE: "pageview", PATH: "/a", COUNTRY: "JP" }, { sku: "1" }),
    fact({ TYPE: "pageview", PATH: "/b" }, { sku: "2", colour: "red" }),
    fact({ TYPE: "payment", COUNTRY: "JP" }),
    fact({ TYPE: "payment", COUNTRY: "J\u0001P\ud800" }, { sku: "\u00021" }),
  ]
  const all = (...terms: ReadonlyArray<FilterTerm>): Filter => ({ all: terms })

  it("lets everything pass without terms", () => {
    expect(passing(null, facts)).toEqual([0, 1, 2, 3])
    expect(passing(all(), facts)).toEqual([0, 1, 2, 3])
  })

  it("asks for a value that is in `in` and not in `notIn`, in every term", () => {
    expect(passing(all({ dimension: "PATH", in: ["/a", "/b"] }), facts)).toEqual([0, 1])
    expect(passing(all({ dimension: "PATH", in: ["/a", "/b"], notIn: ["/b"] }), facts)).toEqual([0])
    expect(passing(all({ dimension: "PATH", notIn: ["/b"] }), facts)).toEqual([0, 2, 3])
    const both = all({ dimension: "TYPE", in: ["pageview"] }, { dimension: "COUNTRY", in: ["JP"] })
    expect(passing(both, facts)).toEqual([0])
    expect(passing(all({ dimension: "PATH", in: [] }), facts)).toEqual([])
  })

  it("shows a missing value as (none)", () => {
    expect(passing(all({ dimension: "COUNTRY", in: ["(none)"] }), facts)).toEqual([1])
    expect(passing(all({ dimension: "PROPERTY", property: "colour", notIn: ["(none)"] }), facts)).toEqual([1])
  })

  it("compares values as breakdowns show them, without control characters and halves of characters", () => {
    expect(passing(all({ dimension: "COUNTRY", in: ["JP"] }), facts)).toEqual([0, 2, 3])
    expect(passing(all({ dimension: "COUNTRY", in: ["J\u0001P"] }), facts)).toEqual([0, 2, 3])
    expect(passing(all({ dimension: "PROPERTY", property: "sku", in: ["1"] }), facts)).toEqual([0, 3])
  })

  it("takes names that objects inherit as names like any other", () => {
    const odd = [fact({}, JSON.parse('{"__proto__":"x"}')), fact({}, null)]
    for (const property of ["__proto__", "constructor", "toString"]) {
      const none = all({ dimension: "PROPERTY", property, in: ["(none)"] })
      expect(passing(none, odd)).toEqual(property === "__proto__" ? [1] : [0, 1])
    }
  })

  it("says the same of facts in a segment and of the same values by themselves", () => {
    const text = fc.constantFrom("", "a", "b", "c", "(none)", "a\u0001")
    const anyFact = fc
      .tuple(
        fc.dictionary(fc.constantFrom<Dimension>(...bucketDimensions), text),
        fc.option(fc.dictionary(fc.constantFrom("p", "q"), text)),
      )
      .map(([values, properties]) => fact(values, properties))
    const list = fc.array(text, { maxLength: 3 })
    const term = fc
      .tuple(fc.constantFrom(...dimensions), fc.constantFrom("p", "q", "r"), list, fc.option(list))
      .map(
        ([dimension, property, wanted, notIn]): FilterTerm => ({
          ...{ dimension, in: wanted, notIn },
          ...(dimension === "PROPERTY" ? { property } : {}),
        }),
      )
    const anyFilter = fc.array(term, { maxLength: 3 }).map((terms) => ({ all: terms }))
    fc.assert(
      fc.property(fc.array(anyFact, { maxLength: 8 }), anyFilter, (some, filter) => {
        const alone = some.flatMap(({ values, properties }, row) =>
          matchValues(checked(filter), values, (name) => properties?.[name] ?? null) ? [row] : [],
        )
        expect(passing(filter, some)).toEqual(alone)
      }),
    )
  })

  it.each<[string, FilterTerm, RegExp]>([
    ["PROPERTY without a name", { dimension: "PROPERTY", in: ["x"] }, /all\[0\]: PROPERTY needs property/],
    ["a name with PATH", { dimension: "PATH", property: "x", in: ["x"] }, /PROPERTY only, not with PATH/],
    ["neither in nor notIn", { dimension: "PATH" }, /all\[0\]: a term needs in or notIn/],
    ["in and notIn null", { dimension: "PATH", in: null, notIn: null }, /needs in or notIn/],
    ["an empty name", { dimension: "PROPERTY", property: "", in: [] }, /\.property: .* 1 to 256 .* not 0/],
    ["a long name", { dimension: "PROPERTY", property: "x".repeat(257), in: [] }, /not 257/],
    ["a long list", { dimension: "PATH", in: Array(1001).fill("x") }, /all\[0\]\.in: at most 1000 .* 1001/],
    ["a long notIn", { dimension: "PATH", notIn: Array(1001).fill("x") }, /all\[0\]\.notIn: at most 1000/],
  ])("refuses %s and names what is wrong", (_, term, message) => {
    const refusal = Either.getOrThrow(Either.flip(checkFilter(all(term))))
    expect(refusal).toMatchObject({ code: "INVALID_FILTER", message: expect.stringMatching(message) })
  })

  it("refuses more than 20 terms", () => {
    const terms = Array<FilterTerm>(21).fill({ dimension: "PATH", in: ["/"] })
    expect(Either.isRight(checkFilter(all(...terms.slice(1))))).toBe(true)
    const refusal = Either.getOrThrow(Either.flip(checkFilter(all(...terms))))
    expect(refusal).toMatchObject({
      code: "INVALID_FILTER",
      message: expect.stringMatching(/at most 20 .* 21/),
    })
  })

  it("knows every dimension that buckets have", () => {
    expect(Object.keys(indexOf)).toEqual([...bucketDimensions])
  })
})
