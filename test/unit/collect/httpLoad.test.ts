import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { HttpLoad, type LoadOptions } from "../../../src/cli/loadgen/HttpLoad.js"

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

/** Numbered events, against a server that does as told with the n-th request. */
const load = async (
  answer: (request: number, ids: string[], res: ServerResponse, req: IncomingMessage) => void,
  options: Partial<LoadOptions> = {},
) => {
  let requests = 0
  server = createServer((req, res) => {
    let text = ""
    req.on("data", (chunk) => {
      text += chunk
    })
    req.on("end", () => {
      const body = JSON.parse(text)
      answer(
        requests++,
        (Array.isArray(body) ? body : [body]).map(({ id }) => id),
        res,
        req,
      )
    })
  })
  const listening = server
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve))
  const source = {
    id: "",
    event() {
      source.id = String(Number(source.id) + 1)
      return `{"id":"${source.id}"}`
    },
  }
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const all = {
    url,
    key: "k",
    connections: 2,
    batch: 1,
    events: 10,
    retries: 3,
    longestWait: 0.01,
    ...options,
  }
  return new HttpLoad(all, source).run()
}

const accept = (res: ServerResponse, ids: string[], rejected: number[] = []): void => {
  const body = {
    accepted: ids.length - rejected.length,
    duplicates: 0,
    rejected: rejected.map((index) => ({ index })),
    position: "1",
  }
  res.statusCode = 202
  res.end(JSON.stringify(body))
}
const busy = (res: ServerResponse): void => {
  res.statusCode = 503
  res.setHeader("Retry-After", "1")
  res.end("{}")
}

describe("HttpLoad", () => {
  it("sends the events that were asked for, in batches, and hands over the ids that were taken", async () => {
    const acknowledged: string[] = []
    const result = await load((_, ids, res) => accept(res, ids, ids.includes("5") ? [1] : []), {
      batch: 4,
      events: 10,
      onAcknowledged: (ids) => acknowledged.push(...ids),
    })
    expect(result).toMatchObject({
      sent: 10,
      accepted: 9,
      rejected: 1,
      lost: 0,
      requests: 3,
      statuses: { 202: 3 },
    })
    expect(acknowledged.map(Number).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 7, 8, 9, 10])
  })

  it("repeats the same events after 503 and after a lost connection", async () => {
    const seen: string[] = []
    const result = await load(
      (request, ids, res, req) => {
        seen.push(...ids)
        if (request % 3 === 0) busy(res)
        else if (request % 3 === 1) req.socket.destroy()
        else accept(res, ids)
      },
      { retries: 50 },
    )
    expect(result).toMatchObject({ sent: 10, accepted: 10, lost: 0 })
    expect(result.connectionsLost).toBeGreaterThan(0)
    expect(result.statuses[503]).toBeGreaterThan(0)
    expect(new Set(seen).size).toBe(10)
  })

  it("counts as lost what was refused too often, and as rejected what repeating can't change", async () => {
    expect(await load((_, __, res) => busy(res), { events: 3 })).toMatchObject({
      lost: 3,
      accepted: 0,
      statuses: { 503: 12 },
    })
    const refused = await load((_, __, res) => {
      res.statusCode = 400
      res.setHeader("Connection", "close")
      res.end("why")
    })
    expect(refused).toMatchObject({ rejected: 10, lost: 0, firstError: "400 why" })
  })

  it("keeps to a rate", async () => {
    const result = await load((_, ids, res) => accept(res, ids), { events: 100, rate: 200, batch: 10 })
    // The last of ten batches is due after 450 ms.
    expect(result.seconds).toBeGreaterThan(0.44)
    expect(result.accepted).toBe(100)
  })

  it("counts latency from when a request was due, not from when a slow server let it be sent", async () => {
    const result = await load((_, ids, res) => void setTimeout(() => accept(res, ids), 50), {
      connections: 1,
      events: 10,
      rate: 1_000,
    })
    expect(result.latencyMs.max).toBeGreaterThan(400)
  })
})
