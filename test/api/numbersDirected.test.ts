import { describe, expect, it } from "vitest"
import { askSeries, askTotals } from "../support/askNumbers.js"
import { lastClockChange, ZONES } from "../support/drawEvents.js"
import { askable, everyQuestion } from "../support/drawQuestions.js"
import { clockOf } from "../support/oracleClock.js"
import { INTERVALS, METRICS } from "../support/oracleEvents.js"
import { runningTidemark } from "../support/runningTidemark.js"
import { seededRandom } from "../support/Seed.js"
import { type Given, Shop } from "../support/Shop.js"

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const at = (text: string): number => Date.parse(text)

const tidemark = runningTidemark()
const { random } = seededRandom("directed numbers")

const shuffled = <A>(values: ReadonlyArray<A>): ReadonlyArray<A> =>
  values
    .map((value) => ({ value, order: random.next() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value)

/** Everything that the oracle can be asked about these days. */
const expectAll = async (shop: Shop, from: string, to: string): Promise<void> => {
  const range = { from: at(from), to: at(to) }
  expect(await shop.differences(everyQuestion(shop.oracle, range, Date.now()))).toEqual([])
}

describe("sessions", () => {
  it("are joined by a late event between two of them", async () => {
    const shop = await Shop.open(tidemark)
    const view = (time: string, url: string): Given => ({
      clientId: "c",
      timestamp: at(`2026-03-02T${time}Z`),
      url,
    })
    await shop.send([view("10:00:00", "/first"), view("10:50:00", "/second")])
    const day = ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"] as const
    expect(await shop.totals(...day)).toMatchObject({ SESSIONS: 2, BOUNCE_RATE: 1, SESSION_SECONDS: 0 })
    await shop.send([view("10:25:00", "/between")])
    expect(await shop.totals(...day)).toMatchObject({ SESSIONS: 1, BOUNCE_RATE: 0, SESSION_SECONDS: 3_000 })
    expect(await shop.rows("SESSIONS", "PATH", ...day)).toEqual([["/first", 1]])
    await expectAll(shop, ...day)
  })

  it("move to where an earlier event begins them, over midnight too", async () => {
    const shop = await Shop.open(tidemark)
    await shop.send([{ clientId: "c", timestamp: at("2026-03-02T00:10:00Z"), url: "/late" }])
    const days = ["2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"] as const
    expect(await shop.series("SESSIONS", "DAY", ...days)).toEqual({
      "2026-03-01T00:00": 0,
      "2026-03-02T00:00": 1,
    })
    await shop.send([{ clientId: "c", timestamp: at("2026-03-01T23:50:00Z"), url: "/early", type: "signup" }])
    expect(await shop.series("SESSIONS", "DAY", ...days)).toEqual({
      "2026-03-01T00:00": 1,
      "2026-03-02T00:00": 0,
    })
    expect(await shop.series("BOUNCE_RATE", "DAY", ...days)).toEqual({
      "2026-03-01T00:00": 0,
      "2026-03-02T00:00": null,
    })
    expect(await shop.rows("SESSION_SECONDS", "PATH", ...days)).toEqual([["/early", 1_200]])
    await expectAll(shop, ...days)
  })

  it("part at a gap of exactly 30 minutes, and not a millisecond earlier", async () => {
    const shop = await Shop.open(tidemark)
    const begin = at("2026-03-02T10:00:00Z")
    const events = [0, 30 * MINUTE - 1, 60 * MINUTE - 1].map((after) => ({
      clientId: "c",
      timestamp: begin + after,
    }))
    await shop.send(events)
    const totals = await shop.totals("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z")
    expect(totals).toMatchObject({ SESSIONS: 2, BOUNCE_RATE: 0.5, SESSION_SECONDS: 1799.999 / 2 })
    await expectAll(shop, "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z")
  })

  it("take their dimensions from the earliest event: of several at one time, the shorter and smaller id", async () => {
    const shop = await Shop.open(tidemark)
    const timestamp = at("2026-03-02T10:00:00Z")
    const ids = ["aa", "\uffee", "b", "\u00e9", "B", "aaa"]
    await shop.send(shuffled(ids).map((id) => ({ id, clientId: "c", timestamp, url: `/${id}` })))
    const day = ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"] as const
    expect(await shop.rows("SESSIONS", "PATH", ...day)).toEqual([["/B", 1]])
    await expectAll(shop, ...day)
  })

  it("may last for months, whatever the order in which their events come", async () => {
    const shop = await Shop.open(tidemark, { timezone: "America/New_York" })
    const begin = at("2026-01-20T03:00:00Z")
    const events = Array.from({ length: 3_000 }, (_, i) => ({
      clientId: "c",
      timestamp: begin + i * 29 * MINUTE,
    }))
    await shop.send(shuffled(events), () => 1 + random.integer(700))
    expect(await shop.totals("2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z")).toMatchObject({
      SESSIONS: 1,
      EVENTS: 3_000,
      SESSION_SECONDS: 2_999 * 29 * 60,
    })
    const series = await shop.series("SESSIONS", "MONTH", "2026-01-15T00:00:00Z", "2026-03-15T00:00:00Z")
    expect(Object.values(series)).toEqual([1, 0, 0])
    await expectAll(shop, "2026-01-19T00:00:00Z", "2026-04-01T00:00:00Z")
  })

  it("go by the time of arrival where an event's clock is ahead", async () => {
    const shop = await Shop.open(tidemark)
    const now = Date.now()
    await shop.send([
      { clientId: "c", timestamp: now - 28 * MINUTE },
      { clientId: "c", timestamp: now + 4 * MINUTE },
    ])
    const [from, to] = [now - 2 * DAY, now + 2 * DAY].map((time) => new Date(time).toISOString())
    const totals = await shop.totals(from as string, to as string)
    expect(totals).toMatchObject({ SESSIONS: 1, EVENTS: 2, BOUNCE_RATE: 0 })
    expect(totals.SESSION_SECONDS).toBeGreaterThanOrEqual(28 * 60)
    expect(totals.SESSION_SECONDS).toBeLessThan(28 * 60 + 60)
  })
})

describe("what is counted", () => {
  const day = ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"] as const

  it("counts an id once, and its first content", async () => {
    const shop = await Shop.open(tidemark)
    const paid = { id: "once", type: "payment", clientId: "c", timestamp: at("2026-03-02T10:00:00Z") }
    await shop.send([
      { ...paid, amount: 5 },
      { ...paid, amount: 7 },
      { ...paid, amount: 5 },
    ])
    await shop.send([{ ...paid, amount: 9, timestamp: at("2026-03-02T09:00:00Z") }])
    expect(await shop.totals(...day)).toMatchObject({ PAYMENTS: 1, GROSS_VOLUME: 5, SESSIONS: 1 })
    await expectAll(shop, ...day)
  })

  it("counts requests in no metric, and events without a client as nobody's", async () => {
    const shop = await Shop.open(tidemark)
    await shop.send([
      { type: "request", clientId: "c", timestamp: at("2026-03-02T10:00:00Z"), url: "/x" },
      { type: "request", clientId: "c", timestamp: at("2026-03-02T10:05:00Z"), url: "/x" },
    ])
    expect(await shop.totals(...day)).toMatchObject({
      EVENTS: 0,
      VISITORS: 0,
      SESSIONS: 0,
      BOUNCE_RATE: null,
    })
    await shop.send([{ timestamp: at("2026-03-02T10:00:00Z") }])
    expect(await shop.totals(...day)).toMatchObject({
      EVENTS: 1,
      VISITORS: 0,
      SESSIONS: 0,
      BOUNCE_RATE: null,
    })
    await expectAll(shop, ...day)
  })

  it("keeps currencies apart, and counts payments and refunds of all of them", async () => {
    const shop = await Shop.open(tidemark, { currency: "EUR" })
    const timestamp = at("2026-03-02T10:00:00Z")
    await shop.send([
      { type: "payment", timestamp, amount: 100 },
      { type: "payment", timestamp, amount: 50, currency: "EUR" },
      { type: "payment", timestamp, amount: 7, currency: "JPY", pointsEarned: 3 },
      { type: "refund", timestamp, amount: 160 },
      { type: "refund", timestamp, amount: 1, currency: "JPY", pointsUsed: 9 },
    ])
    expect(await shop.totals(...day)).toMatchObject({
      PAYMENTS: 3,
      REFUNDS: 2,
      GROSS_VOLUME: 150,
      REFUND_VOLUME: 160,
      NET_VOLUME: -10,
      AVERAGE_ORDER_VALUE: 75,
      POINTS_EARNED: 3,
      POINTS_USED: 0,
    })
    expect(await shop.totals(...day, 'currency: "JPY"')).toMatchObject({
      PAYMENTS: 3,
      NET_VOLUME: 6,
      AVERAGE_ORDER_VALUE: 7,
    })
    expect(await shop.totals(...day, 'currency: "USD"')).toMatchObject({
      NET_VOLUME: 0,
      AVERAGE_ORDER_VALUE: null,
    })
    expect(await shop.rows("PAYMENTS", "CURRENCY", ...day)).toEqual([
      ["EUR", 2],
      ["JPY", 1],
    ])
    expect(await shop.rows("GROSS_VOLUME", "CURRENCY", ...day)).toEqual([["EUR", 150]])
    await shop.change({ currency: "JPY" })
    await shop.send([{ type: "payment", timestamp, amount: 3 }])
    expect(await shop.totals(...day)).toMatchObject({ GROSS_VOLUME: 10 })
    await expectAll(shop, ...day)
  })
})

describe("sums", () => {
  const day = ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"] as const

  it("are exact past what a double holds, until they are shown", async () => {
    const shop = await Shop.open(tidemark)
    const most = Number.MAX_SAFE_INTEGER
    const paid = { type: "payment", timestamp: at("2026-03-02T10:00:00Z") }
    await shop.send([
      ...[most, most, most, 1, 1, 1].map((amount) => ({ ...paid, amount, pointsUsed: amount })),
      { ...paid, type: "refund", amount: most },
    ])
    expect(await shop.totals(...day)).toMatchObject({
      GROSS_VOLUME: 3 * 2 ** 53,
      NET_VOLUME: 2 ** 54,
      AVERAGE_ORDER_VALUE: 2 ** 52,
      POINTS_USED: 3 * 2 ** 53,
    })
    await shop.send(Array.from({ length: 200 }, () => ({ ...paid, amount: most })))
    expect(await shop.totals(...day)).toMatchObject({ GROSS_VOLUME: Number(203n * BigInt(most) + 3n) })
    expect(await shop.rows("GROSS_VOLUME", "TYPE", ...day)).toEqual([
      ["payment", Number(203n * BigInt(most) + 3n)],
    ])
  })
})

describe("buckets", () => {
  it("are cut by the clocks of the zone, at midnight and on days when clocks are set", async () => {
    for (const timezone of ZONES) {
      const shop = await Shop.open(tidemark, { timezone })
      const clock = clockOf(timezone)
      const change = lastClockChange(timezone, Date.now() - 3 * DAY)
      const midnights = [-1, 0, 1, 2].map((days) => clock.bucket("DAY", change + days * DAY).from)
      const times = [...midnights, change, change - HOUR, change + HOUR, change - 30 * MINUTE]
      const around = times.flatMap((time) => [time - 1, time, time + 1, time + 10 * MINUTE])
      await shop.send(
        shuffled(around).map((timestamp) => ({ timestamp, clientId: `c-${random.integer(3)}` })),
      )
      const range = { from: change - 3 * DAY, to: change + 3 * DAY }
      const questions = [
        ...METRICS.flatMap((metric) =>
          INTERVALS.flatMap((interval) => {
            const part = askable(interval, range, Date.now())
            return part === undefined ? [] : [askSeries(shop.oracle, metric, part, interval)]
          }),
        ),
        ...times.map((time) => askTotals(shop.oracle, { from: time, to: time + 1 })),
        ...times.map((time) => askTotals(shop.oracle, { from: time - 1, to: time })),
      ]
      expect(await shop.differences(questions), timezone).toEqual([])
    }
  })

  it("begin at half past in Kolkata", async () => {
    const shop = await Shop.open(tidemark, { timezone: "Asia/Kolkata" })
    await shop.send([
      { timestamp: at("2026-03-02T18:29:59.999Z") },
      { timestamp: at("2026-03-02T18:30:00Z") },
      { timestamp: at("2026-03-02T19:29:59.999Z") },
    ])
    const range = ["2026-03-02T18:15:00Z", "2026-03-02T18:45:00Z"] as const
    expect(await shop.series("EVENTS", "HOUR", ...range)).toEqual({
      "2026-03-02T17:30": 1,
      "2026-03-02T18:30": 2,
    })
    expect(await shop.series("EVENTS", "DAY", ...range)).toEqual({
      "2026-03-01T18:30": 1,
      "2026-03-02T18:30": 2,
    })
    expect(await shop.totals("2026-03-02T18:30:00Z", "2026-03-02T18:31:00Z")).toMatchObject({ EVENTS: 2 })
  })
})
