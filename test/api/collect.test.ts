import { createServer, type Server } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { deflateSync, gzipSync } from "node:zlib"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Principal } from "../../src/accounts/Access.js"
import { type CollectConfig, collectConfig } from "../../src/collect/CollectConfig.js"
import { type CollectHandler, makeCollectHandler } from "../../src/collect/Collector.js"
import type { Refusal } from "../../src/collect/Quarantine.js"
import { fromNumber } from "../../src/domain/Position.js"
import { until } from "../support/until.js"
import { MemoryRecorder } from "../unit/collect/MemoryRecorder.js"

const principals: Readonly<Record<string, Principal>> = {
  "Bearer admin": { _tag: "Administrator", keyId: "admin-key" },
  "Bearer own": { _tag: "Merchant", keyId: "own-key", merchantId: "own" },
}

let server: Server
let port: number
let handler: CollectHandler
let recorder: MemoryRecorder
let refusals: Refusal[]

const listen = async (config: Partial<CollectConfig> = {}): Promise<void> => {
  recorder = new MemoryRecorder()
  refusals = []
  handler = makeCollectHandler({
    recorder,
    access: {
      // One key is known at once, the other is looked up.
      principal: (header) => {
        const known = principals[header ?? ""]
        return header === "Bearer own" ? Promise.resolve(known) : known
      },
    },
    quarantine: { put: (more) => refusals.push(...more) },
    config: collectConfig(Buffer.from("secret"), config),
    onFault: (cause) => {
      throw cause
    },
  })
  server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  port = (server.address() as AddressInfo).port
}
const shutDown = async (): Promise<void> => {
  handler.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}
beforeEach(() => listen())
afterEach(shutDown)
const listenWith = async (config: Partial<CollectConfig>): Promise<void> => {
  await shutDown()
  await listen(config)
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into
  readonly body: any
}

const post = async (
  body: BodyInit | null,
  headers: Record<string, string> = {},
  method = "POST",
): Promise<Answer> => {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/events`, {
    method,
    headers: { Authorization: "Bearer admin", "Content-Type": "application/json", ...headers },
    body,
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: text === "" ? undefined : JSON.parse(text) }
}
const send = (value: unknown, headers?: Record<string, string>) => post(JSON.stringify(value), headers)
const event = (id: string, more: object = {}) => ({ id, type: "pageview", merchantId: "m-1", ...more })

/** Bytes written to a bare connection, and everything that comes back until it is closed. */
const raw = (parts: ReadonlyArray<string | Buffer>, closeEarly = false): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1")
    let text = ""
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1")
    })
    socket.on("close", () => resolve(text))
    socket.on("error", (error: NodeJS.ErrnoException) => (text === "" ? reject(error) : resolve(text)))
    for (const part of parts) socket.write(part)
    if (closeEarly) setTimeout(() => socket.destroy(), 50)
  })
const rawHead = (headers: string) =>
  `POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin\r\n${headers}\r\n\r\n`

describe("every form of a body", () => {
  const two = [event("1"), event("2")]
  const lines = `${two.map((one) => JSON.stringify(one)).join("\n\n")}\n`
  it.each<[string, BodyInit, Record<string, string>]>([
    ["an array", JSON.stringify(two), {}],
    ['{"events":[…]}', JSON.stringify({ events: two }), {}],
    ["NDJSON", lines, { "Content-Type": "application/x-ndjson; charset=utf-8" }],
    ["NDJSON that is not called so", lines, {}],
    ["gzip", gzipSync(JSON.stringify(two)), { "Content-Encoding": "gzip" }],
    [
      "gzip of NDJSON",
      gzipSync(lines),
      { "Content-Encoding": "GZIP", "Content-Type": "application/x-ndjson" },
    ],
    [
      "gzip in two members",
      Buffer.concat([gzipSync(`[${JSON.stringify(two[0])},`), gzipSync(`${JSON.stringify(two[1])}]`)]),
      { "Content-Encoding": "gzip" },
    ],
    ["no content type", new Blob([JSON.stringify(two)]), { "Content-Type": "" }],
  ])("%s", async (_, body, headers) => {
    const answer = await post(body, headers)
    expect(answer.body).toEqual({ accepted: 2, duplicates: 0, rejected: [], position: "2" })
    expect(answer.status).toBe(202)
    expect(recorder.events.map(({ data }) => data.id)).toEqual(["1", "2"])
  })

  it("one event, in pieces of unknown number", async () => {
    const text = await raw([
      rawHead("Transfer-Encoding: chunked\r\nConnection: close"),
      `5\r\n{"typ\r\n`,
      `1d\r\ne":"pageview","merchantId":"m\r\n2\r\n"}\r\n0\r\n\r\n`,
    ])
    expect(text).toContain("HTTP/1.1 202 Accepted")
    expect(text).toContain('{"accepted":1,"duplicates":0,"rejected":[],"position":"1"}')
  })
})

