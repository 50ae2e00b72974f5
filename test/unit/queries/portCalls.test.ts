import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { counting } from "./counting.js"
import { World } from "./world.js"

const MERCHANTS = 50
const ids = Array.from({ length: MERCHANTS }, (_, index) => `m-${String(index).padStart(2, "0")}`)
const range = '{ from: "2026-03-01", to: "2026-03-08" }'
const series = (alias: string, metric: string) =>
  `${alias}: series(metric: ${metric}, interval: DAY, range: ${range}) { points { value } }`

const { calls, over } = counting()
let world: World

beforeAll(async () => {
  world = await World.open({ readModels: over })
  const at = Date.parse("2026-03-02T10:00:00Z")
  const events = ids.flatMap((merchantId, index) =>
    Array.from({ length: index + 1 }, (_, n) => ({ merchantId, clientId: `c-${n}`, at: at + n })),
  )
  const position = await world.send(...events)
  await world.ask(
    `{ merchant(id: "m-00") { totals(range: ${range}, atLeast: "${position}") { range { from } } } }`,
  )
})
afterAll(() => world.close())

/** Calls of the store that one question takes, and its answer. */
const ask = async (query: string) => {
  calls.builds = 0
  for (const kind of [calls.load, calls.query, calls.queryMany]) kind.length = 0
  const data = await world.ask(query)
  return { data, made: calls.builds + calls.load.length + calls.query.length + calls.queryMany.length }
}

describe("the calls of the store for one question", () => {
  it("do not grow with the merchants of a page, nor with the fields of each", async () => {
    const page = (first: number, fields: string) =>
      `{ merchants(first: ${first}) { nodes { id totals(range: ${range}) { values { metric value } } ${fields} } } }`
    const one = await ask(page(1, ""))
    const many = await ask(
      page(MERCHANTS, `${series("a", "EVENTS")} ${series("b", "VISITORS")} ${series("c", "SESSIONS")}`),
    )
    expect(many.made).toBeLessThanOrEqual(one.made)
    const nodes: ReadonlyArray<{
      id: string
      totals: { values: ReadonlyArray<{ metric: string; value: number }> }
      b: { points: ReadonlyArray<{ value: number }> }
    }> = many.data.merchants.nodes
    expect(nodes.map(({ id }) => id)).toEqual(ids)
    nodes.forEach(({ totals, b }, index) => {
      expect(totals.values.find(({ metric }) => metric === "EVENTS")?.value).toBe(index + 1)
      expect(b.points.map(({ value }) => value)).toEqual([0, index + 1, 0, 0, 0, 0, 0])
    })
  })

  it("do not grow with the series of a dashboard, and equal reads are made once", async () => {
    const dashboard = (fields: string) => `{ merchant(id: "m-07") { ${fields} } }`
    const one = await ask(dashboard(series("a", "EVENTS")))
    const questions = calls.queryMany.reduce((sum, count) => sum + count, 0)
    const six = ["EVENTS", "PAGEVIEWS", "PAYMENTS", "GROSS_VOLUME", "REFUNDS", "POINTS_USED"]
    const many = await ask(dashboard(six.map((metric, index) => series(`s${index}`, metric)).join(" ")))
    expect(many.made).toBeLessThanOrEqual(one.made)
    expect(calls.queryMany.reduce((sum, count) => sum + count, 0)).toBe(questions)
    expect(Object.keys(many.data.merchant)).toHaveLength(6)
    expect(many.data.merchant.s0.points[1].value).toBe(8)
  })

  it("do not grow with merchants asked for one by one, nor with clients", async () => {
    const merchant = (id: string, index: number) =>
      `m${index}: merchant(id: "${id}") { id currency client(clientId: "c-0") { clientId } clients(first: 3) { nodes { clientId } } }`
    const one = await ask(`{ ${merchant("m-00", 0)} }`)
    const many = await ask(`{ ${ids.slice(0, 40).map(merchant).join(" ")} }`)
    expect(many.made).toBeLessThanOrEqual(one.made)
    expect(many.data.m39).toMatchObject({ id: "m-39", client: { clientId: "c-0" } })
    expect(many.data.m39.clients.nodes).toHaveLength(3)
  })

  it("do not grow with filtered numbers", async () => {
    const filter = '{ all: [{ dimension: TYPE, in: ["pageview"] }] }'
    const totals = (first: number) =>
      `{ merchants(first: ${first}) { nodes { totals(range: ${range}, filter: ${filter}) { values { value } } } } }`
    const one = await ask(totals(1))
    const many = await ask(totals(40))
    expect(many.made).toBeLessThanOrEqual(one.made)
    expect(many.data.merchants.nodes[39].totals.values[0].value).toBe(40)
  })
})
