import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { everything } from "../../../src/queries/Scope.js"
import { World } from "./world.js"

let world: World
const at = (text: string): number => Date.parse(text)
const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect)
const range = { from: at("2026-03-01T00:00:00Z"), to: at("2026-04-01T00:00:00Z") }
const question = `query ($from: DateTime!, $to: DateTime!, $at: Position!) {
  merchant(id: "m") { totals(range: { from: $from, to: $to }, asOfPosition: $at) {
    values { metric value } range { from to } asOf { position recordedAt lagMs build } } } }`
const days = { from: "2026-03-01T00:00:00Z", to: "2026-04-01T00:00:00Z" }
const ask = async (position: string) => {
  const { merchant } = await world.ask(question, { ...days, at: position })
  const { values, ...rest } = merchant.totals
  return {
    values: Object.fromEntries(
      values.map(({ metric, value }: { metric: string; value: number | null }) => [metric, value]),
    ),
    ...rest,
  }
}
const create = `mutation { createMerchant(input: { id: "m", currency: "EUR", timezone: "Asia/Kolkata" }) { userErrors { code } } }`
const update = `mutation { updateMerchant(input: { id: "m", currency: "JPY", timezone: "UTC" }) { userErrors { code } } }`
const payment = { merchantId: "m", type: "payment", clientId: "ann" } as const

let before: string
let first: string
let second: string
let last: string

beforeAll(async () => {
  world = await World.open()
  before = await world.send({ merchantId: "other", at: range.from })
  await world.ask(create)
  first = await world.send({ ...payment, at: range.from + 1_000, amount: 5, currency: "EUR" })
  second = await world.send({ ...payment, at: range.from + 2_000, amount: 7, currency: "EUR" })
  await world.ask(update)
  last = await world.send({ ...payment, at: range.from + 3_000, amount: 9, currency: "JPY" })
  await run(world.queries.settled(last, 10_000))
})
afterAll(() => world.close())

describe("asOfPosition", () => {
  it("leaves out what was recorded later, and says the position", async () => {
    const one = await ask(first)
    expect(one.values).toMatchObject({ PAYMENTS: 1, SESSIONS: 1, SESSION_SECONDS: 0, VISITORS: 1 })
    expect(one.asOf).toMatchObject({ position: first, build: "metrics-1" })
    expect(one.asOf.lagMs).toBeGreaterThanOrEqual(0)
    const two = await ask(second)
    expect(two.values).toMatchObject({ PAYMENTS: 2, SESSIONS: 1, SESSION_SECONDS: 1 })
    expect(two.asOf.position).toBe(second)
    expect(Date.parse(two.asOf.recordedAt)).toBeGreaterThanOrEqual(Date.parse(one.asOf.recordedAt))
  })

  it("goes by the settings of then", async () => {
    // The day begins at 18:30 UTC in Kolkata, and its hours at half past.
    expect(await ask(second)).toMatchObject({
      values: { GROSS_VOLUME: 12 },
      range: { from: "2026-02-28T23:30:00.000Z", to: "2026-04-01T00:30:00.000Z" },
    })
    expect(await ask(last)).toMatchObject({
      values: { GROSS_VOLUME: 9, PAYMENTS: 3 },
      range: { from: "2026-03-01T00:00:00.000Z", to: "2026-04-01T00:00:00.000Z" },
    })
  })

  it("before the merchant existed is zeros", async () => {
    const { values, asOf } = await ask(before)
    expect(values).toMatchObject({ EVENTS: 0, VISITORS: 0, SESSIONS: 0, BOUNCE_RATE: null, GROSS_VOLUME: 0 })
    expect(asOf.position).toBe(before)
    const start = await ask("0")
    expect(start.values).toMatchObject({ EVENTS: 0 })
    expect(start.asOf).toMatchObject({ position: "0", recordedAt: null })
  })

  it("beyond the end of the log, or none at all, is refused by name", async () => {
    const refusal = (position: string) => world.refusal(question, { ...days, at: position })
    expect(await refusal("999999999999")).toBe("POSITION_UNKNOWN")
    expect(await refusal("soon")).toBe("INVALID_POSITION")
  })

  it("waits until the read models include the position", async () => {
    for (let count = 4; count < 14; count++) {
      const position = await world.send({ ...payment, at: range.from + count * 1_000, amount: 1 })
      expect((await ask(position)).values.PAYMENTS).toBe(count)
    }
  })

  it("takes one currency, a filter, series and breakdowns as any question does", async () => {
    const merchant = await run(world.queries.merchants.find(everything, "m"))
    if (merchant === undefined) throw new Error("no merchant")
    const asked = { range, asOfPosition: last }
    const { totals, series, breakdown } = world.queries
    const yen = await run(totals(merchant, { ...asked, currency: "JPY" }))
    expect(yen.values).toContainEqual({ metric: "GROSS_VOLUME", value: 9 })
    const filter = { all: [{ dimension: "CURRENCY" as const, in: ["EUR"] }] }
    const euros = await run(totals(merchant, { ...asked, filter }))
    expect(euros.values).toContainEqual({ metric: "PAYMENTS", value: 2 })
    const points = await run(series(merchant, { ...asked, metric: "EVENTS", interval: "DAY" }))
    expect(points.points[0]).toMatchObject({ at: range.from, value: 3, complete: true })
    const rows = await run(breakdown(merchant, { ...asked, metric: "EVENTS", by: "CURRENCY" }))
    expect(rows.rows).toEqual([
      { key: "EUR", value: 2 },
      { key: "JPY", value: 1 },
    ])
    const minutes = await run(
      Effect.either(
        series(merchant, {
          ...asked,
          metric: "EVENTS",
          interval: "MINUTE",
          range: { ...range, to: range.from + 60_000 },
        }),
      ),
    )
    expect(Either.isLeft(minutes) ? minutes.left : {}).toMatchObject({ code: "RANGE_NOT_KEPT" })
  })
})
