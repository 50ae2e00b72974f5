import { connect } from "node:net"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { CannotListen, type Listening, listen, sendJson } from "../../src/runtime/HttpServer.js"

const scope = Effect.runSync(Scope.make())
let listening: Listening

beforeAll(async () => {
  listening = await Effect.runPromise(
    listen({
      host: "127.0.0.1",
      port: 0,
      routes: {
        handlers: {
          "/here": (_, res) => sendJson(res, 200, { ok: true }),
          "/length": (req, res) => {
            let length = 0
            req.on("data", (chunk: Buffer) => {
              length += chunk.length
            })
            req.on("end", () => sendJson(res, 200, { method: req.method, length }))
          },
        },
        upgrade: (_, socket) => socket.destroy(),
      },
    }).pipe(Scope.extend(scope)),
  )
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** Everything that the server says to these requests, each sent after an answer to the one before, until it closes. */
const say = (...texts: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = ""
    const waiting = [...texts]
    const next = () => socket.write(waiting.shift() ?? "")
    const socket = connect(listening.port, "127.0.0.1", next)
    socket.setEncoding("utf8")
    socket.on("data", (data) => {
      answer += data
      if (waiting.length > 0) next()
    })
    socket.on("close", () => resolve(answer))
    socket.on("error", reject)
  })

describe("the HTTP server", () => {
  it("says what it has when nothing is found", async () => {
    const answer = await fetch(`http://127.0.0.1:${listening.port}/nowhere?x=1`)
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({
      error: { code: "NOT_FOUND", message: expect.stringContaining("/here") },
    })
  })

  it("takes the whole address, as proxies send it, for its path", async () => {
    for (const target of ["/here", "http://any.example/here", "http://any.example/here?x=1"]) {
      expect(await say(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).toMatch(/ 200 /)
    }
  })

  it("answers slow headers with REQUEST_TIMEOUT", { timeout: 20_000 }, async () => {
    const answer = await say("GET /here HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toContain("REQUEST_TIMEOUT")
  })

  it("answers oversized headers with HEADERS_TOO_LARGE, and nonsense with BAD_REQUEST", async () => {
    const large = await say(`GET /here HTTP/1.1\r\nHost: x\r\nX-Large: ${"x".repeat(20_000)}\r\n\r\n`)
    expect(large).toMatch(/^HTTP\/1\.1 431 .*HEADERS_TOO_LARGE/s)
    expect(await say("nonsense\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 .*BAD_REQUEST/s)
  })

  it("answers a request that offers another protocol as what it is, and the next on its connection", async () => {
    const offer = "Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    const post = `POST /length HTTP/1.1\r\nHost: x\r\nConnection: ${offer}`
    const large = `${post}Content-Length: 300000\r\n\r\n${"x".repeat(300_000)}`
    const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
    const last = `GET /here HTTP/1.1\r\nHost: x\r\nConnection: close, ${offer}\r\n`
    const bodies = (await say(large, chunked, last)).match(/\{.*?\}/g)
    expect(bodies).toEqual([
      '{"method":"POST","length":300000}',
      '{"method":"POST","length":3}',
      '{"ok":true}',
    ])
  })

  it("names the port that is in use", async () => {
    const second = listen({
      host: "127.0.0.1",
      port: listening.port,
      routes: { handlers: {}, upgrade: () => {} },
    })
    const error = await Effect.runPromise(Effect.flip(Effect.scoped(second)))
    expect(error).toBeInstanceOf(CannotListen)
    expect(error.message).toContain(`port ${listening.port}`)
  })
})
