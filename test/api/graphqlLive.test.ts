import { connect } from "node:net"
import * as Effect from "effect/Effect"
import { type Client, createClient } from "graphql-ws"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import WebSocket from "ws"
import { ADMIN_KEY, World } from "../unit/queries/world.js"

let world: World
beforeAll(async () => {
  world = await World.open({ idleAfterMs: 3_000 })
  await world.send({ merchantId: "quiet", clientId: "c-1" })
})
afterAll(() => world.close())

/** Of what a test opened: one that fails half way leaves no subscriber to the next. */
const closers: Array<() => unknown> = []
afterEach(() => Promise.all(closers.splice(0).map((close) => close())))

interface Live {
  readonly at: string
  readonly position: string
  readonly activeClients: number
  readonly today: ReadonlyArray<{ metric: string; value: number }>
  readonly lastMinutes: ReadonlyArray<{ at: string; value: number; complete: boolean }>
  readonly latest: ReadonlyArray<{ id: string; clientId: string | null; position: string }>
}

const document = `subscription ($id: ID!, $after: Position) { liveMetrics(merchantId: $id, after: $after) {
  merchantId at position activeClients today { metric value } lastMinutes { at value complete }
  latest { id type clientId position at } } }`

const eventsOf = (live: Live | undefined): number | undefined =>
  live?.today.find(({ metric }) => metric === "EVENTS")?.value

interface Message {
  readonly live: Live
  readonly arrived: number
}

