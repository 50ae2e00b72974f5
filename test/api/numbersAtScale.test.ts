import { describe, expect, it } from "vitest"
import { askBreakdown, askSeries, askTotals } from "../support/askNumbers.js"
import { METRICS } from "../support/oracleEvents.js"
import { runningTidemark } from "../support/runningTidemark.js"
import { seededRandom } from "../support/Seed.js"
import { Shop } from "../support/Shop.js"

const MINUTE = 60_000
const DAY = 86_400_000
const at = (text: string): number => Date.parse(text)

const tidemark = runningTidemark()
const { random } = seededRandom("numbers at scale")

const additive = [
  "EVENTS",
  "PAGEVIEWS",
  "SESSIONS",
  "PAYMENTS",
  "REFUNDS",
  "NET_VOLUME",
  "POINTS_EARNED",
] as const

describe("a merchant that moves to another zone", () => {
  it("with quiet days has the same daily numbers as one that was always there", async () => {
    const merchant = { id: "moved-quiet", timezone: "Asia/Kolkata", currency: "USD" }
    const shop = await Shop.open(tidemark, merchant)
    const begin = at("2026-02-20T00:00:00Z")
    const events = Array.from({ length: 240 }, (_, i) => ({
      type: random.pick(["pageview", "payment", "refund", "signup"]),
      clientId: `c-${random.integer(12)}`,
      amount: random.integer(1_000),
      url: random.pick(["/a", "/b"]),
      timestamp: begin + random.integer(30 * DAY),
      id: `quiet-${i}`,
    }))
    await shop.send(events.slice(0, 120), () => 1 + random.integer(40))
    await shop.change({ timezone: "America/New_York" })
    await shop.send(events.slice(120, 180), () => 1 + random.integer(40))
    await shop.change({ timezone: "Australia/Lord_Howe" })
    await shop.send(events.slice(180), () => 1 + random.integer(40))
    const range = { from: begin - DAY, to: begin + 32 * DAY }
    const { oracle } = shop
    const questions = [
      askTotals(oracle, range),
      ...METRICS.flatMap((metric) => [
        askSeries(oracle, metric, range, "DAY"),
        askSeries(oracle, metric, range, "WEEK"),
        askBreakdown(oracle, metric, "TYPE", range),
        askBreakdown(oracle, metric, "PATH", range),
      ]),
    ]
    expect(await shop.differences(questions)).toEqual([])
  })

  it("keeps every event countable, however busy its days were", async () => {
    const merchant = { id: "moved-busy", timezone: "Asia/Kolkata", currency: "USD" }
    const shop = await Shop.open(tidemark, merchant)
    const begin = at("2026-03-06T00:00:00Z")
    const busy = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, i) => ({
        type: random.pick(["pageview", "pageview", "payment", "refund"]),
        clientId: `c-${random.integer(200)}`,
        amount: random.integer(1_000),
        pointsEarned: random.integer(5),
        url: random.pick(["/a", "/b", "/c"]),
        timestamp: begin + random.integer(3 * DAY),
        id: `${prefix}-${i}`,
      }))
    await shop.send(busy("before", 3_000))
    await shop.change({ timezone: "America/New_York" })
    const range = { from: begin - 40 * DAY, to: begin + 40 * DAY }
    const wide = () => [
      askTotals(shop.oracle, range),
      ...METRICS.map((metric) => askBreakdown(shop.oracle, metric, "PATH", range)),
    ]
    const daily = () => METRICS.map((metric) => askSeries(shop.oracle, metric, range, "DAY"))
    expect(await shop.differences([...wide(), ...daily()])).toEqual([])
    await shop.send(busy("after", 1_000))
    expect(await shop.differences([...wide(), ...daily()])).toEqual([])
    const [from, to] = [new Date(range.from).toISOString(), new Date(range.to).toISOString()]
    const whole = await shop.totals(from, to)
    for (const metric of additive) {
      const daily = Object.values(await shop.series(metric, "DAY", from, to))
      expect(
        daily.reduce<number>((sum, one) => sum + (one ?? 0), 0),
        metric,
      ).toBe(whole[metric])
    }
  })
})

