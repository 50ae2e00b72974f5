import { spawn } from "node:child_process"
import { connect } from "node:net"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ADMIN_KEY, projectRoot, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

/** The real program: what is refused, what is stored beside it, and what an administrator sees of it. */
const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path)
beforeAll(async () => void (await tidemark.start()))
afterAll(async () => {
  await tidemark.stop()
  directory.remove()
})

const event = (id: string, more: object = {}) => ({
  id,
  type: "pageview",
  merchantId: "m-1",
  url: "/",
  ...more,
})
const payment = (more: object) => event("p", { type: "payment", amount: 1, ...more })
const post = (body: BodyInit, headers: Record<string, string> = {}) =>
  tidemark.request("POST", "/v1/events", {
    body,
    headers: { "content-type": "application/json", ...headers },
  })

const pageviews = async (merchantId: string, atLeast: string): Promise<number> => {
  const { status, headers, body } = await tidemark.request("POST", "/graphql", {
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      query: `query ($id: ID!, $at: Position, $from: DateTime!, $to: DateTime!) {
        merchant(id: $id) { totals(range: { from: $from, to: $to }, atLeast: $at) { values { metric value } } } }`,
      variables: {
        id: merchantId,
        at: atLeast,
        from: new Date(Date.now() - 86_400_000).toISOString(),
        to: new Date(Date.now() + 86_400_000).toISOString(),
      },
    }),
  })
  expect([status, headers.get("content-type"), body.errors]).toEqual([200, expect.any(String), undefined])
  const values: Array<{ metric: string; value: number }> = body.data.merchant.totals.values
  return values.find(({ metric }) => metric === "PAGEVIEWS")?.value ?? Number.NaN
}

describe("refused input of every kind gets its named error", () => {
  it.each<[string, string, number, string]>([
    ["bad JSON", '{"type":"pageview",}', 400, "INVALID_JSON"],
    ["10,001 events", JSON.stringify(new Array(10_001).fill(event("1"))), 413, "TOO_MANY_EVENTS"],
    ["10 MB", " ".repeat(10_000_000), 413, "BODY_TOO_LARGE"],
  ])("%s", async (_, body, status, code) => {
    const answer = await post(body)
    expect([answer.status, answer.body.error.code]).toEqual([status, code])
  })

  it("a gzip bomb", async () => {
    const answer = await post(gzipSync(Buffer.alloc(100_000_000, 32)), { "content-encoding": "gzip" })
    expect([answer.status, answer.body.error.code]).toEqual([413, "BODY_TOO_LARGE"])
  })

  it.each<[string, object, string, string]>([
    ["a wrong type", event("1", { properties: 7 }), "INVALID_PROPERTIES", "properties"],
    ["a negative amount", payment({ amount: -1 }), "NEGATIVE_AMOUNT", "amount"],
    ["an unknown currency", payment({ currency: "ZZZ" }), "UNKNOWN_CURRENCY", "currency"],
    [
      "a future timestamp",
      event("1", { timestamp: Date.now() + 3_600_000 }),
      "TIMESTAMP_IN_FUTURE",
      "timestamp",
    ],
  ])("%s", async (_, sent, code, path) => {
    const answer = await post(JSON.stringify(sent))
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({
      accepted: 0,
      duplicates: 0,
      rejected: [{ index: 0, code, path, retryable: false }],
    })
  })

  it("a body that never comes does not keep others from being served", async () => {
    const socket = connect(tidemark.port, "127.0.0.1")
    socket.on("error", () => {})
    socket.write(
      `POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${ADMIN_KEY}\r\nContent-Length: 9\r\n\r\n{`,
    )
    expect((await post(JSON.stringify(event("beside")))).status).toBe(202)
    socket.destroy()
  })
})

describe("99 good events beside 1 bad one", () => {
  it("are stored, and the bad one is in quarantine without personal data", async () => {
    const secret = { clientId: "client-secret", ip: "198.51.100.23", userAgent: "Agent/secret" }
    const events = Array.from({ length: 100 }, (_, index) =>
      event(`e-${index}`, {
        merchantId: "shop",
        ...secret,
        ...(index === 37 ? { url: "no url?token=client-secret" } : {}),
      }),
    )
    const answer = await post(JSON.stringify(events))
    expect(answer.status).toBe(202)
    expect(answer.body).toMatchObject({
      accepted: 99,
      duplicates: 0,
      rejected: [{ index: 37, code: "INVALID_URL", path: "url" }],
    })
    expect(await pageviews("shop", answer.body.position)).toBe(99)
    const again = await post(JSON.stringify(events))
    expect(again.body).toMatchObject({ accepted: 0, duplicates: 99, rejected: [{ index: 37 }] })
    expect(await pageviews("shop", again.body.position)).toBe(99)

    const ask = async () =>
      (
        await tidemark.request("POST", "/graphql", {
          headers: { "content-type": "application/json" },
          body: JSON.stringify({
            query:
              '{ quarantine(merchantId: "shop", first: 10) { entries { index code path keyId event } } }',
          }),
        })
      ).body
    await until("both are kept", 5_000, async () => (await ask()).data?.quarantine.entries.length === 2)
    const page = await ask()
    expect(page.data.quarantine.entries[0]).toMatchObject({ index: 37, code: "INVALID_URL", path: "url" })
    expect(page.data.quarantine.entries[0].event).toMatchObject({
      id: "e-37",
      clientId: "(string of 13 characters)",
    })
    expect(JSON.stringify(page)).not.toMatch(/secret|198\.51/)
  })
})

describe("tidemark loadgen", () => {
  const loadgen = (...more: ReadonlyArray<string>): Promise<{ code: number | null; output: string }> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [
        join(projectRoot, "bin", "tidemark.mjs"),
        "loadgen",
        ...["--url", tidemark.url, "--key", ADMIN_KEY, "--connections", "4", "--json", ...more],
      ])
      let output = ""
      child.stdout.on("data", (chunk) => {
        output += chunk
      })
      child.on("exit", (code) => resolve({ code, output }))
    })
  const small = ["--seed", "7", "--events", "505", "--batch", "50", "--clients", "50", "--requests", "0.1"]

  it("has everything accepted, and the same seed again is all duplicates", { timeout: 60_000 }, async () => {
    const first = await loadgen(...small)
    expect(JSON.parse(first.output)).toMatchObject({ sent: 505, accepted: 505, rejected: 0, lost: 0 })
    expect(first.code).toBe(0)
    const second = await loadgen(...small)
    expect(JSON.parse(second.output)).toMatchObject({ sent: 505, accepted: 0, duplicates: 505, lost: 0 })
  })

  it("exits with 1 and the reason when the server refuses", async () => {
    const { code, output } = await loadgen("--events", "4", "--key", "wrong")
    expect(code).toBe(1)
    expect(JSON.parse(output)).toMatchObject({
      accepted: 0,
      firstError: expect.stringContaining("UNAUTHENTICATED"),
    })
  })
})
