import { createServer } from "node:http"
import { type AddressInfo, connect } from "node:net"
import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import WebSocket from "ws"
import { makeGraphqlServer, type Services } from "../../src/graphql/Server.js"

const MESSAGE = 100_000

/** Live numbers as fast as they are taken: what a thousand merchants in one stream would be. */
const endless = () => {
  let taken = 0
  let ended = false
  const source: AsyncIterableIterator<unknown> = {
    next: () => {
      taken++
      const value = { merchantId: "x".repeat(MESSAGE), position: String(taken) }
      // A turn of the event loop for each, as whatever makes numbers takes one.
      return new Promise((resolve) =>
        setImmediate(() => resolve(ended ? { done: true, value: undefined } : { done: false, value })),
      )
    },
    return: () => {
      ended = true
      return Promise.resolve({ done: true, value: undefined })
    },
    [Symbol.asyncIterator]: () => source,
  }
  return { source, taken: () => taken, ended: () => ended }
}

const query = 'subscription { liveMetrics(merchantId: "m") { merchantId position } }'
const settle = async (taken: () => number): Promise<number> => {
  let before = -1
  await expect
    .poll(
      () => {
        const same = taken() > 0 && taken() === before
        before = taken()
        return same
      },
      { timeout: 20_000, interval: 500 },
    )
    .toBe(true)
  return taken()
}

it.each(["server-sent events", "graphql-ws"])(
  "a client that never reads stops its stream over %s instead of filling memory",
  { timeout: 60_000 },
  async (transport) => {
    const live = endless()
    const services = {
      access: { principal: () => ({ _tag: "Administrator", keyId: "a" }) },
      queries: { live: { watch: () => Effect.succeed(live.source) } },
    } as unknown as Services
    const graphql = makeGraphqlServer(services, { development: false })
    const server = createServer(graphql.handleHttp).on("upgrade", graphql.handleUpgrade)
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    let leave: () => void
    if (transport === "graphql-ws") {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, "graphql-transport-ws")
      socket.on("open", () => socket.send('{"type":"connection_init"}'))
      socket.once("message", () => {
        socket.pause()
        socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query } }))
      })
      leave = () => socket.terminate()
    } else {
      const socket = connect(port, "127.0.0.1").pause()
      const body = JSON.stringify({ query })
      socket.write(
        `POST /graphql HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      )
      leave = () => socket.destroy()
    }
    // What the kernel holds on both sides is all that is taken, a few MB of it.
    expect((await settle(live.taken)) * MESSAGE).toBeLessThan(40_000_000)
    leave()
    await expect.poll(live.ended, { timeout: 5_000 }).toBe(true)
    await graphql.close()
    server.closeAllConnections()
    server.close()
  },
)