describe("what it accepts", () => {
  it("keeps 99 good events beside 1 bad one, and the bad one in quarantine", async () => {
    const events = Array.from({ length: 100 }, (_, index) =>
      index === 37 ? event(`${index}`, { type: "payment", amount: -1 }) : event(`${index}`),
    )
    const answer = await send(events)
    expect(answer.status).toBe(202)
    expect(answer.body).toMatchObject({ accepted: 99, duplicates: 0, position: "99" })
    expect(answer.body.rejected).toEqual([
      { index: 37, code: "NEGATIVE_AMOUNT", path: "amount", message: expect.any(String), retryable: false },
    ])
    expect(refusals).toMatchObject([
      { index: 37, code: "NEGATIVE_AMOUNT", merchantId: "m-1", keyId: "admin-key", event: events[37] },
    ])
    expect(handler.stats()).toMatchObject({
      accepted: 99,
      rejectedByCode: { NEGATIVE_AMOUNT: 1 },
      requestsByStatus: { 202: 1 },
      bytesInMemory: 0,
      requestsInFlight: 0,
    })
  })

  it("says what was there before", async () => {
    await send(event("1"))
    expect((await send([event("1"), event("2")])).body).toMatchObject({ accepted: 1, duplicates: 1 })
    expect((await send(event("1"))).status).toBe(202)
  })

  it("makes ids from the Idempotency-Key, so that repeating is safe", async () => {
    const body = [
      { type: "a", merchantId: "m" },
      { type: "b", merchantId: "m" },
    ]
    await send(body, { "Idempotency-Key": "k" })
    expect(recorder.events.map(({ data }) => data.id)).toEqual(["k:0", "k:1"])
    expect((await send(body, { "Idempotency-Key": "k" })).body.duplicates).toBe(2)
    expect((await send(body, { "Idempotency-Key": "k".repeat(191) })).body.error.code).toBe(
      "INVALID_IDEMPOTENCY_KEY",
    )
  })

  it("gives a random id to an event without one", async () => {
    await send([
      { type: "a", merchantId: "m" },
      { type: "a", merchantId: "m" },
    ])
    expect(new Set(recorder.events.map(({ data }) => data.id)).size).toBe(2)
  })

  it("tells the actors where it came from", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await send(event("1"), { traceparent })
    await send({ id: "2", type: "a" }, { Authorization: "Bearer own", traceparent: "no" })
    expect(recorder.origins).toEqual([
      { source: "api", key: "admin-key", mayCreateMerchants: true, traceparent },
      { source: "api", key: "own-key", mayCreateMerchants: false },
    ])
    expect(recorder.events[1]?.data.merchantId).toBe("own")
  })

  it("keeps indexes right when the actors refuse some as well", async () => {
    recorder.unknown.add("gone")
    const answer = await send([
      event("0", { merchantId: "gone" }),
      { id: "1" },
      event("2"),
      event("3", { merchantId: "gone" }),
      "x",
    ])
    expect(answer.status).toBe(202)
    expect(
      answer.body.rejected.map(({ index, code }: { index: number; code: string }) => [index, code]),
    ).toEqual([
      [0, "UNKNOWN_MERCHANT"],
      [1, "TYPE_REQUIRED"],
      [3, "UNKNOWN_MERCHANT"],
      [4, "INVALID_EVENT"],
    ])
    expect(refusals.map(({ index, event: kept }) => [index, kept])).toEqual([
      [0, event("0", { merchantId: "gone" })],
      [1, { id: "1" }],
      [3, event("3", { merchantId: "gone" })],
      [4, "x"],
    ])
  })

  it("rejects a line that is not JSON by its index, blank lines not counted", async () => {
    const answer = await post(`\n${JSON.stringify(event("1"))}\n\n{"id":\n${JSON.stringify(event("2"))}`, {
      "Content-Type": "application/x-ndjson",
    })
    expect(answer.body).toMatchObject({ accepted: 2, rejected: [{ index: 1, code: "INVALID_JSON" }] })
  })

  it("keeps the connection for the next request, refused or not", async () => {
    const one = JSON.stringify(event("1"))
    const request = rawHead(`Content-Length: ${one.length}`) + one
    const denied = `POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: ${one.length}\r\n\r\n${one}`
    const last = `${rawHead(`Connection: close\r\nContent-Length: ${one.length}`)}${one}`
    const statuses = (await raw([request + denied + request + last])).match(/HTTP\/1\.1 \d+/g)
    expect(statuses).toEqual([202, 401, 202, 202].map((status) => `HTTP/1.1 ${status}`))
  })
})

