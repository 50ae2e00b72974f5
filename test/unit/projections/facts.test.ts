import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { EventData, RecordedEvent } from "../../../src/domain/Event.js"
import { bucketDimensions } from "../../../src/domain/Metrics.js"
import type { Position } from "../../../src/domain/Position.js"
import { indexOf } from "../../../src/projections/Dimensions.js"
import {
  Columns,
  type Fact,
  factOf,
  newSegment,
  SEGMENT,
  type Segment,
  segmentKey,
  segmentSize,
} from "../../../src/projections/Facts.js"
import { SegmentWriter } from "../../../src/projections/SegmentWriter.js"
import { Tail } from "../../../src/projections/Tail.js"
import { Random } from "../../support/Seed.js"

const DAY = Date.parse("2026-03-01T00:00:00Z")

const stored = (segment: Segment): Segment => JSON.parse(JSON.stringify(segment)) as Segment

const recorded = (
  data: Partial<EventData>,
  { at = DAY + 5, recordedAt = DAY + 7, position = "9", revision = 4 } = {},
): RecordedEvent => ({
  eventId: "",
  stream: "merchant-000.m-1",
  revision,
  position: position as Position,
  event: { v: 1, type: "payment", at, data: { id: "e", merchantId: "m-1", ...data } },
  metadata: { recordedAt, source: "api", key: "k" },
})

const columnsOf = (...facts: ReadonlyArray<Fact>): Columns => {
  const segment = newSegment(DAY)
  for (const fact of facts) new SegmentWriter(segment).append([fact])
  return new Columns(stored(segment))
}

const text = fc.oneof(
  fc.constantFrom("", "/a", "/b", "__proto__", "constructor", "\u0001", "\ud800", "(none)"),
  fc.string({ unit: "binary", maxLength: 12 }),
)
const count = fc.oneof(
  fc.constant(null),
  fc.nat(20),
  fc.maxSafeNat(),
  fc.constant(Number.MAX_SAFE_INTEGER),
  fc.integer(),
)
const position = fc.oneof(
  fc.nat(1000).map(String),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
  fc.bigInt({ min: 2n ** 62n, max: 2n ** 62n + 1000n }).map(String),
)

/** The last day but one that dates can say lies as far back as differences reach. */
const days = fc.constantFrom(DAY, -8_639_999_913_600_000)

const factOn = (day: number): fc.Arbitrary<Fact> =>
  fc.record({
    at: fc.integer({ min: day, max: day + 26 * 3_600_000 }),
    recordedAt: fc.integer({ min: DAY, max: DAY + 1e12 }),
    position: position.map((one) => one as Position),
    revision: fc.maxSafeNat(),
    visitor: fc.oneof(fc.constant(null), text),
    values: fc.array(fc.oneof(fc.constant(null), text), {
      minLength: bucketDimensions.length,
      maxLength: bucketDimensions.length,
    }),
    amount: count,
    pointsUsed: count,
    pointsEarned: count,
    properties: fc.oneof(
      fc.constant(null),
      fc.dictionary(text, text, { maxKeys: 4 }).map((one) => Object.assign(Object.create(null), one)),
      fc.constant(JSON.parse('{"__proto__":"x","constructor":"y","0":"z"}')),
    ),
  })

/** Facts of one day, and after which of them the segment goes to the store and back. */
const written = days.chain((day) =>
  fc.tuple(fc.constant(day), fc.array(fc.tuple(factOn(day), fc.boolean()), { maxLength: 20 })),
)

