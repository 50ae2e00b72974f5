import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Interval, intervals } from "../../../src/domain/Metrics.js"
import {
  bucketStart,
  bucketStarts,
  cut,
  isValidZone,
  nextBucket,
  widen,
} from "../../../src/domain/TimeBuckets.js"
import { offsetAt } from "../../../src/domain/Zone.js"

const at = (text: string): number => Date.parse(text)
const iso = (ms: number): string => new Date(ms).toISOString()
const HOUR = 3_600_000

const zones = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "America/St_Johns",
  "America/Sao_Paulo",
  "America/Havana",
  "Asia/Kathmandu",
  "Asia/Kolkata",
  "Asia/Beirut",
  "Australia/Lord_Howe",
  "Pacific/Apia",
  "Pacific/Chatham",
  "Africa/Monrovia",
  "Europe/Amsterdam",
]

const zone = fc.constantFrom(...zones)
const interval: fc.Arbitrary<Interval> = fc.constantFrom(...intervals)
const instant = fc.oneof(
  fc.integer({ min: at("1850-01-01T00:00:00Z"), max: at("2080-01-01T00:00:00Z") }),
  // Close to where clocks are set.
  fc
    .tuple(
      fc.constantFrom(
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2006-10-29T02:31:00Z",
        "2006-04-02T03:31:00Z",
        "2018-11-04T03:00:00Z",
        "2018-02-18T02:00:00Z",
        "2011-12-30T10:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-03T15:30:00Z",
        "1972-01-07T00:44:30Z",
        "1937-06-30T23:40:28Z",
        "2022-03-26T22:00:00Z",
        "2026-11-01T05:00:00Z",
      ),
      fc.integer({ min: -4 * HOUR, max: 4 * HOUR }),
    )
    .map(([text, shift]) => at(text) + shift),
)
const runs = { numRuns: 1_500 }