describe("what it refuses", () => {
  const payment = event("1", { type: "payment", amount: 1 })
  it.each<[string, unknown, string, string | undefined]>([
    ["a wrong type", event("1", { clientId: 7 }), "INVALID_CLIENT_ID", "clientId"],
    ["a negative amount", { ...payment, amount: -1 }, "NEGATIVE_AMOUNT", "amount"],
    ["an unknown currency", { ...payment, currency: "ZZZ" }, "UNKNOWN_CURRENCY", "currency"],
    [
      "a future timestamp",
      event("1", { timestamp: Date.now() + 3_600_000 }),
      "TIMESTAMP_IN_FUTURE",
      "timestamp",
    ],
    [
      "too large an event",
      event("1", { properties: { a: "x".repeat(65_536) } }),
      "EVENT_TOO_LARGE",
      undefined,
    ],
    ["what is no event", [7], "INVALID_EVENT", undefined],
  ])("%s", async (_, body, code, path) => {
    const answer = await send(body)
    expect(answer.status).toBe(400)
    expect(answer.body).toEqual({
      accepted: 0,
      duplicates: 0,
      rejected: [
        {
          index: 0,
          code,
          ...(path === undefined ? {} : { path }),
          message: expect.any(String),
          retryable: false,
        },
      ],
      position: null,
    })
    expect(recorder.calls).toBe(0)
    expect(refusals).toMatchObject([{ code, path, index: 0 }])
  })

  it.each<[string, BodyInit | null, Record<string, string>, number, string]>([
    ["bad JSON", '{"type":"a",}', {}, 400, "INVALID_JSON"],
    ["no body", null, {}, 400, "NO_EVENTS"],
    ["an empty list", '{"events":[]}', {}, 400, "NO_EVENTS"],
    ["a body that is a number", "7", {}, 400, "INVALID_BODY"],
    ["bytes that are not UTF-8", Buffer.from([0x22, 0xff, 0x22]), {}, 400, "INVALID_ENCODING"],
    ["gzip that is none", "[]", { "Content-Encoding": "gzip" }, 400, "INVALID_GZIP"],
    [
      "gzip that is cut off",
      gzipSync("[1,2,3]").subarray(0, 15),
      { "Content-Encoding": "gzip" },
      400,
      "INVALID_GZIP",
    ],
    ["another encoding", deflateSync("[]"), { "Content-Encoding": "deflate" }, 415, "UNSUPPORTED_ENCODING"],
    ["another type", "[]", { "Content-Type": "multipart/form-data; boundary=a" }, 415, "UNSUPPORTED_TYPE"],
    [
      "another charset",
      "[]",
      { "Content-Type": 'application/json; charset="utf-16"' },
      415,
      "UNSUPPORTED_TYPE",
    ],
    ["no key", "[]", { Authorization: "" }, 401, "UNAUTHENTICATED"],
    ["a wrong key", "[]", { Authorization: "Bearer x" }, 401, "UNAUTHENTICATED"],
    ["10,001 events", JSON.stringify(new Array(10_001).fill(event("1"))), {}, 413, "TOO_MANY_EVENTS"],
    ["10 MB", Buffer.alloc(10_000_000, 32), {}, 413, "BODY_TOO_LARGE"],
    [
      "a gzip bomb",
      gzipSync(Buffer.alloc(200_000_000, 32)),
      { "Content-Encoding": "gzip" },
      413,
      "BODY_TOO_LARGE",
    ],
  ])("%s", async (_, body, headers, status, code) => {
    const answer = await post(body, headers)
    expect([answer.status, answer.body]).toEqual([
      status,
      { error: { code, message: expect.any(String), retryable: false } },
    ])
    expect(recorder.calls).toBe(0)
    expect(handler.stats()).toMatchObject({
      bytesInMemory: 0,
      requestsInFlight: 0,
      requestsByStatus: { [status]: 1 },
    })
    if (status === 401) expect(answer.headers.get("WWW-Authenticate")).toMatch(/^Bearer/)
  })

  it("names the place of what is not JSON, and keeps the body's size without the body", async () => {
    const answer = await post('[\n  {"type":"a",}\n]')
    expect(answer.body.error.message).toContain("line 2, column 15")
    expect(refusals).toEqual([
      expect.objectContaining({ code: "INVALID_JSON", event: undefined, index: undefined, size: 19 }),
    ])
  })

  it("10,000 events are not too many", async () => {
    const events = Array.from({ length: 10_000 }, (_, index) => event(`${index}`))
    expect((await send(events)).body.accepted).toBe(10_000)
  })

  it("another merchant's events: the whole request, with nothing stored", async () => {
    const own = { Authorization: "Bearer own" }
    const answer = await send([{ id: "1", type: "a" }, event("2"), event("3")], own)
    expect(answer.status).toBe(403)
    expect(answer.body.error).toMatchObject({ code: "FORBIDDEN_MERCHANT", path: "merchantId", index: 1 })
    expect(recorder.calls).toBe(0)
    expect(refusals).toMatchObject([{ index: 1, merchantId: "own" }])
  })

  it("other methods, with what is allowed", async () => {
    for (const method of ["GET", "PUT", "DELETE"]) {
      const answer = await post(method === "GET" ? null : "{}", {}, method)
      expect([answer.status, answer.headers.get("Allow")]).toEqual([405, "POST, OPTIONS"])
    }
    const options = await post(null, {}, "OPTIONS")
    expect([options.status, options.headers.get("Allow")]).toEqual([204, "POST, OPTIONS"])
  })

  it("a body in pieces as soon as it is too large, and the sender sees why", async () => {
    const piece = `100000\r\n${" ".repeat(0x100000)}\r\n`
    const text = await raw([rawHead("Transfer-Encoding: chunked"), ...new Array(12).fill(piece), "0\r\n\r\n"])
    expect(text).toContain("HTTP/1.1 413 Payload Too Large")
    expect(text).toContain("Connection: close")
    expect(text).toContain("BODY_TOO_LARGE")
  })
})

