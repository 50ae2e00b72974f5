import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import {
  EventSender,
  Interrupted,
  ServerOutOfReach,
  ServerRefused,
} from "../../../src/cli/client/EventSender.js"
import { accessLogFormat } from "../../../src/cli/import/accessLogFormat.js"
import { csvFormat } from "../../../src/cli/import/csvFormat.js"
import { Importer } from "../../../src/cli/import/Importer.js"
import { parseMapping } from "../../../src/cli/import/Mapping.js"
import type { Report } from "../../../src/cli/import/Round.js"
import { noCounts } from "../../../src/cli/import/State.js"
import { until } from "../../support/until.js"

type Reply = (body: string, req: IncomingMessage, res: ServerResponse) => void

const took = (body: string, res: ServerResponse, rejected: ReadonlyArray<object> = []): void => {
  const accepted = body.split("\n").length - rejected.length
  res.writeHead(202).end(JSON.stringify({ accepted, duplicates: 0, rejected, position: "1" }))
}

/** A server whose answers the test says, in turn; the last one is repeated. */
const serverThat = async (...replies: ReadonlyArray<Reply>) => {
  const bodies: string[] = []
  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on("data", (chunk: Buffer) => chunks.push(chunk))
    req.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8")
      bodies.push(body)
      const reply = replies[Math.min(bodies.length, replies.length) - 1] as Reply
      reply(body, req, res)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
  return { url: `http://127.0.0.1:${port}`, bodies, close }
}

const open: Array<{ readonly close: () => unknown }> = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const connect = async (replies: ReadonlyArray<Reply>, patienceMs = 10_000) => {
  const server = await serverThat(...replies)
  const stopping = new AbortController()
  const troubles: string[] = []
  const sender = new EventSender({
    ...{ url: server.url, key: "KEY", patienceMs, signal: stopping.signal },
    onTrouble: (what) => troubles.push(what),
  })
  open.push(sender, server)
  return { sender, server, troubles, stop: () => stopping.abort() }
}

const refusal = (status: number, headers: Record<string, string> = {}): Reply => {
  const error = { code: "MERCHANT_BUSY", message: "More waits than is taken." }
  return (_, __, res) => res.writeHead(status, headers).end(JSON.stringify({ error }))
}

