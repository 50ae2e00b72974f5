import { describe, expect, it } from "vitest"
import { Customers } from "../../../src/cli/demo/customers.js"
import { DAY, dayOf, historyOfDay } from "../../../src/cli/demo/history.js"
import { LiveVisits } from "../../../src/cli/demo/live.js"
import { demoShops } from "../../../src/cli/demo/shops.js"
import { isCurrency } from "../../../src/domain/Currency.js"
import { isValidZone } from "../../../src/domain/Zone.js"
import { good, NOW } from "../collect/support.js"

const shops = demoShops(8)
const played = (seed: number) => shops.map((shop) => ({ shop, customers: new Customers(shop, seed) }))
const history = (seed: number, days: number) =>
  played(seed).flatMap(({ shop, customers }) =>
    Array.from({ length: days }, (_, back) =>
      historyOfDay(shop, customers, seed, dayOf(shop, NOW) - 10 - back),
    ).flat(),
  )

describe("the demo's shops", () => {
  it("have ids, zones and currencies of their own", () => {
    expect(new Set(shops.map(({ id }) => id)).size).toBe(shops.length)
    for (const { timezone, currency } of shops)
      expect([isValidZone(timezone), isCurrency(currency)]).toEqual([true, true])
    expect(new Set(demoShops(4).map(({ currency }) => currency)).size).toBe(4)
    expect(new Set(demoShops(4).map(({ timezone }) => timezone)).size).toBe(4)
  })
})

describe("the demo's history", () => {
  const events = history(1, 3)

  it("is the same for the same seed, day by day, and another for another seed", () => {
    expect(history(1, 3)).toEqual(events)
    const one = played(1)[2] as ReturnType<typeof played>[number]
    const day = dayOf(one.shop, NOW) - 11
    const ids = new Set(events.map(({ json }) => json))
    for (const { json } of historyOfDay(one.shop, one.customers, 1, day)) expect(ids.has(json)).toBe(true)
    expect(history(2, 1)[0]).not.toEqual(history(1, 1)[0])
  })

  it("has events that collection takes, each with an id of its own", () => {
    const ids = new Set(
      events.map(({ json, merchantId }) => `${merchantId} ${good(JSON.parse(json)).data.id}`),
    )
    expect(ids.size).toBe(events.length)
  })

  it("has everything that shops live on", () => {
    const stored = events.map(({ json }) => good(JSON.parse(json)))
    expect(new Set(stored.map(({ type }) => type))).toEqual(
      new Set(["pageview", "search", "add_to_cart", "payment", "refund"]),
    )
    const all = (name: "grade" | "country" | "device" | "referrer" | "paymentMethod" | "currency") =>
      new Set(stored.flatMap(({ data }) => data[name] ?? [])).size
    for (const name of ["grade", "country", "device", "referrer", "paymentMethod", "currency"] as const) {
      expect(all(name)).toBeGreaterThan(2)
    }
    expect(stored.some(({ data }) => (data.pointsUsed ?? 0) > 0)).toBe(true)
  })

  it("begins each day's visits on that day by the shop's clock, few at night", () => {
    const { shop, customers } = played(1)[0] as ReturnType<typeof played>[number]
    const day = dayOf(shop, NOW) - 3
    const first = historyOfDay(shop, customers, 1, day).filter(({ json }) =>
      /-0","type":"pageview"/.test(json),
    )
    const hours = first.map(({ at }) => (at + 9 * 3_600_000 - day * DAY) / 3_600_000)
    expect(first.length).toBeGreaterThan(200)
    expect(Math.min(...hours)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...hours)).toBeLessThan(24)
    const within = (from: number, to: number) => hours.filter((hour) => hour >= from && hour < to).length
    expect(within(1, 5) * 5).toBeLessThan(within(18, 22))
  })
})

describe("the demo's live visits", () => {
  it("come at the rate that was asked for, none of them before the start, each once and in time", () => {
    const visits = new LiveVisits(played(1), 50, 7, "run", NOW)
    const seen = new Set<string>()
    for (let second = 1; second <= 900; second += 1) {
      const now = NOW + second * 1_000
      for (const { at, json } of visits.due(now)) {
        expect(at > NOW && at <= now).toBe(true)
        seen.add(JSON.parse(json).id)
      }
    }
    expect(seen.size / 900).toBeGreaterThan(35)
    expect(seen.size / 900).toBeLessThan(65)
  })
})