describe("time buckets", () => {
  it("each instant lies in exactly one bucket", () => {
    fc.assert(
      fc.property(zone, interval, instant, (name, kind, time) => {
        const start = bucketStart(name, kind, time)
        const end = nextBucket(name, kind, time)
        expect(start).toBeLessThanOrEqual(time)
        expect(end).toBeGreaterThan(time)
        expect(bucketStart(name, kind, start)).toBe(start)
        expect(bucketStart(name, kind, end - 1)).toBe(start)
        expect(bucketStart(name, kind, end)).toBe(end)
        expect(nextBucket(name, kind, start)).toBe(end)
      }),
      runs,
    )
  })

  it("starts never go back as time goes on", () => {
    fc.assert(
      fc.property(
        zone,
        interval,
        instant,
        fc.integer({ min: 0, max: 50 * HOUR }),
        (name, kind, time, later) => {
          expect(bucketStart(name, kind, time + later)).toBeGreaterThanOrEqual(bucketStart(name, kind, time))
        },
      ),
      runs,
    )
  })

  it("buckets nest: a minute's start lies in the same hour, an hour's in the same day", () => {
    fc.assert(
      fc.property(zone, instant, (name, time) => {
        for (const [inner, outer] of [
          ["MINUTE", "TEN_MINUTES"],
          ["TEN_MINUTES", "HOUR"],
          ["HOUR", "DAY"],
          ["DAY", "WEEK"],
          ["DAY", "MONTH"],
        ] as const) {
          // An hour that clocks leave over midnight and come back to is the only one cut by its day.
          if (inner === "HOUR" && bucketStart(name, outer, time) > bucketStart(name, inner, time)) continue
          const start = bucketStart(name, inner, time)
          expect(bucketStart(name, outer, start)).toBe(bucketStart(name, outer, time))
        }
      }),
      runs,
    )
  })

  it("the remembered cut is the same as the single ones", () => {
    const near = fc.integer({ min: -90_000, max: 90_000 })
    fc.assert(
      fc.property(zone, instant, near, (name, first, later) => {
        for (const time of [first, first + later, first]) {
          expect(cut(name, time)).toEqual({
            minute: bucketStart(name, "MINUTE", time),
            tenMinutes: bucketStart(name, "TEN_MINUTES", time),
            hour: bucketStart(name, "HOUR", time),
            day: bucketStart(name, "DAY", time),
          })
        }
      }),
      runs,
    )
  })

  it("a widened range contains the range, and is whole", () => {
    fc.assert(
      fc.property(
        zone,
        interval,
        instant,
        fc.integer({ min: 1, max: 90 * 24 * HOUR }),
        (name, kind, from, length) => {
          const range = { from, to: from + length }
          const wide = widen(name, kind, range)
          expect(wide.from).toBeLessThanOrEqual(range.from)
          expect(wide.to).toBeGreaterThanOrEqual(range.to)
          expect(bucketStart(name, kind, wide.from)).toBe(wide.from)
          expect(bucketStart(name, kind, wide.to)).toBe(wide.to)
          expect(widen(name, kind, wide)).toEqual(wide)
          expect(wide.to).toBe(nextBucket(name, kind, range.to - 1))
        },
      ),
      runs,
    )
  })

  it("an empty range stays empty", () => {
    expect(widen("UTC", "DAY", { from: at("2026-01-02T05:00:00Z"), to: at("2026-01-02T05:00:00Z") })).toEqual(
      {
        from: at("2026-01-02T00:00:00Z"),
        to: at("2026-01-02T00:00:00Z"),
      },
    )
  })

  it("days have 23 and 25 hours where clocks are set", () => {
    const spring = { from: at("2026-03-28T23:00:00Z"), to: at("2026-03-29T22:00:00Z") }
    expect(widen("Europe/Berlin", "DAY", { from: spring.from, to: spring.from + 1 })).toEqual(spring)
    expect(bucketStarts("Europe/Berlin", "HOUR", spring)).toHaveLength(23)
    const autumn = widen("Europe/Berlin", "DAY", {
      from: at("2026-10-25T12:00:00Z"),
      to: at("2026-10-25T12:00:01Z"),
    })
    expect(bucketStarts("Europe/Berlin", "HOUR", autumn)).toHaveLength(25)
  })

  it("a day without midnight begins when the clocks are set", () => {
    // São Paulo, 4 November 2018: 00:00 became 01:00.
    expect(iso(bucketStart("America/Sao_Paulo", "DAY", at("2018-11-04T12:00:00Z")))).toBe(
      "2018-11-04T03:00:00.000Z",
    )
    expect(iso(nextBucket("America/Sao_Paulo", "DAY", at("2018-11-03T12:00:00Z")))).toBe(
      "2018-11-04T03:00:00.000Z",
    )
  })

  it("a day that is left out has no bucket", () => {
    // Samoa had no 30 December 2011.
    const days = bucketStarts("Pacific/Apia", "DAY", {
      from: at("2011-12-29T09:00:00Z"),
      to: at("2012-01-01T09:00:00Z"),
    })
    expect(days.map(iso)).toEqual([
      "2011-12-29T10:00:00.000Z",
      "2011-12-30T10:00:00.000Z",
      "2011-12-31T10:00:00.000Z",
    ])
  })

  it("zones may be half an hour and quarters off, and set their clocks by half an hour", () => {
    expect(iso(bucketStart("Asia/Kathmandu", "HOUR", at("2026-01-01T00:00:00Z")))).toBe(
      "2025-12-31T23:15:00.000Z",
    )
    expect(iso(bucketStart("Asia/Kolkata", "DAY", at("2026-01-01T00:00:00Z")))).toBe(
      "2025-12-31T18:30:00.000Z",
    )
    // Lord Howe, 5 April 2026: 02:00 became 01:30, so that the hour from 01:00 comes one and a half times.
    const hours = bucketStarts("Australia/Lord_Howe", "HOUR", {
      from: at("2026-04-04T14:00:00Z"),
      to: at("2026-04-04T17:00:00Z"),
    })
    expect(hours.map(iso)).toEqual([
      "2026-04-04T14:00:00.000Z",
      "2026-04-04T15:00:00.000Z",
      "2026-04-04T15:30:00.000Z",
      "2026-04-04T16:30:00.000Z",
    ])
  })

  it("weeks begin on Monday, also before 1970", () => {
    for (const time of [at("2026-11-21T06:00:00Z"), at("1969-12-31T23:00:00Z"), at("1815-06-18T12:00:00Z")]) {
      const week = new Date(bucketStart("UTC", "WEEK", time))
      expect(week.getUTCDay()).toBe(1)
      expect(time - week.getTime()).toBeLessThan(7 * 24 * HOUR)
    }
    expect(iso(bucketStart("UTC", "WEEK", at("1970-01-01T00:00:00Z")))).toBe("1969-12-29T00:00:00.000Z")
  })

  it("months are those of the calendar", () => {
    expect(iso(bucketStart("America/New_York", "MONTH", at("2026-03-01T04:59:59Z")))).toBe(
      "2026-02-01T05:00:00.000Z",
    )
    expect(iso(nextBucket("America/New_York", "MONTH", at("2024-02-29T12:00:00Z")))).toBe(
      "2024-03-01T05:00:00.000Z",
    )
    expect(iso(nextBucket("UTC", "MONTH", at("1969-12-05T00:00:00Z")))).toBe("1970-01-01T00:00:00.000Z")
  })

  it("offsets are those of the zone's history", () => {
    expect(offsetAt("Africa/Monrovia", at("1960-01-01T00:00:00Z"))).toBe(-2_670_000)
    expect(offsetAt("Europe/Berlin", at("2026-07-01T00:00:00Z"))).toBe(2 * HOUR)
  })

  it("knows which names are zones", () => {
    for (const name of ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]) {
      expect(isValidZone(name)).toBe(true)
    }
    for (const name of ["", "Mars/Olympus", "+05:00", "Europe/Berlin ", "../etc/passwd"]) {
      expect(isValidZone(name)).toBe(false)
    }
  })
})
