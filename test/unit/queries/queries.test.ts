import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { clientKey } from "../../../src/domain/Ids.js"
import { KeyStore } from "../../../src/keystore/KeyStore.js"
import type { Merchant } from "../../../src/queries/MerchantQueries.js"
import { everything, ofMerchant } from "../../../src/queries/Scope.js"
import { SECRET, World } from "./world.js"

let world: World
const at = (text: string): number => Date.parse(text)
const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect)
const code = async <A, E>(effect: Effect.Effect<A, E>): Promise<unknown> => {
  const result = await run(Effect.either(effect))
  return Either.isLeft(result) ? (result.left as { code?: string }).code : "answered"
}
const merchant = async (id: string): Promise<Merchant> => {
  const found = await run(world.queries.merchants.find(everything, id))
  if (found === undefined) throw new Error(`no merchant ${id}`)
  return found
}

beforeAll(async () => {
  world = await World.open()
})
afterAll(() => world.close())

describe("totals, series and breakdowns", () => {
  const range = { from: at("2026-03-01T00:00:00Z"), to: at("2026-04-01T00:00:00Z") }
  let one: Merchant
  let position: string

  beforeAll(async () => {
    position = await world.send(
      {
        type: "payment",
        at: at("2026-03-02T10:15:00Z"),
        amount: 500,
        currency: "USD",
        paymentMethod: "card",
      },
      {
        type: "payment",
        at: at("2026-03-02T10:45:00Z"),
        amount: 250,
        currency: "USD",
        paymentMethod: "cash",
      },
      {
        type: "payment",
        at: at("2026-03-03T23:59:59Z"),
        amount: 900,
        currency: "EUR",
        paymentMethod: "card",
      },
      {
        type: "payment",
        at: at("2026-03-04T05:00:00Z"),
        amount: 0,
        currency: "USD",
        paymentMethod: "voucher",
      },
      { type: "pageview", at: at("2026-03-10T00:00:00Z"), path: "/a" },
      { type: "pageview", at: at("2026-03-10T00:30:00Z"), path: "/b" },
      { type: "pageview", at: at("2026-03-31T23:59:59Z"), path: "/b" },
      { type: "signup", at: at("2026-04-01T00:00:00Z") },
    )
    one = await merchant("m-1")
  })

  it("counts in one currency, never adding currencies up", async () => {
    const totals = await run(world.queries.totals(one, { range, atLeast: position }))
    expect(Object.fromEntries(totals.values.map(({ metric, value }) => [metric, value]))).toMatchObject({
      EVENTS: 7,
      PAGEVIEWS: 3,
      PAYMENTS: 4,
      GROSS_VOLUME: 750,
    })
    expect(totals.range).toEqual(range)
    expect(totals.asOf).toMatchObject({ lagMs: 0, recordedAt: expect.any(Number) })
    expect(BigInt(totals.asOf.position)).toBeGreaterThanOrEqual(BigInt(position))
    const euros = await run(world.queries.totals(one, { range, currency: "EUR" }))
    expect(euros.values.find(({ metric }) => metric === "GROSS_VOLUME")?.value).toBe(900)
  })

  it("widens totals to whole hours and says so; a range cut at hours is exact", async () => {
    const asked = { from: at("2026-03-02T10:30:00Z"), to: at("2026-03-10T00:00:00.001Z") }
    const totals = await run(world.queries.totals(one, { range: asked }))
    expect(totals.range).toEqual({ from: at("2026-03-02T10:00:00Z"), to: at("2026-03-10T01:00:00Z") })
    expect(totals.values[0]).toEqual({ metric: "EVENTS", value: 6 })
    const exact = { from: at("2026-03-02T11:00:00Z"), to: at("2026-03-10T00:00:00Z") }
    const between = await run(world.queries.totals(one, { range: exact }))
    expect(between.range).toEqual(exact)
    expect(between.values[0]).toEqual({ metric: "EVENTS", value: 2 })
  })

  it("fills every bucket of a series, at every interval", async () => {
    const days = await run(world.queries.series(one, { range, metric: "GROSS_VOLUME", interval: "DAY" }))
    expect(days.points).toHaveLength(31)
    expect(days.points.filter(({ value }) => value !== 0)).toEqual([
      { at: at("2026-03-02T00:00:00Z"), value: 750, complete: true },
    ])
    for (const interval of ["HOUR", "DAY", "WEEK", "MONTH"] as const) {
      const series = await run(world.queries.series(one, { range, metric: "EVENTS", interval }))
      // A week is widened to its Monday and Sunday: the event of April 1 is in.
      expect(series.points.reduce((sum, { value }) => sum + (value ?? 0), 0)).toBe(
        interval === "WEEK" ? 8 : 7,
      )
      expect(series.range.from).toBe(series.points[0]?.at)
    }
  })

  it("says which bucket still runs", async () => {
    const now = Date.now()
    const series = await run(
      world.queries.series(one, {
        range: { from: now - 1_200_000, to: now + 1 },
        metric: "EVENTS",
        interval: "MINUTE",
      }),
    )
    expect(series.points.at(-1)?.complete).toBe(false)
    expect(series.points.at(-2)?.complete).toBe(true)
  })

  it("sorts a breakdown by value and then key, and cuts it", async () => {
    const paths = await run(world.queries.breakdown(one, { range, metric: "PAGEVIEWS", by: "PATH" }))
    expect(paths.rows).toEqual([
      { key: "/b", value: 2 },
      { key: "/a", value: 1 },
    ])
    const methods = { range, metric: "GROSS_VOLUME", by: "PAYMENT_METHOD" } as const
    expect((await run(world.queries.breakdown(one, methods))).rows).toEqual([
      { key: "card", value: 500 },
      { key: "cash", value: 250 },
      { key: "voucher", value: 0 },
    ])
    expect((await run(world.queries.breakdown(one, { ...methods, first: 1 }))).rows).toHaveLength(1)
    const types = await run(world.queries.breakdown(one, { range, metric: "EVENTS", by: "TYPE" }))
    expect(types.rows).toEqual([
      { key: "payment", value: 4 },
      { key: "pageview", value: 3 },
    ])
  })

  it("refuses by name", async () => {
    const { series, totals, breakdown } = world.queries
    const minutes = { metric: "EVENTS", interval: "MINUTE" } as const
    const reversed = { from: range.to, to: range.from }
    expect(await code(totals(one, { range: reversed }))).toBe("INVALID_RANGE")
    expect(await code(totals(one, { range: { from: range.from, to: range.from } }))).toBe("INVALID_RANGE")
    expect(await code(series(one, { ...minutes, range }))).toBe("TOO_MANY_POINTS")
    const old = { from: range.from, to: range.from + 3_600_000 }
    expect(await code(series(one, { ...minutes, range: old }))).toBe("RANGE_NOT_KEPT")
    expect(await code(series(one, { ...minutes, interval: "TEN_MINUTES", range: old }))).toBe(
      "RANGE_NOT_KEPT",
    )
    expect(await code(totals(one, { range, currency: "XYZ" }))).toBe("INVALID_CURRENCY")
    expect(await code(breakdown(one, { range, metric: "EVENTS", by: "TYPE", first: 1_001 }))).toBe(
      "INVALID_FIRST",
    )
  })

  it("knows positions: malformed, beyond the head, and not reached in time", async () => {
    expect(await code(world.queries.totals(one, { range, atLeast: "soon" }))).toBe("INVALID_POSITION")
    expect(await code(world.queries.totals(one, { range, atLeast: "999999999999" }))).toBe("POSITION_UNKNOWN")
    expect(await code(world.queries.totals(one, { range, atLeast: position }))).toBe("answered")
  })

  it("an answer with `atLeast` counts the event that gave the position", async () => {
    for (let count = 1; count <= 20; count++) {
      const sent = await world.send({ merchantId: "m-wait", at: at("2026-01-01T00:00:00Z") })
      const waiting = await merchant("m-wait")
      const day = { from: at("2026-01-01T00:00:00Z"), to: at("2026-01-02T00:00:00Z") }
      const totals = await run(world.queries.totals(waiting, { range: day, atLeast: sent }))
      expect(totals.values[0]?.value).toBe(count)
    }
  })
})