describe("many values", () => {
  const day = ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"] as const
  const near = (value: number | null | undefined, wanted: number): void => {
    expect(value).toBeGreaterThan(wanted * 0.97)
    expect(value).toBeLessThan(wanted * 1.03)
  }

  it("counts visitors exactly up to 1,024 a bucket, and within 3 % beyond", async () => {
    const shop = await Shop.open(tidemark)
    const begin = at("2026-03-02T00:00:00Z")
    const visits = (from: number, to: number, start: number) =>
      Array.from({ length: to - from }, (_, i) => ({
        clientId: `visitor-${from + i}`,
        timestamp: start + random.integer(20) * MINUTE,
        url: i % 3 === 0 ? "/third" : "/other",
      }))
    await shop.send(visits(0, 1_024, begin))
    await shop.send(visits(0, 500, begin))
    expect(await shop.totals(...day)).toMatchObject({ VISITORS: 1_024, EVENTS: 1_524 })
    await shop.send(visits(800, 6_000, begin))
    await shop.send(visits(3_000, 8_000, begin + 3 * DAY))
    near((await shop.totals(...day)).VISITORS, 6_000)
    const both = ["2026-03-01T00:00:00Z", "2026-03-10T00:00:00Z"] as const
    near((await shop.totals(...both)).VISITORS, 8_000)
    const daily = await shop.series("VISITORS", "DAY", ...both)
    near(daily["2026-03-02T00:00"], 6_000)
    near(daily["2026-03-05T00:00"], 5_000)
    near((await shop.series("VISITORS", "HOUR", ...day))["2026-03-02T00:00"], 6_000)
    near((await shop.series("VISITORS", "MONTH", ...both))["2026-03-01T00:00"], 8_000)
    const sessions = await shop.totals(...both)
    expect(sessions.SESSIONS).toBe(shop.oracle.totals({ from: at(both[0]), to: at(both[1]) }).SESSIONS)
    const third = new Set(
      shop.counted.filter(({ values }) => values.PATH === "/third").map(({ client }) => client),
    )
    const rows = new Map(await shop.rows("VISITORS", "PATH", ...both))
    near(rows.get("/third"), third.size)
    const filter = 'filter: {all: [{dimension: PATH in: ["/third"]}]}'
    near((await shop.totals(...both, filter)).VISITORS, third.size)
  })

  it("puts values beyond the first 10,000 of a day under (other), and loses nothing", async () => {
    const shop = await Shop.open(tidemark)
    const begin = at("2026-03-02T12:00:00Z")
    const paid = (i: number) => ({
      type: "payment",
      url: `/${i}`,
      amount: 10,
      timestamp: begin + (i % 3_600) * 1_000,
      clientId: `c-${i % 50}`,
    })
    const sent = [
      ...Array.from({ length: 10_050 }, (_, i) => paid(i)),
      ...Array.from({ length: 25 }, () => paid(7)),
      ...Array.from({ length: 60 }, (_, i) => paid(10_020 + i)),
    ]
    await shop.send(sent)
    const expectRows = async (metric: string, other: number, seventh: number) => {
      const rows = new Map(await shop.rows(metric, "PATH", ...day))
      expect({ other: rows.get("(other)"), seventh: rows.get("/7"), rows: rows.size }, metric).toEqual({
        other,
        seventh,
        rows: 1_000,
      })
    }
    await expectRows("EVENTS", 50 + 60, 26)
    await expectRows("GROSS_VOLUME", 1_100, 260)
    await expectRows("PAYMENTS", 110, 26)
    const range = { from: at(day[0]), to: at(day[1]) }
    const { oracle } = shop
    const questions = [
      askTotals(oracle, range),
      ...METRICS.flatMap((metric) => [
        askSeries(oracle, metric, range, "HOUR"),
        askBreakdown(oracle, metric, "TYPE", range),
      ]),
    ]
    expect(await shop.differences(questions)).toEqual([])
  })
})
