import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { partitionOf } from "../../../src/domain/Partition.js"
import { overviewMetrics } from "../../../src/queries/OverviewQueries.js"
import { everything } from "../../../src/queries/Scope.js"
import { until } from "../../support/until.js"
import { World } from "./world.js"

const at = (text: string): number => Date.parse(text)
const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect)
const day = { from: at("2026-03-02T00:00:00Z"), to: at("2026-03-03T00:00:00Z") }
const week = { from: at("2026-03-01T00:00:00Z"), to: at("2026-03-08T00:00:00Z") }

describe("the overview", () => {
  let world: World
  beforeAll(async () => {
    world = await World.open()
  })
  afterAll(() => world.close())

  const overview = (range = week, interval: "HOUR" | "DAY" | "WEEK" | "MINUTE" | "TEN_MINUTES" = "DAY") =>
    run(world.queries.overview(range, interval))
  const settled = (position: string) => run(world.queries.settled(position, 10_000))

  it("is all zeros while nothing was sent", async () => {
    const empty = await overview()
    expect(empty).toMatchObject({ merchants: 0, activeMerchants: 0, volumes: [] })
    expect(await run(empty.activeClients)).toBe(0)
    expect(empty.series.map(({ metric }) => metric)).toEqual(overviewMetrics)
    const byMetric = new Map(empty.series.map(({ metric, points }) => [metric, points]))
    expect(byMetric.get("EVENTS")?.map(({ value }) => value)).toEqual([0, 0, 0, 0, 0, 0, 0])
    expect(byMetric.get("BOUNCE_RATE")?.every(({ value }) => value === null)).toBe(true)
  })

  it("adds up every merchant, whatever its zone and partition, and never adds currencies up", async () => {
    await world.ask(
      'mutation { createMerchant(input: { id: "tokyo", timezone: "Asia/Tokyo", currency: "JPY" }) { userErrors { code } } }',
    )
    const shops = Array.from({ length: 30 }, (_, index) => `shop-${index}`)
    expect(new Set(shops.map((id) => partitionOf(id))).size).toBeGreaterThan(10)
    const noon = at("2026-03-02T12:00:00Z")
    const position = await world.send(
      ...shops.flatMap((merchantId) => [
        { merchantId, clientId: "same name", at: noon, path: "/" },
        { merchantId, clientId: "other", at: noon, path: "/" },
        { merchantId, clientId: "other", at: noon + 60_000, type: "payment", amount: 100, currency: "USD" },
      ]),
      // 2026-03-03 01:30 in Tokyo.
      {
        merchantId: "tokyo",
        at: at("2026-03-02T16:30:00Z"),
        type: "payment",
        amount: 5_000,
        currency: "JPY",
      },
      { merchantId: "tokyo", at: at("2026-03-06T00:00:00Z"), type: "refund", amount: 900, currency: "EUR" },
      { merchantId: "later", at: at("2026-03-08T00:00:00Z"), clientId: "c" },
      { merchantId: "later", at: noon, type: "request", clientId: "c" },
    )
    await settled(position)
    const found = await overview()
    expect(found).toMatchObject({
      merchants: 32,
      activeMerchants: 31,
      volumes: [
        { currency: "JPY", amount: 5_000 },
        { currency: "USD", amount: 3_000 },
      ],
    })
    const value = (metric: string, index: number) =>
      found.series.find((one) => one.metric === metric)?.points[index]?.value
    expect(value("EVENTS", 1)).toBe(91)
    expect(value("VISITORS", 1)).toBe(60)
    expect(value("SESSIONS", 1)).toBe(60)
    expect(value("BOUNCE_RATE", 1)).toBe(0.5)
    expect(value("SESSION_SECONDS", 1)).toBe(30)
    expect(value("PAYMENTS", 1)).toBe(31)
    expect(value("REFUNDS", 5)).toBe(1)
    expect(found.series[0]?.points.map((point) => point.at)).toEqual(
      Array.from({ length: 7 }, (_, index) => week.from + index * 86_400_000),
    )
    expect(BigInt(found.asOf.position)).toBeGreaterThanOrEqual(BigInt(position))
    expect(found.asOf).toMatchObject({ lagMs: 0, build: expect.stringMatching(/^metrics-/) })
  })

  it("equals the sum of the merchants' own numbers", async () => {
    const all = await run(world.queries.merchants.list(everything, { first: 200 }))
    const sums = new Map<string, number>()
    for (const { node } of all.edges) {
      const { values } = await run(world.queries.totals(node, { range: day }))
      for (const { metric, value } of values) sums.set(metric, (sums.get(metric) ?? 0) + (value ?? 0))
    }
    const { series } = await overview(day)
    for (const metric of ["EVENTS", "PAGEVIEWS", "VISITORS", "SESSIONS", "PAYMENTS", "REFUNDS"]) {
      expect(series.find((one) => one.metric === metric)?.points[0]?.value, metric).toBe(sums.get(metric))
    }
  })

  it("widens the series to whole buckets, and everything else to whole hours", async () => {
    const asked = { from: at("2026-03-02T16:45:00Z"), to: at("2026-03-06T00:00:00.001Z") }
    const days = await overview(asked)
    expect(days.series[0]?.points).toHaveLength(5)
    expect(days.series[0]?.points[0]?.value).toBe(91)
    expect(days).toMatchObject({ activeMerchants: 1, volumes: [{ currency: "JPY", amount: 5_000 }] })
    const weeks = await overview(asked, "WEEK")
    expect(weeks.series[0]?.points).toMatchObject([{ at: at("2026-03-02T00:00:00Z"), value: 93 }])
    const hours = await overview({ from: at("2026-03-02T11:00:00Z"), to: at("2026-03-02T13:00:00Z") }, "HOUR")
    expect(hours.series[0]?.points.map(({ value }) => value)).toEqual([0, 90])
    expect(hours).toMatchObject({ activeMerchants: 30, volumes: [{ currency: "USD", amount: 3_000 }] })
  })

  it("has minutes and ten minutes as well", async () => {
    const minute = Math.floor(Date.now() / 60_000 - 5) * 60_000
    await settled(
      await world.send(
        { merchantId: "shop-1", clientId: "now", at: minute },
        { merchantId: "shop-2", clientId: "now", at: minute + 59_999 },
        { merchantId: "shop-2", clientId: "now", at: minute + 60_000 },
      ),
    )
    const range = { from: minute, to: minute + 120_000 }
    const values = async (interval: "MINUTE" | "TEN_MINUTES", metric: string) => {
      const { series } = await overview(range, interval)
      return series.find((one) => one.metric === metric)?.points.map(({ value }) => value)
    }
    expect(await values("MINUTE", "EVENTS")).toEqual([2, 1])
    expect(await values("MINUTE", "VISITORS")).toBeUndefined()
    expect(await values("MINUTE", "SESSIONS")).toEqual([2, 0])
    const tens = await values("TEN_MINUTES", "EVENTS")
    expect(tens?.reduce<number>((sum, value) => sum + (value ?? 0), 0)).toBe(3)
  })

  it("is answered again without another look while nothing new was recorded, and anew after that", async () => {
    const before = await overview(day)
    expect((await overview(day)).series[0]?.points[0]?.value).toBe(before.series[0]?.points[0]?.value)
    await settled(await world.send({ merchantId: "shop-1", at: at("2026-03-02T01:00:00Z"), clientId: "new" }))
    const after = await overview(day)
    expect(after.series[0]?.points[0]?.value).toBe((before.series[0]?.points[0]?.value ?? 0) + 1)
  })

  it("refuses by name: too many points, and what is not kept any more", async () => {
    const code = async (range: typeof week, interval: "MINUTE" | "TEN_MINUTES") => {
      const result = await run(Effect.either(world.queries.overview(range, interval)))
      return Either.isLeft(result) ? (result.left as { code?: string }).code : "answered"
    }
    expect(await code({ from: week.from, to: week.to + 86_400_000 }, "MINUTE")).toBe("TOO_MANY_POINTS")
    const old = { from: at("2020-01-01T00:00:00Z"), to: at("2020-01-01T01:00:00Z") }
    expect(await code(old, "TEN_MINUTES")).toBe("RANGE_NOT_KEPT")
    expect(await code(old, "MINUTE")).toBe("RANGE_NOT_KEPT")
    const now = Date.now()
    expect(await code({ from: now - 3_600_000, to: now }, "MINUTE")).toBe("answered")
  })
})