describe("a merchant's zone", () => {
  it("cuts days by its clocks, also where they are set", async () => {
    await world.ask(
      'mutation { createMerchant(input: { id: "berlin", timezone: "Europe/Berlin" }) { userErrors { code } } }',
    )
    // Clocks go forward on 2026-03-29: that day has 23 hours.
    const position = await world.send(
      { merchantId: "berlin", at: at("2026-03-28T22:59:59Z") },
      { merchantId: "berlin", at: at("2026-03-28T23:00:00Z") },
      { merchantId: "berlin", at: at("2026-03-29T21:59:59Z") },
      { merchantId: "berlin", at: at("2026-03-29T22:00:00Z") },
    )
    const berlin = await merchant("berlin")
    const range = { from: at("2026-03-28T12:00:00Z"), to: at("2026-03-30T12:00:00Z") }
    const days = await run(
      world.queries.series(berlin, { range, metric: "EVENTS", interval: "DAY", atLeast: position }),
    )
    expect(days.points.map(({ at, value }) => [new Date(at).toISOString(), value])).toEqual([
      ["2026-03-27T23:00:00.000Z", 1],
      ["2026-03-28T23:00:00.000Z", 2],
      ["2026-03-29T22:00:00.000Z", 1],
    ])
    const hours = await run(world.queries.series(berlin, { range, metric: "EVENTS", interval: "HOUR" }))
    expect(hours.points.filter(({ value }) => (value ?? 0) > 0)).toHaveLength(4)
  })

  it("counts what was recorded before the zone was changed, even when asked a moment before", async () => {
    const range = { from: at("2026-04-01T00:00:00Z"), to: at("2026-06-01T00:00:00Z") }
    await world.ask('mutation { createMerchant(input: { id: "moving" }) { userErrors { code } } }')
    const counted = async (atLeast?: string) =>
      (await run(world.queries.totals(await merchant("moving"), { range, atLeast }))).values[0]?.value
    expect(await counted()).toBe(0)
    for (const timezone of ["Asia/Kolkata", "Europe/Berlin", "America/Lima"]) {
      const position = await world.send({ merchantId: "moving", at: at("2026-05-01T20:00:00Z") })
      const before = await counted(position)
      await world.ask(
        `mutation { updateMerchant(input: { id: "moving", timezone: "${timezone}" }) { userErrors { code } } }`,
      )
      expect(await counted(position)).toBe(before)
    }
    expect(await counted()).toBe(3)
  })

  it("still counts what was recorded before the zone was changed", async () => {
    const first = await world.send({ merchantId: "moved", at: at("2026-05-01T20:00:00Z") })
    const range = { from: at("2026-04-01T00:00:00Z"), to: at("2026-06-01T00:00:00Z") }
    await run(world.queries.totals(await merchant("moved"), { range, atLeast: first }))
    await world.ask(
      'mutation { updateMerchant(input: { id: "moved", timezone: "Asia/Tokyo" }) { userErrors { code } } }',
    )
    const second = await world.send({ merchantId: "moved", at: at("2026-05-01T20:30:00Z") })
    const moved = await merchant("moved")
    const totals = await run(world.queries.totals(moved, { range, atLeast: second }))
    expect(totals.values[0]?.value).toBe(2)
    const days = await run(world.queries.series(moved, { range, metric: "EVENTS", interval: "DAY" }))
    expect(days.points.filter(({ value }) => (value ?? 0) > 0)).toEqual([
      { at: at("2026-05-01T15:00:00Z"), value: 2, complete: true },
    ])
    const types = await run(world.queries.breakdown(moved, { range, metric: "EVENTS", by: "TYPE" }))
    expect(types.rows).toEqual([{ key: "pageview", value: 2 }])
  })
})