describe("sending events", () => {
  it("sends NDJSON with the key and answers what became of the events", async () => {
    const heads: Array<Record<string, unknown>> = []
    const rejected = [{ index: 1, code: "INVALID_IP", message: "no" }]
    const { sender, server } = await connect([
      (body, req, res) => {
        heads.push(req.headers)
        took(body, res, rejected)
      },
    ])
    expect(await sender.send(['{"a":1}', '{"b":"ü"}'])).toMatchObject({ accepted: 1, rejected })
    expect(server.bodies).toEqual(['{"a":1}\n{"b":"ü"}'])
    expect(heads[0]).toMatchObject({ authorization: "Bearer KEY", "content-type": "application/x-ndjson" })
  })

  it.each([429, 503])(
    "after %d repeats the same request, not before the time that was asked for",
    async (status) => {
      const { sender, server, troubles } = await connect([
        refusal(status, { "retry-after": "1" }),
        refusal(status, { "retry-after": "1" }),
        (body, _, res) => took(body, res),
      ])
      const began = performance.now()
      await sender.send(["{}"])
      expect(performance.now() - began).toBeGreaterThan(1_950)
      expect(server.bodies).toEqual(["{}", "{}", "{}"])
      expect(troubles).toEqual([`${status} MERCHANT_BUSY: More waits than is taken.`])
    },
  )

  it("repeats a request whose connection was lost, before or within the answer", async () => {
    const { sender, server, troubles } = await connect([
      (_, req) => req.socket.destroy(),
      (_, req, res) => {
        res.writeHead(202, { "content-length": "100" })
        res.write("{", () => req.socket.destroy())
      },
      (body, _, res) => took(body, res),
    ])
    expect(await sender.send(["{}"])).toMatchObject({ accepted: 1 })
    expect(server.bodies).toHaveLength(3)
    expect(troubles).toHaveLength(1)
  })

  it("counts events that were refused all", async () => {
    const rejected = [{ index: 0, code: "INVALID_IP", message: "no" }]
    const { sender } = await connect([
      (_, __, res) =>
        res.writeHead(400).end(JSON.stringify({ accepted: 0, duplicates: 0, rejected, position: null })),
    ])
    expect(await sender.send(["{}"])).toMatchObject({ accepted: 0, rejected })
  })

  it.each([401, 403, 413])("does not repeat what %d refuses", async (status) => {
    const { sender, server } = await connect([refusal(status)])
    await expect(sender.send(["{}"])).rejects.toThrow(ServerRefused)
    expect(server.bodies).toHaveLength(1)
  })

  it("gives up when its patience ends, and says so", async () => {
    const { sender } = await connect([(_, req) => req.socket.destroy()], 400)
    await expect(sender.send(["{}"])).rejects.toThrow(ServerOutOfReach)
  })

  it("ends waiting at once when it is interrupted", async () => {
    const { sender, stop, troubles } = await connect([refusal(503, { "retry-after": "9" })])
    const sending = sender.send(["{}"])
    const ended = expect(sending).rejects.toThrow(Interrupted)
    await until("it waits", 5_000, () => troubles.length > 0)
    const began = performance.now()
    stop()
    await ended
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})

describe("an import", () => {
  const run = (
    sender: Pick<EventSender, "send">,
    content: string,
    format = accessLogFormat({ merchantId: "m", source: "s" }),
    signal = new AbortController().signal,
  ) => {
    const reports: Report[] = []
    const chunks = async function* () {
      for (let at = 0; at < content.length; at += 10_000) yield Buffer.from(content.slice(at, at + 10_000))
    }
    const importer = new Importer({
      ...{ format, sender, signal, chunks: chunks() },
      from: { place: { offset: 0, line: 1 }, counts: noCounts },
      onCheckpoint: () => {},
      onReport: (report) => reports.push(report),
    })
    return importer.start().then((end) => ({ ...end, reports }))
  }

  const line = (path: string) =>
    `192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET ${path} HTTP/1.1" 200 1 "-" "a"\n`

  it("names the line of an event that the server refuses, and of one that can't be read", async () => {
    const bad = { index: 3, code: "TIMESTAMP_IN_FUTURE", message: "too early" }
    const { sender } = await connect([(body, _, res) => took(body, res, [bad])])
    const end = await run(sender, `${line("/a")}broken\n${line("/b.css")}${line("/c.css")}`)
    expect(end.reports).toEqual([
      { line: 2, offset: line("/a").length, reason: "it is not in common or combined log format" },
      {
        line: 4,
        offset: (line("/a") + line("/b.css")).length + 7,
        reason: "TIMESTAMP_IN_FUTURE: too early",
      },
    ])
    expect(end).toMatchObject({
      interrupted: false,
      counts: { records: 4, sent: 4, accepted: 3, rejected: 1, unreadable: 1 },
    })
  })

  it("keeps the order of each merchant's events, whatever has to be repeated", async () => {
    const rows = Array.from({ length: 12_000 }, (_, at) => `m-${at % 7},${at}`)
    const mapping = parseMapping(
      ["merchantId=m", "pointsUsed=n"],
      ["type=x", "timestamp=2026-01-01T00:00:00Z"],
    )
    const seen = new Map<string, number[]>()
    let turn = 0
    const { sender } = await connect([
      (body, req, res) => {
        turn += 1
        if (turn % 3 === 0) refusal(429, { "retry-after": "0" })(body, req, res)
        else if (turn % 5 === 0) req.socket.destroy()
        else {
          for (const text of body.split("\n")) {
            const { merchantId, pointsUsed } = JSON.parse(text)
            seen.set(merchantId, [...(seen.get(merchantId) ?? []), pointsUsed])
          }
          took(body, res)
        }
      },
    ])
    const format = csvFormat({ mapping, source: "s", delimiter: "," })
    const end = await run(sender, `m,n\n${rows.join("\n")}`, format)
    expect(end.counts).toMatchObject({ records: 12_000, accepted: 12_000 })
    for (const [merchant, numbers] of seen) {
      const first = Number(merchant.slice(2))
      expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => first + at * 7))
    }
    expect(seen.size).toBe(7)
  })

  it("says how far everything is done when it is interrupted, and goes on exactly there", async () => {
    const content = Array.from({ length: 9_000 }, (_, at) => line(`/${at}`)).join("")
    const stopping = new AbortController()
    const sent: string[] = []
    const sender = {
      send: async (events: ReadonlyArray<string>) => {
        sent.push(...events)
        if (sent.length > 3_000) stopping.abort()
        return { accepted: events.length, duplicates: 0, rejected: [] }
      },
    }
    const end = await run(sender, content, undefined, stopping.signal)
    expect(end.interrupted).toBe(true)
    expect(end.place.offset).toBeGreaterThan(0)
    expect(end.place.offset).toBeLessThan(content.length)
    const before = content.slice(0, end.place.offset)
    expect(before.endsWith("\n")).toBe(true)
    expect(end.place.line).toBe(before.split("\n").length)
    expect(end.counts).toMatchObject({
      records: end.place.line - 1,
      sent: sent.length,
      accepted: sent.length,
    })
  })

  it("fails with the server's refusal, and knows what was done before", async () => {
    const { sender } = await connect([(body, _, res) => took(body, res), refusal(401)])
    const content = Array.from({ length: 5_000 }, (_, at) => line(`/${at}`)).join("")
    const importer = new Importer({
      format: accessLogFormat({ merchantId: "m", source: "s" }),
      ...{ sender, signal: new AbortController().signal },
      chunks: (async function* () {
        yield Buffer.from(content)
      })(),
      from: { place: { offset: 0, line: 1 }, counts: noCounts },
      ...{ onCheckpoint: () => {}, onReport: () => {} },
    })
    await expect(importer.start()).rejects.toThrow(ServerRefused)
    expect(importer.checkpoint).toMatchObject({
      counts: { sent: 2_500, accepted: 2_500 },
      place: { line: 1_251 },
    })
  })
})
