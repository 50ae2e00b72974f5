import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { World } from "../unit/queries/world.js"

let world: World
let key: string
const range = '{ from: "2026-03-01", to: "2026-03-08" }'
const at = (text: string): number => Date.parse(text)

beforeAll(async () => {
  world = await World.open()
  const visit = { merchantId: "shop", type: "pageview", browser: "Firefox", os: "Linux" }
  const position = await world.send(
    { ...visit, id: "e1", clientId: "ann", at: at("2026-03-02T10:00:00Z"), path: "/", country: "JP" },
    { ...visit, id: "e2", clientId: "ann", at: at("2026-03-02T10:10:00Z"), path: "/cart", country: "JP" },
    { ...visit, id: "e3", clientId: "bob", at: at("2026-03-02T11:00:00Z"), path: "/", country: "DE" },
    {
      ...{ merchantId: "shop", id: "e4", type: "payment", clientId: "ann", country: "JP" },
      ...{ at: at("2026-03-02T10:20:00Z"), amount: 1_250, currency: "USD", paymentMethod: "card" },
      ...{ pointsUsed: 3, pointsEarned: 12, referrer: "search.example", device: "mobile", grade: "gold" },
      properties: { sku: "A-1", size: 42 },
    },
    {
      ...{ merchantId: "shop", id: "e5", type: "refund", clientId: "ann", country: "JP" },
      ...{ at: at("2026-03-03T10:20:00Z"), amount: 250, currency: "USD", properties: { sku: "A-1" } },
    },
    { merchantId: "shop", id: "r1", type: "request", clientId: "ann", at: at("2026-03-02T10:00:00Z") },
    { merchantId: "_system", id: "r2", type: "request", clientId: "crawler", at: at("2026-03-02T10:00:00Z") },
    { merchantId: "other", id: "o1", clientId: "ann", at: at("2026-03-02T10:00:00Z"), path: "/secret" },
  )
  await world.ask(
    `{ merchant(id: "shop") { totals(range: ${range}, atLeast: "${position}") { range { from } } } }`,
  )
  const { createApiKey } = await world.ask(
    'mutation { createApiKey(input: { merchantId: "shop", label: "test" }) { key } }',
  )
  key = createApiKey.key
})
afterAll(() => world.close())

const shop = async (fields: string) => (await world.ask(`{ merchant(id: "shop") { ${fields} } }`)).merchant
const byMetric = (values: ReadonlyArray<{ metric: string; value: number | null }>) =>
  Object.fromEntries(values.map(({ metric, value }) => [metric, value]))

describe("metrics", () => {
  it("are all there, and null for 0 ÷ 0", async () => {
    const { totals, before } = await shop(
      `totals(range: ${range}) { values { metric value } }
       before: totals(range: { from: "2026-02-01", to: "2026-02-02" }) { values { metric value } }`,
    )
    expect(byMetric(totals.values)).toEqual({
      ...{ EVENTS: 5, PAGEVIEWS: 3, VISITORS: 2, SESSIONS: 3, PAYMENTS: 1, REFUNDS: 1 },
      ...{ GROSS_VOLUME: 1_250, REFUND_VOLUME: 250, NET_VOLUME: 1_000, AVERAGE_ORDER_VALUE: 1_250 },
      ...{ POINTS_USED: 3, POINTS_EARNED: 12 },
      // Ann pays after 20 minutes; Bob looks at one page; the refund is a session of its own.
      ...{ BOUNCE_RATE: 1 / 3, SESSION_SECONDS: 400 },
    })
    expect(byMetric(before.values)).toMatchObject({
      ...{ EVENTS: 0, VISITORS: 0, SESSIONS: 0, NET_VOLUME: 0 },
      ...{ BOUNCE_RATE: null, SESSION_SECONDS: null, AVERAGE_ORDER_VALUE: null },
    })
  })

  it("come as series of every kind", async () => {
    const series = (metric: string) =>
      `${metric}: series(metric: ${metric}, interval: DAY, range: { from: "2026-03-02", to: "2026-03-05" }) { points { value } }`
    const found = await shop(["VISITORS", "SESSIONS", "BOUNCE_RATE", "NET_VOLUME"].map(series).join(" "))
    const values = (metric: string) =>
      found[metric].points.map(({ value }: { value: number | null }) => value)
    expect(values("VISITORS")).toEqual([2, 1, 0])
    expect(values("SESSIONS")).toEqual([2, 1, 0])
    expect(values("BOUNCE_RATE")).toEqual([0.5, 0, null])
    expect(values("NET_VOLUME")).toEqual([1_250, -250, 0])
  })
})