const watchSocket = (id: string, options: { after?: string; key?: string } = {}) => {
  const messages: Array<Message> = []
  const codes: Array<unknown> = []
  const client: Client = createClient({
    url: world.url.replace("http", "ws"),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${options.key ?? ADMIN_KEY}` },
    retryAttempts: 0,
  })
  client.subscribe<{ liveMetrics: Live }>(
    { query: document, variables: { id, after: options.after } },
    {
      next: ({ data, errors }) => {
        if (data) messages.push({ live: data.liveMetrics, arrived: performance.now() })
        for (const error of errors ?? []) codes.push(error.extensions?.code)
      },
      error: (error) => {
        if (Array.isArray(error)) for (const one of error) codes.push(one.extensions?.code)
        else codes.push((error as { code?: number }).code)
      },
      complete: () => {},
    },
  )
  const close = () => client.dispose()
  closers.push(close)
  return { messages, codes, close }
}

const watchSse = (id: string, after?: string) => {
  const messages: Array<Message> = []
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
      body: JSON.stringify({ query: document, variables: { id, after } }),
    })
    let text = ""
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString("utf8")
      const blocks = text.split("\n\n")
      text = blocks.pop() ?? ""
      for (const block of blocks) {
        const data = /^data: (.+)$/m.exec(block)?.[1]
        if (data !== undefined)
          messages.push({ live: JSON.parse(data).data.liveMetrics, arrived: performance.now() })
      }
    }
  })().catch(() => {})
  const close = async () => {
    ending.abort()
    await reading
  }
  closers.push(close)
  return { messages, close }
}

const poll = (what: () => unknown, timeout = 5_000) => expect.poll(what, { timeout, interval: 20 })

const nobodyWatches = () =>
  poll(() => world.queries.live.stats()).toEqual({ subscribers: 0, merchants: 0, feeds: 0 })

describe.each([
  ["graphql-ws", watchSocket],
  ["server-sent events", (id: string, options: { after?: string } = {}) => watchSse(id, options.after)],
])("liveMetrics over %s", (name, watch) => {
  const id = `shop-${name.slice(0, 3)}`

  it("gives the first message at once, then each change, and frees everything at the end", async () => {
    await world.send({ merchantId: id, clientId: "c-1", id: "first" })
    const second = await world.send({ merchantId: id, clientId: "c-2", id: "second" })
    await Effect.runPromise(world.queries.settled(second, 5_000))
    const began = performance.now()
    const { messages, close } = watch(id)
    await poll(() => messages.length, 2_000).toBeGreaterThan(0)
    expect(messages[0]!.arrived - began).toBeLessThan(1_500)
    expect(eventsOf(messages[0]!.live)).toBe(2)
    // Clients are folded apart: on a busy machine the first message does not wait for them.
    await poll(() => messages.at(-1)!.live.activeClients).toBe(2)
    expect(messages[0]!.live.lastMinutes).toHaveLength(30)
    expect(messages[0]!.live.lastMinutes.reduce((sum, { value }) => sum + value, 0)).toBe(2)
    expect(messages[0]!.live.latest.map((event) => [event.id, event.clientId])).toEqual([
      ["second", "c-2"],
      ["first", "c-1"],
    ])
    const sent = performance.now()
    await world.send({ merchantId: id, clientId: "c-3" })
    await poll(() => eventsOf(messages.at(-1)?.live)).toBe(3)
    expect(messages.at(-1)!.arrived - sent).toBeLessThan(2_000)
    await poll(() => messages.at(-1)!.live.activeClients).toBe(3)
    await close()
    await nobodyWatches()
  })

  it("sends at most one message a second, and the last one is the newest", async () => {
    const { messages, close } = watch(id)
    for (let sent = 0; sent < 40; sent++) {
      await world.send({ merchantId: id, clientId: `c-${sent}` })
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await poll(() => eventsOf(messages.at(-1)?.live)).toBe(43)
    await close()
    expect(messages.length).toBeGreaterThanOrEqual(3)
    for (let at = 1; at < messages.length; at++) {
      expect(messages[at]!.arrived - messages[at - 1]!.arrived).toBeGreaterThan(900)
    }
    const last = messages.at(-1)!.live
    expect(last.latest).toHaveLength(20)
    for (const { position } of last.latest)
      expect(BigInt(position)).toBeLessThanOrEqual(BigInt(last.position))
    await nobodyWatches()
  })

  it("comes back with `after`: the next `today` counts every event up to its position", async () => {
    for (let round = 0; round < 3; round++) {
      const before = watch(id)
      await poll(() => before.messages.length).toBeGreaterThan(0)
      await before.close()
      const count = eventsOf(before.messages.at(-1)!.live)!
      await world.send({ merchantId: id })
      const after = await world.send({ merchantId: id })
      const again = watch(id, { after })
      await poll(() => again.messages.length).toBeGreaterThan(0)
      await again.close()
      expect(BigInt(again.messages[0]!.live.position)).toBeGreaterThanOrEqual(BigInt(after))
      expect(eventsOf(again.messages[0]!.live)).toBe(count + 2)
    }
    await nobodyWatches()
  })
})

describe("liveMetrics", () => {
  it("counts a client down when it falls silent", async () => {
    const { messages, close } = watchSocket("fading")
    await world.send({ merchantId: "fading", clientId: "c-1" }).catch(() => {})
    await close()
    const again = watchSocket("fading")
    await world.send({ merchantId: "fading", clientId: "c-1" })
    await poll(() => again.messages.at(-1)?.live.activeClients).toBe(1)
    await poll(() => again.messages.at(-1)?.live.activeClients, 8_000).toBe(0)
    await again.close()
    expect(messages.length).toBeLessThanOrEqual(1)
  })

  it("refuses unknown merchants and another's alike, bad positions, and bad keys", async () => {
    const { createApiKey } = await world.ask(
      'mutation { createApiKey(input: { merchantId: "quiet" }) { key } }',
    )
    const codes = async (id: string, options: { after?: string; key?: string } = {}) => {
      const watching = watchSocket(id, options)
      await poll(() => watching.codes.length).toBeGreaterThan(0)
      await watching.close()
      return watching.codes
    }
    expect(await codes("nobody")).toEqual(["MERCHANT_UNKNOWN"])
    expect(await codes("fading", { key: createApiKey.key })).toEqual(["MERCHANT_UNKNOWN"])
    expect(await codes("quiet", { after: "x" })).toEqual(["INVALID_POSITION"])
    expect(await codes("quiet", { after: "99999999999" })).toEqual(["POSITION_UNKNOWN"])
    expect(await codes("quiet", { key: "wrong" })).toEqual([4401])
    const own = watchSocket("quiet", { key: createApiKey.key })
    await poll(() => own.messages.length).toBeGreaterThan(0)
    await own.close()
    await nobodyWatches()
  })

  it("a client that never reads holds one state, not a queue", { timeout: 30_000 }, async () => {
    const { port } = new URL(world.url)
    const body = JSON.stringify({ query: document, variables: { id: "quiet" } })
    const raw = connect(Number(port), "127.0.0.1")
    closers.push(() => raw.destroy())
    raw.pause()
    raw.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ADMIN_KEY}\r\naccept: text/event-stream\r\n` +
        `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
    await poll(() => world.queries.live.stats().subscribers).toBe(1)
    const beside = watchSocket("quiet")
    for (let sent = 0; sent < 20; sent++) {
      await world.send(...Array.from({ length: 100 }, () => ({ merchantId: "quiet", clientId: "c" })))
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await poll(() => eventsOf(beside.messages.at(-1)?.live)).toBe(2_001)
    await beside.close()
    raw.destroy()
    await nobodyWatches()
  })

  it("ends when the key is revoked", { timeout: 30_000 }, async () => {
    const { createApiKey } = await world.ask(
      'mutation { createApiKey(input: { merchantId: "quiet" }) { key keyId } }',
    )
    const watching = watchSocket("quiet", { key: createApiKey.key })
    await poll(() => watching.messages.length).toBeGreaterThan(0)
    await world.ask(
      'mutation ($keyId: ID!) { revokeApiKey(input: { merchantId: "quiet", keyId: $keyId }) { keyId } }',
      { keyId: createApiKey.keyId },
    )
    const sending = setInterval(() => world.send({ merchantId: "quiet" }), 500)
    closers.push(() => clearInterval(sending))
    await poll(() => watching.codes, 15_000).toEqual(["UNAUTHENTICATED"])
    clearInterval(sending)
    await watching.close()
    await nobodyWatches()
  })

  it("takes the key from the header too, and queries over the socket", async () => {
    const client = createClient({
      url: world.url.replace("http", "ws"),
      webSocketImpl: class extends WebSocket {
        constructor(url: string, protocol: string) {
          super(url, protocol, { headers: { authorization: `Bearer ${ADMIN_KEY}` } })
        }
      },
      retryAttempts: 0,
    })
    const results: Array<unknown> = []
    for await (const result of client.iterate({ query: '{ merchant(id: "quiet") { id } }' }))
      results.push(result)
    expect(results).toEqual([{ data: { merchant: { id: "quiet" } } }])
    await client.dispose()
  })

  it("a message past 256 KiB closes the socket with 1009", async () => {
    const socket = new WebSocket(world.url.replace("http", "ws"), "graphql-transport-ws")
    const code = await new Promise((resolve) => {
      socket.on("open", () => socket.send("x".repeat(300_000)))
      socket.on("close", resolve)
      socket.on("error", () => {})
    })
    expect(code).toBe(1009)
  })
})