describe("clients", () => {
  it("opens profiles, pages through all of them once, and tells idle from active", async () => {
    const ids = Array.from({ length: 25 }, (_, index) => `c-${index}`)
    const position = await world.send(
      ...ids.map((clientId) => ({ merchantId: "shop", clientId, type: "request" })),
      { merchantId: "shop", clientId: "c-1" },
    )
    await world.queries.settled(position, 5_000).pipe(run)
    const shop = await merchant("shop")
    const found = await run(world.queries.clients.find(everything, shop, "c-7"))
    expect(found).toMatchObject({
      clientId: "c-7",
      merchantId: "shop",
      ip: "203.0.113.7",
      requests: 1,
      state: "ACTIVE",
    })
    const seen: Array<string> = []
    let after: string | undefined
    for (;;) {
      const page = await run(world.queries.clients.list(shop, undefined, { first: 10, after }))
      seen.push(...page.edges.map(({ node }) => node.clientId))
      if (!page.hasNextPage) break
      after = page.endCursor
    }
    expect(seen.toSorted()).toEqual(ids.toSorted())
    const active = await run(world.queries.clients.list(shop, "ACTIVE", { first: 200 }))
    expect(active.edges).toHaveLength(25)
    expect((await run(world.queries.clients.list(shop, "IDLE", { first: 200 }))).edges).toEqual([])
    expect(await code(world.queries.clients.list(shop, "IDLE", { after: "nonsense" }))).toBe("INVALID_CURSOR")
    expect(await code(world.queries.clients.list(shop, "IDLE", { first: 201 }))).toBe("INVALID_FIRST")
  })

  it("shows an erased client as erased", async () => {
    await world.send({ merchantId: "erasing", clientId: "known-person" })
    const erasing = await merchant("erasing")
    await run(world.get(KeyStore).forget(clientKey(SECRET, "erasing", "known-person")))
    expect(await run(world.queries.clients.find(everything, erasing, "known-person"))).toMatchObject({
      clientId: "(erased)",
      ip: null,
    })
  })

  it("keeps requests without a merchant in a space of their own, for those who see everything", async () => {
    await world.send({ merchantId: "_system", clientId: "crawler", type: "request" })
    const found = await run(world.queries.clients.find(everything, undefined, "crawler"))
    expect(found).toMatchObject({ clientId: "crawler", merchantId: null, requests: 1 })
    expect(await run(world.queries.clients.find(ofMerchant("m-1"), undefined, "crawler"))).toBeUndefined()
  })
})

describe("merchants", () => {
  it("shows a merchant's key itself alone", async () => {
    const all = await run(world.queries.merchants.list(everything, { first: 200 }))
    const ids = all.edges.map(({ node }) => node.id)
    expect(ids).toContain("m-1")
    expect(ids).not.toContain("_system")
    expect(ids).toEqual(ids.toSorted())
    const own = await run(world.queries.merchants.list(ofMerchant("m-1"), {}))
    expect(own.edges.map(({ node }) => node.id)).toEqual(["m-1"])
    expect(await run(world.queries.merchants.find(ofMerchant("m-1"), "shop"))).toBeUndefined()
    expect(await run(world.queries.merchants.find(ofMerchant("m-1"), "no-such"))).toBeUndefined()
  })
})
