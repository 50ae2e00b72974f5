import { createClient } from "graphql-ws"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import WebSocket from "ws"
import { until } from "../support/until.js"
import { ADMIN_KEY, World } from "../unit/queries/world.js"

interface Told {
  readonly merchantId: string | null
  readonly clientId: string
  readonly ip: string | null
  readonly lastActivityAt: string
  readonly idleSince: string
  readonly reportedAt: string
}

const FIELDS = "{ merchantId clientId ip lastActivityAt idleSince reportedAt }"

// Longer than a busy machine keeps an event waiting: else its silence is one of the past.
const IDLE_AFTER_MS = 3_000

let world: World
beforeAll(async () => {
  world = await World.open({ idleAfterMs: IDLE_AFTER_MS })
  await world.send({ merchantId: "shop", clientId: "before" }, { merchantId: "other", clientId: "before" })
  await until("those of before are idle", 20_000, async () => (await idle()).length === 2)
})
afterAll(() => world.close())

const idle = async (): Promise<ReadonlyArray<{ clientId: string; merchantId: string | null }>> =>
  (await world.ask("{ clients(state: IDLE, first: 100) { nodes { clientId merchantId } } }")).clients.nodes

const watch = (query: string) => {
  const told: Array<Told> = []
  const errors: Array<unknown> = []
  const client = createClient({
    url: world.url.replace("http", "ws"),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${ADMIN_KEY}` },
    retryAttempts: 0,
  })
  client.subscribe<{ clientIdle: Told }>(
    { query },
    {
      next: ({ data, errors: found }) => {
        if (data) told.push(data.clientIdle)
        errors.push(...(found ?? []))
      },
      error: (error) => errors.push(error),
      complete: () => {},
    },
  )
  return { told, errors, close: () => client.dispose() }
}

const watchSse = (query: string) => {
  const told: Array<Told> = []
  const ending = new AbortController()
  const reading = (async () => {
    const answer = await fetch(world.url, {
      method: "POST",
      signal: ending.signal,
      headers: {
        accept: "text/event-stream",
        "content-type": "application/json",
        authorization: `Bearer ${ADMIN_KEY}`,
      },
      body: JSON.stringify({ query }),
    })
    let text = ""
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString("utf8")
      const blocks = text.split("\n\n")
      text = blocks.pop() ?? ""
      for (const block of blocks) {
        const data = /^data: (.+)$/m.exec(block)?.[1]
        if (data !== undefined) told.push(JSON.parse(data).data.clientIdle)
      }
    }
  })().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error
  })
  return {
    told,
    close: () => {
      ending.abort()
      return reading
    },
  }
}

describe("idle clients", () => {
  it("are listed by state, with their periods, and come back", { timeout: 60_000 }, async () => {
    const [client] = (
      await world.ask(
        '{ merchant(id: "shop") { clients(state: IDLE) { nodes { clientId state lastSeenAt idlePeriods { nodes { lastActivityAt idleSince reportedAt returnedAt historical } } } } } }',
      )
    ).merchant.clients.nodes
    const [period] = client.idlePeriods.nodes
    expect(client).toMatchObject({ clientId: "before", state: "IDLE" })
    expect(period).toMatchObject({ lastActivityAt: client.lastSeenAt, returnedAt: null, historical: false })
    expect(Date.parse(period.idleSince) - Date.parse(period.lastActivityAt)).toBe(IDLE_AFTER_MS)
    expect(Date.parse(period.reportedAt)).toBeGreaterThanOrEqual(Date.parse(period.idleSince))

    await world.send({ merchantId: "shop", clientId: "before" })
    const again =
      '{ client(merchantId: "shop", clientId: "before") { state idlePeriods { nodes { returnedAt } } } }'
    await until("it is idle for the second time", 20_000, async () => {
      const { client } = await world.ask(again)
      return client.idlePeriods.nodes.length === 2 && client.state === "IDLE"
    })
    const { nodes } = (await world.ask(again)).client.idlePeriods
    expect(nodes.map(({ returnedAt }: { returnedAt: string | null }) => returnedAt === null)).toEqual([
      true,
      false,
    ])
    const page = await world.ask(
      '{ client(merchantId: "shop", clientId: "before") { idlePeriods(first: 1) { pageInfo { hasNextPage endCursor } } } }',
    )
    expect(page.client.idlePeriods.pageInfo.hasNextPage).toBe(true)
  })

  it("are told to subscribers once, over WebSocket and SSE, and not again by a rebuild", {
    timeout: 60_000,
  }, async () => {
    const all = watch(`subscription { clientIdle ${FIELDS} }`)
    const shop = watchSse(`subscription { clientIdle(merchantId: "shop") ${FIELDS} }`)
    const unknown = watch(`subscription { clientIdle(merchantId: "nobody") ${FIELDS} }`)
    await until("the unknown merchant is refused", 10_000, () => unknown.errors.length > 0)
    // Whether a subscription has begun shows only in what it tells.
    let sent = 0
    await until("both have begun", 30_000, async () => {
      await world.send({ merchantId: "shop", clientId: `begin-${sent++}` })
      return all.told.length > 0 && shop.told.length > 0
    })
    await world.send(
      { merchantId: "shop", clientId: "new" },
      { merchantId: "other", clientId: "new" },
      { merchantId: "_system", clientId: "crawler", type: "request" },
    )
    const named = (told: ReadonlyArray<Told>, clientId: string) =>
      told.filter((one) => one.clientId === clientId)
    await until("both are told", 20_000, () => {
      return named(all.told, "new").length >= 2 && named(shop.told, "new").length >= 1
    })
    await until("of the crawler, too", 20_000, () => named(all.told, "crawler").length === 1)
    expect(named(all.told, "crawler")[0]?.merchantId).toBeNull()
    expect(named(shop.told, "new")).toMatchObject([{ merchantId: "shop", ip: "203.0.113.7" }])
    expect(named(all.told, "before")).toEqual([])

    await until("nobody is active", 20_000, async () => {
      const { clients } = await world.ask("{ clients(state: ACTIVE) { nodes { clientId } } }")
      return clients.nodes.length === 0 && named(all.told, `begin-${sent - 1}`).length === 1
    })
    const facts = (await idle()).length
    const before = all.told.length
    await world.ask('mutation { rebuildProjection(name: "clients") { userErrors { code } } }')
    await until("the new build is ready", 30_000, async () => {
      const { projection } = await world.ask('{ projection(name: "clients") { building { state } } }')
      return projection.building?.state === "READY"
    })
    expect((await idle()).length).toBe(facts)
    expect(
      new Set(all.told.map(({ clientId, merchantId, idleSince }) => `${merchantId} ${clientId} ${idleSince}`))
        .size,
    ).toBe(all.told.length)
    expect(all.told.length).toBe(before)
    for (const one of [all, shop, unknown]) await one.close()
  })
})
