import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { type AccessLine, parseAccessLine, parseLogTime } from "../../../src/cli/import/AccessLog.js"
import { accessLogFormat, logClientId } from "../../../src/cli/import/accessLogFormat.js"
import { isStaticFile } from "../../../src/cli/import/staticFiles.js"
import { good } from "../collect/support.js"

const combined = (request: string, referrer = "-", agent = "Mozilla/5.0", status = 200): string =>
  `192.0.2.1 - - [17/May/2015:10:05:03 +0000] "${request}" ${status} 2326 "${referrer}" "${agent}"`

const bytes = (line: string): Buffer => Buffer.from(line, "utf8")

const parsed = (line: string | Buffer): AccessLine => {
  const result = parseAccessLine(typeof line === "string" ? bytes(line) : line)
  if (typeof result === "string") throw new Error(result)
  return result
}

describe("a line of an access log", () => {
  it("is read in combined log format", () => {
    expect(parsed(combined("GET /a?b=c HTTP/1.1", "http://x.example/", "Agent/1"))).toEqual({
      host: "192.0.2.1",
      at: Date.UTC(2015, 4, 17, 10, 5, 3),
      method: "GET",
      target: "/a?b=c",
      status: 200,
      referrer: "http://x.example/",
      agent: "Agent/1",
      agentBytes: bytes("Agent/1"),
    })
  })

  it("is read in common log format, without referrer and agent", () => {
    expect(parsed('::1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 -')).toEqual({
      host: "::1",
      at: Date.UTC(2000, 9, 10, 20, 55, 36),
      method: "GET",
      target: "/a",
      status: 200,
      agentBytes: Buffer.alloc(0),
    })
  })

  it("may have a user name with spaces, and more fields at its end", () => {
    const line = `${combined("GET / HTTP/2.0").replace("- - [", "- Frank N. Stein [")} "x" 0.01`
    expect(parsed(line)).toMatchObject({ target: "/", agent: "Mozilla/5.0" })
  })

  it("takes - for missing", () => {
    const line = parsed(combined("-", "-", "-"))
    for (const name of ["method", "target", "referrer", "agent"]) expect(line).not.toHaveProperty(name)
  })

  it("resolves escapes of quoted fields: quotes, backslashes, bytes, line breaks", () => {
    const line = parsed(
      combined("GET /\\xe3\\x81\\x82 HTTP/1.1", 'http://x.example/?q=\\"a\\"', "a\\\\b\\tc\\\\"),
    )
    expect(line.target).toBe("/あ")
    expect(line.referrer).toBe('http://x.example/?q="a"')
    expect(line.agent).toBe("a\\b\tc\\")
  })

  it("holds UTF-8 as it is", () => {
    expect(parsed(combined("GET /日本 HTTP/1.1")).target).toBe("/日本")
  })

  it("tells agents apart that differ in bytes which are not UTF-8", () => {
    const [a, b] = ["\\xe4", "\\xe5"].map((byte) => parsed(combined("GET / HTTP/1.1", "-", byte)))
    expect(a?.agent).toBe(b?.agent)
    expect(logClientId("h", a?.agentBytes as Buffer)).not.toBe(logClientId("h", b?.agentBytes as Buffer))
  })

  it.each([
    ["GET / HTTP/1.1", "GET", "/"],
    ["GET /with space HTTP/1.1", "GET", "/with space"],
    ["OPTIONS * HTTP/1.0", "OPTIONS", "*"],
    ["CONNECT example.com:443 HTTP/1.1", "CONNECT", "example.com:443"],
    ["GET http://shop.example/x HTTP/1.1", "GET", "http://shop.example/x"],
    ["GET /old", "GET", "/old"],
    ["PRI * HTTP/2.0", "PRI", "*"],
  ])("has method and target of the request %s", (request, method, target) => {
    expect(parsed(combined(request))).toMatchObject({ method, target })
  })

  it.each(["", "-", "\\x16\\x03\\x01", "hello world", "GET", "SSH-2.0-Go"])(
    "has neither of the broken request %j",
    (request) => expect(parsed(combined(request)).method).toBeUndefined(),
  )

  it.each([
    ["", /not in common or combined/],
    ["hello", /not in common or combined/],
    [combined("GET / HTTP/1.1").replace("[17", "[32"), /time is not one/],
    [combined("GET / HTTP/1.1").replace("May", "Mai"), /time is not one/],
    ['192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1', /request is not closed/],
    ['192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /\\" 200 1', /request is not closed/],
    ['192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" OK 1', /no status and size/],
    ['192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "http://x', /referrer is not closed/],
    ['192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-"', /no quoted user agent/],
    [combined("GET / HTTP/1.1").slice(0, -1), /user agent is not closed/],
    [`${combined("GET / HTTP/1.1")}x`, /sticks to its user agent/],
  ])("says why it can't be read: %s", (line, why) => {
    expect(parseAccessLine(bytes(line))).toMatch(why)
  })

  it("of 1 MB of quotes and backslashes is read in time that grows with its length only", () => {
    const began = performance.now()
    for (const text of [
      '\\"'.repeat(250_000),
      "\\".repeat(500_001),
      '"'.repeat(500_000),
      "[ ".repeat(250_000),
    ])
      for (const line of [combined(text), text, combined("GET / HTTP/1.1", text)])
        parseAccessLine(bytes(line))
    expect(performance.now() - began).toBeLessThan(10_000)
  })
})