describe("filters and properties", () => {
  const filter = (text: string) => `filter: { all: [${text}] }`

  it("count only what meets every term", async () => {
    const japan = filter('{ dimension: COUNTRY, in: ["JP", "KR"] }, { dimension: PATH, notIn: ["/cart"] }')
    const { totals, series, breakdown } = await shop(
      `totals(range: ${range}, ${japan}) { values { metric value } }
       series(metric: EVENTS, interval: DAY, range: ${range}, ${japan}) { points { value } }
       breakdown(metric: EVENTS, by: TYPE, range: ${range}, ${japan}) { rows { key value } }`,
    )
    expect(byMetric(totals.values)).toMatchObject({ EVENTS: 3, PAGEVIEWS: 1, VISITORS: 1, PAYMENTS: 1 })
    expect(series.points.map(({ value }: { value: number }) => value)).toEqual([0, 2, 1, 0, 0, 0, 0])
    expect(breakdown.rows).toEqual(["pageview", "payment", "refund"].map((name) => ({ key: name, value: 1 })))
  })

  it("go by custom properties, and so do breakdowns", async () => {
    const { totals, breakdown } = await shop(
      `totals(range: ${range}, ${filter('{ dimension: PROPERTY, property: "sku", in: ["A-1"] }')}) { values { metric value } }
       breakdown(metric: EVENTS, by: PROPERTY, property: "sku", range: ${range}) { rows { key value } }`,
    )
    expect(byMetric(totals.values)).toMatchObject({ EVENTS: 2, PAYMENTS: 1, REFUNDS: 1 })
    expect(breakdown.rows).toEqual([
      { key: "(none)", value: 3 },
      { key: "A-1", value: 2 },
    ])
  })

  it("are refused by name when they make no sense", async () => {
    const refusal = (field: string) => world.refusal(`{ merchant(id: "shop") { ${field} } }`)
    const totals = (text: string) => refusal(`totals(range: ${range}, ${filter(text)}) { range { from } }`)
    expect(await totals('{ dimension: PROPERTY, in: ["x"] }')).toBe("INVALID_FILTER")
    expect(await totals("{ dimension: PATH }")).toBe("INVALID_FILTER")
    expect(await totals('{ dimension: COLOUR, in: ["x"] }')).toBe("GRAPHQL_VALIDATION_FAILED")
    expect(await refusal(`breakdown(metric: EVENTS, by: PROPERTY, range: ${range}) { rows { key } }`)).toBe(
      "PROPERTY_REQUIRED",
    )
  })

  it("cost more than questions that buckets answer", async () => {
    const many = (first: number, text: string) =>
      `{ merchants(first: ${first}) { nodes { totals(range: ${range}${text}) { range { from } } } } }`
    expect(await world.refusal(many(200, ""))).toBe("")
    expect(await world.refusal(many(200, `, ${filter('{ dimension: PATH, in: ["/"] }')}`))).toBe(
      "QUERY_TOO_COMPLEX",
    )
  })
})