describe("activeClients of the overview", () => {
  /** Counts anew each time, without reading the numbers of the range again. */
  const counter = async (world: World): Promise<() => Promise<number>> => {
    const { activeClients } = await run(world.queries.overview(day, "DAY"))
    return () => run(activeClients)
  }

  const mutate = (world: World, text: string) => world.ask(`mutation { ${text} { userErrors { code } } }`)
  const event = (merchantId: string, clientId: string, type = "pageview") => ({ merchantId, clientId, type })

  it("counts every client in state ACTIVE, recorded before anyone asked or after, of all merchants and none", async () => {
    const world = await World.open()
    await mutate(world, 'createMerchant(input: { id: "hasty", idleAfterSeconds: 1 })')
    const position = await world.send(
      event("hasty", "h-1"),
      event("m-1", "c-1"),
      event("m-1", "c-2", "request"),
      { ...event("m-1", "late"), at: Date.now() - 86_400_000 },
      event("_system", "crawler", "request"),
    )
    await run(world.queries.settled(position, 10_000))
    const count = await counter(world)
    await until("the hasty merchant's client is idle", 10_000, async () => (await count()) === 4)
    await world.send(event("m-2", "c-1"), event("m-2", "c-2"), event("m-1", "c-1"))
    await until("those recorded since are counted too", 10_000, async () => (await count()) === 6)
    await until("the list of active clients has as many", 10_000, async () => {
      const listed = await run(world.queries.clients.listAll("ACTIVE", { first: 200 }))
      return listed.edges.length === 6
    })
    await world.close()
  })

  it("goes by each merchant's own idle time, also when that is changed", async () => {
    const world = await World.open({ idleAfterMs: 2_000 })
    await mutate(world, 'createMerchant(input: { id: "patient", idleAfterSeconds: 3600 })')
    const count = await counter(world)
    expect(await count()).toBe(0)
    await world.send(
      event("patient", "p-1"),
      event("patient", "p-2"),
      event("m-1", "c-1"),
      event("m-2", "c-1"),
    )
    await until("all but the patient merchant's are idle", 10_000, async () => (await count()) === 2)
    await mutate(world, 'updateMerchant(input: { id: "m-2", idleAfterSeconds: 3600 })')
    expect(await count()).toBe(2)
    await world.send(event("m-2", "c-2"))
    await until("what was reported stays so; a new one is active", 10_000, async () => (await count()) === 3)
    await mutate(world, 'updateMerchant(input: { id: "patient", idleAfterSeconds: 1 })')
    await until("a shorter one makes the patient's idle", 10_000, async () => (await count()) === 1)
    await world.close()
  })

  it("does not take a late event for activity", async () => {
    const world = await World.open({ idleAfterMs: 2_000 })
    const count = await counter(world)
    expect(await count()).toBe(0)
    const from = Date.now()
    await world.send({ merchantId: "m", clientId: "c", at: from })
    await until("the client is active", 10_000, async () => (await count()) === 1)
    await until("the client is idle", 10_000, async () => (await count()) === 0)
    await world.send({ merchantId: "m", clientId: "c", at: from - 60_000 })
    expect(await count()).toBe(0)
    await world.send({ merchantId: "m", clientId: "c", at: from + 1 })
    await until("later activity makes it active", 10_000, async () => (await count()) === 1)
    await world.close()
  })
})