describe("overload", () => {
  const cases = [
    [{ _tag: "Busy", scope: "merchant", retryAfterSeconds: 2.2 }, 429, "MERCHANT_BUSY", "3"],
    [{ _tag: "Busy", scope: "node", retryAfterSeconds: 0 }, 503, "NODE_BUSY", "1"],
    [{ _tag: "Unavailable", reason: "disk on fire", retryAfterSeconds: 5 }, 503, "LOG_UNAVAILABLE", "5"],
  ] as const
  it.each(cases)("%j", async (result, status, code, after) => {
    recorder.answers.push(result)
    const answer = await send([event("1"), { id: "bad" }])
    expect([answer.status, answer.headers.get("Retry-After")]).toEqual([status, after])
    expect(answer.body).toEqual({
      error: { code, message: expect.not.stringContaining("fire"), retryable: true },
    })
    // It will be sent again, and is looked at then.
    expect(refusals).toEqual([])
  })

  it("holds no more bytes of bodies than its budget, counts inflated ones, and gives them back", async () => {
    await listenWith({ memoryBudgetBytes: 100_000 })
    const padded = `${JSON.stringify(event("1"))}${" ".repeat(60_000)}`
    recorder.answers.push("silent")
    const held = post(padded).catch(() => "cut off")
    await until("the first is held", 5_000, () => recorder.calls === 1)
    expect(handler.stats().bytesInMemory).toBe(padded.length)
    const plain = await post(padded)
    expect([plain.status, plain.body.error.code]).toEqual([503, "NODE_BUSY"])
    const zipped = await post(gzipSync(padded), { "Content-Encoding": "gzip" })
    expect([zipped.status, zipped.headers.get("Retry-After")]).toEqual([503, "1"])
    expect((await send(event("2"))).status).toBe(202)
    expect(handler.stats().bytesInMemory).toBe(padded.length)
    server.closeAllConnections()
    await held
  })

  it("gives up a body that takes too long, and one whose sender has gone", async () => {
    await listenWith({ bodyTimeoutMs: 200 })
    const text = await raw([rawHead("Content-Length: 100"), "{"])
    expect(text).toContain("HTTP/1.1 408")
    expect(text).toContain("BODY_TIMEOUT")
    await raw([rawHead("Content-Length: 100"), "{"], true).catch(() => "")
    await until("nothing is held", 5_000, () => handler.stats().bytesInMemory === 0)
    expect(handler.stats().requestsInFlight).toBe(0)
  })

  it("answers a result even when the sender has gone", async () => {
    recorder.answers.push({ _tag: "Busy", scope: "node", retryAfterSeconds: 1 })
    const one = JSON.stringify(event("1"))
    const socket = connect(port, "127.0.0.1")
    socket.end(rawHead(`Content-Length: ${one.length}`) + one, () => socket.destroy())
    await until("it is through", 5_000, () => recorder.calls === 1 && handler.stats().requestsInFlight === 0)
    recorder.answers.push({ _tag: "Recorded", events: [{ _tag: "Accepted" }], position: fromNumber(1) })
    expect((await send(event("2"))).status).toBe(202)
  })
})