describe("events", () => {
  const fields = `nodes { id type merchantId clientId at recordedAt position path referrer country device browser os
    amount currency paymentMethod properties } pageInfo { hasNextPage endCursor }`
  const events = async (args: string, selected = "nodes { id }", as?: string) =>
    (await world.ask(`{ events(${args}, range: ${range}) { ${selected} } }`, {}, as)).events
  const ids = (page: { nodes: ReadonlyArray<{ id: string }> }) => page.nodes.map(({ id }) => id)

  it("come newest first with everything that is kept of them", async () => {
    const page = await events('merchantId: "shop"', fields)
    expect(ids(page)).toEqual(["e5", "e3", "e4", "e2", "e1"])
    expect(page.nodes[2]).toEqual({
      ...{ id: "e4", type: "payment", merchantId: "shop", clientId: "ann", path: null },
      ...{ at: "2026-03-02T10:20:00.000Z", recordedAt: expect.any(String), position: expect.any(String) },
      ...{ referrer: "search.example", country: "JP", device: "mobile", browser: null, os: null },
      ...{ amount: 1_250, currency: "USD", paymentMethod: "card", properties: { sku: "A-1", size: 42 } },
    })
    expect(page.pageInfo.hasNextPage).toBe(false)
  })

  it("are paged by cursor without a gap or a repetition", async () => {
    const seen: Array<string> = []
    let after = ""
    for (;;) {
      const page = await events(
        `merchantId: "shop", first: 2${after}`,
        "nodes { id } pageInfo { hasNextPage endCursor }",
      )
      seen.push(...ids(page))
      if (!page.pageInfo.hasNextPage) break
      after = `, after: "${page.pageInfo.endCursor}"`
    }
    expect(seen).toEqual(["e5", "e3", "e4", "e2", "e1"])
    expect(
      await world.refusal(`{ events(merchantId: "shop", range: ${range}, after: "x") { nodes { id } } }`),
    ).toBe("INVALID_CURSOR")
  })

  it("are told by client, type and filter", async () => {
    expect(ids(await events('merchantId: "shop", clientId: "bob"'))).toEqual(["e3"])
    expect(ids(await events('merchantId: "shop", type: "payment"'))).toEqual(["e4"])
    const germany = 'filter: { all: [{ dimension: COUNTRY, in: ["DE"] }] }'
    expect(ids(await events(`merchantId: "shop", ${germany}`))).toEqual(["e3"])
    expect(ids(await events('merchantId: "shop", clientId: "ann", type: "request"'))).toEqual(["r1"])
    const requests = await events('clientId: "crawler"', "nodes { id merchantId clientId }")
    expect(requests.nodes).toEqual([{ id: "r2", merchantId: null, clientId: "crawler" }])
    expect(await world.refusal(`{ events(range: ${range}) { nodes { id } } }`)).toBe("MERCHANT_REQUIRED")
  })

  it("of another merchant look like none", async () => {
    expect(ids(await events("first: 3", "nodes { id }", key))).toEqual(["e5", "e3", "e4"])
    const other = await events('merchantId: "other"', fields, key)
    expect(other).toEqual(await events('merchantId: "nobody"', fields, key))
    expect(other).toEqual({ nodes: [], pageInfo: { hasNextPage: false, endCursor: null } })
  })
})

describe("what administrators see of all merchants", () => {
  const overview = `{ overview(range: ${range}, interval: DAY) { merchants activeMerchants activeClients
    series { metric points { at value complete } } volumes { currency amount } asOf { position lagMs build } } }`

  it("is FORBIDDEN to a merchant", async () => {
    expect(await world.refusal(overview, {}, key)).toBe("FORBIDDEN")
    expect(await world.refusal("{ clients { nodes { clientId } } }", {}, key)).toBe("FORBIDDEN")
  })

  it("has the numbers of all together", async () => {
    const found = (await world.ask(overview)).overview
    expect(found).toMatchObject({
      ...{ merchants: 2, activeMerchants: 2, activeClients: 4 },
      volumes: [{ currency: "USD", amount: 1_250 }],
      asOf: { lagMs: 0, build: expect.stringMatching(/^metrics/) },
    })
    const metrics = found.series.map(({ metric }: { metric: string }) => metric)
    expect(metrics).toEqual([
      ...["EVENTS", "PAGEVIEWS", "VISITORS", "SESSIONS", "BOUNCE_RATE", "SESSION_SECONDS"],
      ...["PAYMENTS", "REFUNDS", "POINTS_USED", "POINTS_EARNED"],
    ])
    // Ann at two merchants is two clients.
    const visitors = found.series[2].points.map(({ value }: { value: number }) => value)
    expect(visitors).toEqual([0, 3, 1, 0, 0, 0, 0])
  })

  it("has as many points as one series may have, and no more", async () => {
    const points = (from: string) =>
      `{ overview(range: { from: "${from}", to: "2026-03-08" }, interval: HOUR) { series { metric } } }`
    expect(await world.refusal(points("2025-01-01"))).toBe("")
    expect(await world.refusal(points("2020-01-01"))).toBe("TOO_MANY_POINTS")
  })

  it("has the clients, page by page", async () => {
    const { clients } = await world.ask(
      "{ clients(state: ACTIVE, first: 3) { nodes { clientId merchantId state } pageInfo { hasNextPage endCursor } } }",
    )
    expect(clients.nodes.map(({ merchantId }: { merchantId: string | null }) => merchantId)).toEqual([
      null,
      "other",
      "shop",
    ])
    const rest = await world.ask(
      `{ clients(after: "${clients.pageInfo.endCursor}") { nodes { merchantId } pageInfo { hasNextPage } } }`,
    )
    expect(rest.clients).toEqual({ nodes: [{ merchantId: "shop" }], pageInfo: { hasNextPage: false } })
  })
})
