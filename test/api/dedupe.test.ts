import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readWholeLog } from "../support/readWholeLog.js"
import { Sender } from "../support/Sender.js"
import { ADMIN_KEY, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path, { TIDEMARK_PASSIVATE_AFTER: "300 millis" })

beforeAll(() => tidemark.start())
afterAll(async () => {
  await tidemark.stop()
  directory.remove()
})

const day = { from: "2024-05-01T00:00:00Z", to: "2024-05-02T00:00:00Z" }
const at = Date.parse("2024-05-01T12:00:00Z")

const batch = Array.from({ length: 40 }, (_, index) => ({
  id: `e-${index}`,
  type: index % 4 === 0 ? "payment" : "pageview",
  merchantId: "once",
  clientId: `c-${index % 7}`,
  timestamp: at + index * 1_000,
  url: "/shop",
  amount: 100 + index,
  currency: "USD",
}))
const volume = batch.filter(({ type }) => type === "payment").reduce((sum, { amount }) => sum + amount, 0)

const totals = async (merchantId: string, position: string): Promise<Record<string, number>> => {
  const data = await tidemark.graphql(
    `query ($id: ID!, $range: TimeRange!, $atLeast: Position) {
      merchant(id: $id) { totals(range: $range, atLeast: $atLeast) { values { metric value } } }
    }`,
    { id: merchantId, range: day, atLeast: position },
  )
  return Object.fromEntries(
    data.merchant.totals.values.map(({ metric, value }: { metric: string; value: number }) => [
      metric,
      value,
    ]),
  )
}

const expected = { EVENTS: 40, PAGEVIEWS: 30, PAYMENTS: 10, GROSS_VOLUME: volume }

const sendFiftyTimes = async (): Promise<number> => {
  const sender = new Sender(() => tidemark.url, ADMIN_KEY, 50)
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => sender.send(batch)))
  sender.close()
  for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 202, rejected: 0 })
  return outcomes.reduce((sum, outcome) => sum + (outcome?.accepted ?? 0), 0)
}

const position = async (): Promise<string> => (await tidemark.send(batch)).body.position

describe("the same event is counted once", () => {
  it("sent 50 times at once over 50 connections", async () => {
    expect(await sendFiftyTimes()).toBe(40)
    expect(await totals("once", await position())).toMatchObject(expected)
  })

  it("sent 50 times again after a restart", async () => {
    await tidemark.stop()
    await tidemark.start()
    expect(await sendFiftyTimes()).toBe(0)
    expect(await totals("once", await position())).toMatchObject(expected)
  })

  it("sent 50 times again after kill -9", async () => {
    await tidemark.kill()
    await tidemark.start()
    expect(await sendFiftyTimes()).toBe(0)
    expect(await totals("once", await position())).toMatchObject(expected)
  })

  it("sent 50 times again after its actors were passivated", async () => {
    const live = async (): Promise<number> => {
      const text = String((await tidemark.request("GET", "/metrics")).body)
      return Number(/^tidemark_actors_live (\d+)/m.exec(text)?.[1])
    }
    await until("no actor is live", 20_000, async () => (await live()) === 0)
    expect(await sendFiftyTimes()).toBe(0)
    expect(await totals("once", await position())).toMatchObject(expected)
  })

  it("with another content: the first one wins", async () => {
    const changed = batch.map((event) => ({ ...event, timestamp: Date.now(), amount: 1 }))
    expect((await tidemark.send(changed)).body).toMatchObject({ accepted: 0, duplicates: 40 })
    expect(await totals("once", await position())).toMatchObject(expected)
  })

  it("twice within one batch", async () => {
    const twice = [
      { ...batch[0], id: "pair" },
      { ...batch[0], id: "pair" },
    ].map((event) => ({ ...event, merchantId: "pairs" }))
    expect((await tidemark.send(twice)).body).toMatchObject({ accepted: 1, duplicates: 1 })
  })

  it("but two merchants that use the same id each count theirs", async () => {
    const theirs = batch.map((event) => ({ ...event, merchantId: "other" }))
    const answer = await tidemark.send(theirs)
    expect(answer.body).toMatchObject({ accepted: 40, duplicates: 0 })
    expect(await totals("other", answer.body.position)).toMatchObject(expected)
    expect(await totals("once", answer.body.position)).toMatchObject(expected)
  })

  it("an Idempotency-Key protects events without an id", async () => {
    const anonymous = [1, 2, 3].map((amount) => ({
      type: "payment",
      merchantId: "keyed",
      amount,
      timestamp: at,
    }))
    expect((await tidemark.send(anonymous, { "idempotency-key": "abc" })).body).toMatchObject({ accepted: 3 })
    expect((await tidemark.send(anonymous, { "idempotency-key": "abc" })).body).toMatchObject({
      accepted: 0,
      duplicates: 3,
    })
    expect((await tidemark.send(anonymous, { "idempotency-key": "abd" })).body).toMatchObject({ accepted: 3 })
  })

  it("and the log holds no id twice", async () => {
    expect((await readWholeLog(directory.path)).twice).toEqual([])
  })
})