describe("the time of a line", () => {
  it.each([
    ["17/May/2015:10:05:03 +0000", "2015-05-17T10:05:03Z"],
    ["01/Jan/2024:00:30:00 +0900", "2023-12-31T15:30:00Z"],
    ["31/Dec/2023:23:30:00 -0330", "2024-01-01T03:00:00Z"],
    ["29/Feb/2024:12:00:00 +0545", "2024-02-29T06:15:00Z"],
  ])("counts its offset: %s is %s", (text, iso) => expect(parseLogTime(text)).toBe(Date.parse(iso)))

  it.each([
    "29/Feb/2023:12:00:00 +0000",
    "31/Apr/2024:12:00:00 +0000",
    "01/Jan/2024:24:00:00 +0000",
    "01/Jan/2024:00:00:00",
    "2024-01-01T00:00:00Z",
  ])("is not guessed from %s", (text) => expect(parseLogTime(text)).toBeUndefined())
})

describe("what an access log's line gives", () => {
  const format = accessLogFormat({ merchantId: "shop", source: "access.log" })
  const give = (line: string, offset = 0) => {
    const converted = format.convert({ offset, line: 1, bytes: bytes(line) })
    if ("problem" in converted) throw new Error(converted.problem)
    return { events: converted.events.map(({ json }) => JSON.parse(json)), notes: converted.notes }
  }

  it("is a request, and a page view of the same client when a page was got", () => {
    const { events, notes } = give(combined("GET /a?b=c HTTP/1.1", "http://x.example/", "Agent/1"), 325)
    const hash = createHash("sha256").update("192.0.2.1\0Agent/1").digest("base64url")
    const visitor = {
      merchantId: "shop",
      clientId: `log-${hash.slice(0, 22)}`,
      timestamp: Date.UTC(2015, 4, 17, 10, 5, 3),
      url: "/a?b=c",
      ip: "192.0.2.1",
      userAgent: "Agent/1",
    }
    expect(events).toEqual([
      { id: "access.log:325:request", type: "request", method: "GET", ...visitor },
      { id: "access.log:325", type: "pageview", referrer: "http://x.example/", ...visitor },
    ])
    expect(notes).toEqual([])
  })

  it("is of the same client after the byte order mark that a file may begin with", () => {
    const line = combined("GET /a HTTP/1.1")
    expect(give(`\ufeff${line}`)).toEqual(give(line))
  })

  it.each([
    ["GET / HTTP/1.1", 200, 2],
    ["GET /a.html HTTP/1.1", 304, 2],
    ["GET /a.html HTTP/1.1", 206, 2],
    ["GET http://shop.example/a.php?x=1.css HTTP/1.1", 200, 2],
    ["GET /a.css?v=2 HTTP/1.1", 200, 1],
    ["GET /a HTTP/1.1", 301, 1],
    ["GET /a HTTP/1.1", 404, 1],
    ["GET /a HTTP/1.1", 500, 1],
    ["HEAD /a HTTP/1.1", 200, 1],
    ["POST /a HTTP/1.1", 200, 1],
    ["OPTIONS * HTTP/1.0", 200, 1],
    ["-", 408, 1],
    ["-", 200, 1],
  ])("is a page view only when a GET of a page succeeded: %s, %d", (request, status, events) => {
    expect(give(combined(request, "-", "a", status)).events).toHaveLength(events)
  })

  it.each([2_047, 2_048, 3_000, 70_000])(
    "is a page view however long its path is: %d characters",
    (length) => {
      const path = `/${"x".repeat(length - 1)}`
      const { events } = give(combined(`GET ${path}?q=1 HTTP/1.1`, "-", "a"))
      for (const event of events) good(event)
      const url = length > 2_048 ? path.slice(0, 2_048) : `${path}?q=1`
      expect(events).toMatchObject([
        { type: "request", url },
        { type: "pageview", url },
      ])
    },
  )

  it("is always something that collection takes, with what can't be taken left out and counted", () => {
    const lines = [
      combined("GET /a HTTP/1.1", "not a url", "a"),
      combined("GET /a HTTP/1.1", "http://\\xe4\\xe5.\\xf0\\xf4/", "a"),
      combined(`GET /${"x".repeat(3_000)} HTTP/1.1`, "-", "a".repeat(100_000)),
      combined("GET /\\x00 HTTP/1.1", "-", "\\x00"),
      combined("garbage", "-", "-"),
      combined("GET /a HTTP/1.1").replace("192.0.2.1", "host.example"),
      combined("GET /a HTTP/1.1").replace("192.0.2.1", "-"),
    ]
    const notes = lines.flatMap((line) => {
      const given = give(line)
      for (const event of given.events) good(event)
      return given.notes
    })
    expect(notes).toEqual([
      "referrers that are no URL, left out",
      "referrers that are no URL, left out",
      "paths of more than 2048 characters, cut",
      "requests for something without a path, or with one that can't be taken, kept without it",
      "requests that are not HTTP, kept without method and path",
      "clients written as a name, kept without address",
    ])
  })
})

describe("a static file", () => {
  it.each(["/a.css", "/b/c.JPG", "/robots.txt", "/x.tar.gz", "/fonts/a.woff2", "/doc.pdf", "/.htaccess.zip"])(
    "is %s",
    (path) => expect(isStaticFile(path)).toBe(true),
  )
  it.each([
    "/",
    "/a",
    "/a.html",
    "/a.xhtml",
    "/a.php",
    "/a.css/",
    "/v1.2/about",
    "/css",
    "/a.aspx",
    "/photo.jpg/comments",
  ])("is not %s", (path) => expect(isStaticFile(path)).toBe(false))
})
