import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { dimensions, metrics as metricNames } from "../../src/domain/Metrics.js"
import { partitionOf } from "../../src/domain/Partition.js"
import { projections } from "../../src/projections/index.js"
import {
  bucketScan,
  bucketsOf,
  type Counts,
  metricValue,
  moneyOf,
  sumOf,
} from "../../src/projections/metrics.js"
import { seededRandom } from "../support/Seed.js"
import { Bench, run, type TestEvent } from "../unit/processors/support.js"

type Numbers = { EVENTS: number; PAGEVIEWS: number; PAYMENTS: number; GROSS_VOLUME: Record<string, string> }
type Expected = Record<
  string,
  Record<
    string,
    Record<
      "DAY" | "HOUR",
      { "": Record<string, Numbers> } & Record<string, Record<string, Record<string, Numbers>>>
    >
  >
>

const zones = [
  "UTC",
  "Europe/Berlin",
  "Asia/Kolkata",
  "Asia/Kathmandu",
  "America/New_York",
  "Australia/Lord_Howe",
]
const currencies = ["USD", "EUR", "JPY"]
const now = Date.parse("2026-11-21T12:00:00Z")
/** Clocks were set on some of these days. */
const days = [
  "2026-03-29",
  "2026-10-25",
  "2026-11-01",
  "2026-04-05",
  "2026-11-20",
  "1969-12-31",
  "2014-02-28",
].map((day) => Date.parse(day))

const numbersOf = (counts: Counts): Numbers => {
  const volume: Record<string, string> = {}
  for (const currency of currencies) {
    const { count, sum } = moneyOf(counts, currency)
    if (count > 0) volume[currency] = String(sum)
  }
  return {
    EVENTS: metricValue(counts, "EVENTS", "USD"),
    PAGEVIEWS: metricValue(counts, "PAGEVIEWS", "USD"),
    PAYMENTS: metricValue(counts, "PAYMENTS", "USD"),
    GROSS_VOLUME: volume,
  }
}

describe("an independent implementation", () => {
  const bench = new Bench()
  beforeAll(() => bench.open())
  afterAll(() => bench.close())

  it("computes the same totals, series and breakdowns from a random log", async () => {
    const { random } = seededRandom("independent metrics")
    const merchants = ["a", "b", "c", "m-1", "m-10"]
    const lines: Array<string> = []
    let recordedAt = now
    const randomEvent = (): TestEvent => {
      const merchantId = random.pick(merchants)
      recordedAt += random.integer(50)
      if (random.integer(150) === 0) {
        const timezone = random.pick(zones)
        lines.push(JSON.stringify({ settings: { merchantId, timezone } }))
        return {
          type: "MerchantSettingsChanged",
          at: recordedAt,
          recordedAt,
          data: { merchantId, settings: { timezone } },
        }
      }
      const type = random.pick(["pageview", "pageview", "payment", "refund", "request", "signup"])
      const at = random.pick(days) + random.integer(30 * 3_600_000) - 3 * 3_600_000
      const money = type === "payment" && random.integer(10) > 0
      const fields = {
        ...(random.integer(4) === 0
          ? {}
          : { path: `/${random.pick(["", "a", "b", "ü", "\u{1F30A}", "\uffee"])}` }),
        ...(type === "payment" && random.integer(3) > 0
          ? { paymentMethod: random.pick(["card", "cash"]) }
          : {}),
        ...(money
          ? {
              amount:
                random.integer(20) === 0
                  ? Number.MAX_SAFE_INTEGER - random.integer(5)
                  : random.integer(10_000),
              currency: random.pick(currencies),
            }
          : {}),
      }
      lines.push(JSON.stringify({ merchantId, type, at, ...fields }))
      return {
        type,
        at,
        recordedAt,
        data: { merchantId, clientKey: `client-${random.integer(20)}`, ...fields },
      }
    }

    await bench.start(projections)
    let position = await bench.append([randomEvent()])
    for (let batch = 0; batch < 40; batch++) {
      position = await bench.append(Array.from({ length: 1 + random.integer(200) }, randomEvent))
      if (random.integer(8) === 0) {
        await bench.stop()
        await bench.start(projections)
      }
    }
    await bench.caughtUp(position)

    const expected = JSON.parse(
      execFileSync("python3", [join(import.meta.dirname, "metrics.py")], {
        input: lines.join("\n"),
        encoding: "utf8",
        maxBuffer: 256 * 1024 * 1024,
      }),
    ) as Expected

    const from = Date.parse("1960-01-01")
    const to = Date.parse("2030-01-01")
    const build = "metrics-1"
    let compared = 0
    for (const merchant of merchants) {
      for (const zone of zones) {
        for (const interval of ["DAY", "HOUR"] as const) {
          const wanted = expected[merchant]?.[zone]?.[interval]
          const read = async (dimension: (typeof dimensions)[number] | undefined) => {
            const scan = bucketScan(merchant, zone, interval, dimension, from, to)
            const { rows } = await run(bench.readModels.query(build, partitionOf(merchant), [scan]))
            return bucketsOf(zone, interval, dimension, from, to, rows[0] ?? [])
          }
          const series = await read(undefined)
          expect(Object.fromEntries(series.map(({ at, counts }) => [at, numbersOf(counts)]))).toEqual(
            wanted?.[""] ?? {},
          )
          const total = sumOf(series)
          const events = Object.values(wanted?.[""] ?? {}).reduce((sum, one) => sum + one.EVENTS, 0)
          expect(metricValue(total, metricNames[0], "USD")).toBe(events)
          for (const dimension of dimensions) {
            const found: Record<string, Record<string, Numbers>> = {}
            for (const { at, value, counts } of await read(dimension)) {
              found[at] ??= {}
              found[at][value ?? ""] = numbersOf(counts)
              compared++
            }
            expect(found).toEqual(wanted?.[dimension] ?? {})
          }
        }
      }
    }
    expect(compared).toBeGreaterThan(1_000)
  })
})