describe("a segment of facts", () => {
  it("gives back every fact as it was appended, also when it was stored in between", () => {
    fc.assert(
      fc.property(written, ([day, steps]) => {
        let segment = newSegment(day)
        for (const [fact, store] of steps) {
          new SegmentWriter(segment).append([fact])
          if (store) segment = stored(segment)
        }
        expect(segmentSize(segment)).toBe(steps.length)
        const columns = new Columns(segment)
        expect(columns.size).toBe(steps.length)
        expect(steps.map((_, row) => columns.fact(row))).toEqual(steps.map(([fact]) => fact))
        steps.forEach(([fact], row) => {
          expect(columns.values(row)).toEqual(fact.values)
          for (const name of ["__proto__", "constructor", "/a", "missing"]) {
            const own = fact.properties !== null && Object.hasOwn(fact.properties, name)
            expect(columns.property(row, name)).toBe(own ? fact.properties?.[name] : null)
          }
        })
      }),
    )
  })

  it("is the same document whether it was stored between two facts or not", () => {
    fc.assert(
      fc.property(written, ([day, steps]) => {
        const whole = newSegment(day)
        let parts = newSegment(day)
        for (const [fact, store] of steps) {
          new SegmentWriter(parts).append([fact])
          if (store) parts = stored(parts)
        }
        new SegmentWriter(whole).append(steps.map(([fact]) => fact))
        expect(JSON.stringify(parts)).toBe(JSON.stringify(whole))
      }),
    )
  })

  it("takes at most 110 bytes for a live fact, each of another client", () => {
    const random = new Random(1)
    const segment = newSegment(DAY)
    let at = DAY + 36_000_000
    for (let i = 0; i < SEGMENT; i++) {
      at += random.integer(60_000)
      const pays = random.integer(10) === 0
      const data = {
        clientKey: Array.from({ length: 22 }, () => random.integer(36).toString(36)).join(""),
        path: `/products/item-${random.integer(500)}`,
        referrer: `site-${random.integer(20)}.example`,
        country: `C${random.integer(9)}`,
        device: random.pick(["mobile", "desktop"]),
        browser: random.pick(["Chrome", "Safari", "Firefox"]),
        os: random.pick(["iOS", "Windows", "macOS"]),
        ...(pays ? { amount: random.integer(100_000), currency: "USD", paymentMethod: "card" } : {}),
      }
      const place = { at: at - random.integer(2_000), recordedAt: at, revision: 70_000 + i }
      const position = String(9_000_000_000 + i * 4_000 + random.integer(4_000))
      new SegmentWriter(segment).append([factOf(recorded(data, { ...place, position }))])
    }
    const bytes = JSON.stringify(segment).length / SEGMENT
    console.log(`${bytes.toFixed(1)} bytes a fact`)
    expect(bytes).toBeLessThanOrEqual(110)
  })

  it("knows the latest time of the segments before it", () => {
    const at = (hours: number) => factOf(recorded({}, { at: DAY + hours * 3_600_000 }))
    const latest: Array<number | undefined> = []
    let segment = newSegment(DAY)
    for (const hours of [[1, 5, 2], [3], [7], [0]]) {
      for (const one of hours) new SegmentWriter(segment).append([at(one)])
      latest.push(new Columns(segment).latestBefore)
      segment = newSegment(DAY, stored(segment))
    }
    expect(latest).toEqual([undefined, ...[5, 5, 7].map((hours) => DAY + hours * 3_600_000)])
  })

  it("lies under keys in order of day and number", () => {
    const keys = [
      segmentKey("m-1", "UTC", DAY, 0),
      segmentKey("m-1", "UTC", DAY, 35),
      segmentKey("m-1", "UTC", DAY, 36),
      segmentKey("m-1", "UTC", DAY + 86_400_000, 0),
    ]
    expect(keys.toSorted()).toEqual(keys)
    expect(keys[1]?.endsWith("\u0001000z")).toBe(true)
  })
})

describe("the fact of an event", () => {
  it("has the event's place, times, client, dimensions and amounts", () => {
    const data = { clientKey: "k-1", path: "/a", grade: "gold", currency: "USD", amount: 0, pointsUsed: 3 }
    const fact = factOf(recorded(data))
    expect(fact).toMatchObject({ at: DAY + 5, recordedAt: DAY + 7, position: "9", revision: 4 })
    expect(fact).toMatchObject({ visitor: "k-1", amount: 0, pointsUsed: 3, pointsEarned: null })
    expect(fact.values[indexOf.TYPE]).toBe("payment")
    expect(fact.values[indexOf.USER_GRADE]).toBe("gold")
    expect(fact.values[indexOf.COUNTRY]).toBeNull()
    expect(columnsOf(fact).fact(0)).toEqual(fact)
  })

  it("has properties as texts: those that are no text as JSON, none for null", () => {
    const properties = JSON.parse(
      '{"a":"x","b":1.5,"c":true,"d":null,"e":{"f":[1]},"g":[],"h":"","__proto__":"p"}',
    ) as Record<string, unknown>
    const fact = factOf(recorded({ properties }))
    expect(JSON.parse(JSON.stringify(fact.properties))).toEqual(
      JSON.parse('{"a":"x","b":"1.5","c":"true","e":"{\\"f\\":[1]}","g":"[]","h":"","__proto__":"p"}'),
    )
    expect(factOf(recorded({ properties: { only: null } })).properties).toBeNull()
    expect(factOf(recorded({})).properties).toBeNull()
  })

  it("is heavy with the same fact, whenever it was stored", () => {
    const light = recorded({ path: "/", clientKey: "c" })
    const heavy = recorded({ path: "/", clientKey: "c", properties: { text: "y".repeat(3_000) } })
    const facts = Array.from({ length: 250 }, (_, i) =>
      factOf(
        i < 200
          ? light
          : {
              ...heavy,
              event: {
                ...heavy.event,
                data: { ...heavy.event.data, properties: { [`k${i}`]: `${i}`.padEnd(3_000, "y") } },
              },
            },
      ),
    )
    const heavyAt = (storedAfter: ReadonlySet<number>): number => {
      const tail = new Tail(newSegment(DAY), false)
      return facts.findIndex((fact, i) => {
        tail.add(fact)
        if (tail.isHeavy) return true
        if (storedAfter.has(i)) JSON.stringify(tail)
        return false
      })
    }
    const each = new SegmentWriter(newSegment(DAY))
    const expected = facts.findIndex((fact) => {
      each.append([fact])
      return each.weight >= 64 * 1024
    })
    expect(expected).toBeGreaterThan(200)
    for (const times of [[], [50], [199], [200], [199, 205], [10, 100, 201, 210]]) {
      expect(heavyAt(new Set(times))).toBe(expected)
    }
  })
})
