import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { clientKey } from "../../../src/domain/Ids.js"
import { bad, good, NOW, parse, secret } from "./support.js"

const base = { id: "e-1", type: "pageview", merchantId: "m-1" }
const payment = { ...base, type: "payment", amount: 1250 }

describe("a good event", () => {
  it("keeps coarse attributes only, and what is personal in the profile", () => {
    const userAgent =
      "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
    const event = good({
      ...payment,
      clientId: "c-9",
      timestamp: NOW - 1_000,
      currency: "USD",
      paymentMethod: "card",
      pointsUsed: 0,
      pointsEarned: 12,
      url: "https://user:word@shop.example/checkout?email=a@b.example&utm_source=news#top",
      referrer: "https://Search.example/find?q=secret",
      ip: "203.0.113.7",
      method: "get",
      userAgent,
      user: { grade: "gold", gender: "f", birthYear: 1990, country: "jp", email: "a@b.example" },
      properties: { sku: "A-1" },
      campaign: 7,
    })
    expect(event).toEqual({
      type: "payment",
      at: NOW - 1_000,
      data: {
        id: "e-1",
        merchantId: "m-1",
        clientKey: clientKey(secret, "m-1", "c-9"),
        amount: 1250,
        currency: "USD",
        paymentMethod: "card",
        pointsUsed: 0,
        pointsEarned: 12,
        path: "/checkout",
        utm: { utm_source: "news" },
        referrer: "search.example",
        method: "GET",
        browser: "Safari",
        os: "iOS",
        device: "mobile",
        grade: "gold",
        gender: "f",
        ageBand: "35-44",
        country: "JP",
        properties: { sku: "A-1", campaign: 7 },
      },
      profile: { clientId: "c-9", ip: "203.0.113.7", userAgent },
    })
    const stored = JSON.stringify(event.data)
    for (const personal of ["c-9", "203.0.113", "Mozilla", "a@b.example", "word", "1990"]) {
      expect(stored).not.toContain(personal)
    }
  })

  it("needs no more than a type and a merchant", () => {
    expect(good({ type: "a", merchantId: "m" })).toEqual({
      type: "a",
      at: NOW,
      data: { id: "random", merchantId: "m" },
    })
  })

  it("takes null for an optional field as missing", () => {
    const names = ["id", "clientId", "timestamp", "amount", "currency", "paymentMethod", "pointsUsed"]
    const more = ["pointsEarned", "url", "referrer", "ip", "method", "userAgent", "user", "properties"]
    const nulls = Object.fromEntries([...names, ...more].map((name) => [name, null]))
    expect(good({ ...nulls, type: "a", merchantId: "m" })).toEqual(good({ type: "a", merchantId: "m" }))
  })

  it("gets the merchant of its key, and an id from the Idempotency-Key", () => {
    const { data } = good({ type: "a" }, { merchantId: "own", idempotencyKey: "k" })
    expect(data).toEqual({ id: "k:0", merchantId: "own" })
  })

  it("of type request keeps its network, and needs no merchant with an administrator's key", () => {
    const event = good({ type: "request", ip: "203.0.113.7", userAgent: "curl/8.5", url: "/a?b=c" })
    expect(event.data).toMatchObject({ merchantId: "_system", address: "203.0.113.0", path: "/a" })
    expect(event.data.browser).toBeUndefined()
    expect(good({ ...base, ip: "203.0.113.7" }).data.address).toBeUndefined()
  })

  it("takes a timestamp as number or ISO 8601, any past, and up to 5 minutes ahead", () => {
    const at = (timestamp: unknown) => good({ ...base, timestamp }).at
    expect(at("2026-11-20T18:40:00Z")).toBe(NOW)
    expect(at("2026-11-21T03:40:00.1239+09:00")).toBe(NOW + 123)
    expect(at("2026-11-20T18:40-0000")).toBe(NOW)
    expect(at("1850-01-01T00:00:00Z")).toBe(Date.parse("1850-01-01T00:00:00Z"))
    expect(at("0050-01-01T00:00:00Z")).toBe(Date.parse("0050-01-01T00:00:00Z"))
    expect(at(NOW + 300_000)).toBe(NOW + 300_000)
    expect(Object.is(at(-0), 0)).toBe(true)
  })

  it("lets declared properties win over unknown fields of the same name", () => {
    expect(good({ ...base, a: 1, b: 2, properties: { a: 3 } }).data.properties).toEqual({ a: 3, b: 2 })
  })

  it("takes 200 characters as an id, whatever they are made of", () => {
    expect(good({ ...base, id: "😀".repeat(200) }).data.id.length).toBe(400)
  })

  it("finds path and referrer", () => {
    const path = (url: string) => good({ ...base, url }).data.path
    expect(path("/a/b?x=1#y")).toBe("/a/b")
    expect(path("HTTP://shop.example")).toBe("/")
    expect(path("https://shop.example?x")).toBe("/")
    expect(path("https://shop.example#x")).toBe("/")
    expect(path("/#/inner?x")).toBe("/")
    expect(path("/面/ a")).toBe("/面/ a")
    const host = (referrer: string) => good({ ...base, referrer }).data.referrer
    expect(host("android-app://com.example.App/x")).toBe("com.example.app")
    expect(host("https://a:b@News.Example:8443/x?y")).toBe("news.example")
    expect(host("about:blank")).toBeUndefined()
    expect(host("")).toBeUndefined()
  })
})

describe("identity", () => {
  const visit = { ...base, ip: "203.0.113.7", userAgent: "Mozilla/5.0 x" }
  const keyOf = (event: unknown, now = NOW) => good(event, { now }).data.clientKey

  it("of a visitor without client id is the same all day, at one merchant", () => {
    expect(keyOf(visit)).toBe(keyOf({ ...visit, id: "e-2" }, NOW + 3_600_000))
    expect(keyOf(visit)).not.toBe(keyOf(visit, NOW + 86_400_000))
    expect(good(visit).profile?.clientId).not.toBe(good({ ...visit, merchantId: "m-2" }).profile?.clientId)
    expect(keyOf(visit)).not.toBe(keyOf({ ...visit, ip: "203.0.113.8" }))
  })

  it("is nobody's without client id, address and user agent", () => {
    expect(good(base).profile).toBeUndefined()
    expect(good(base).data.clientKey).toBeUndefined()
  })
})

const refused: ReadonlyArray<readonly [unknown, string, string | undefined]> = [
  [null, "INVALID_EVENT", undefined],
  [[], "INVALID_EVENT", undefined],
  ["pageview", "INVALID_EVENT", undefined],
  [{ merchantId: "m" }, "TYPE_REQUIRED", "type"],
  [{ ...base, type: 1 }, "INVALID_TYPE", "type"],
  [{ ...base, type: "Page" }, "INVALID_TYPE", "type"],
  [{ ...base, type: "" }, "INVALID_TYPE", "type"],
  [{ ...base, type: "a".repeat(65) }, "INVALID_TYPE", "type"],
  [{ type: "a" }, "MERCHANT_REQUIRED", "merchantId"],
  [{ type: "a", merchantId: "_system" }, "INVALID_MERCHANT_ID", "merchantId"],
  [{ type: "a", merchantId: 7 }, "INVALID_MERCHANT_ID", "merchantId"],
  [{ type: "a", merchantId: "a b" }, "INVALID_MERCHANT_ID", "merchantId"],
  [{ type: "a", merchantId: "a\n" }, "INVALID_MERCHANT_ID", "merchantId"],
  [{ type: "a", merchantId: "a".repeat(65) }, "INVALID_MERCHANT_ID", "merchantId"],
  [{ ...base, id: 1 }, "INVALID_ID", "id"],
  [{ ...base, id: "" }, "INVALID_ID", "id"],
  [{ ...base, id: "a".repeat(201) }, "INVALID_ID", "id"],
  [{ ...base, id: "\ud800" }, "INVALID_ID", "id"],
  [{ ...base, clientId: 1 }, "INVALID_CLIENT_ID", "clientId"],
  [{ ...base, clientId: "" }, "INVALID_CLIENT_ID", "clientId"],
  [{ ...base, clientId: "\udc00" }, "INVALID_CLIENT_ID", "clientId"],
  [{ ...base, timestamp: 1.5 }, "INVALID_TIMESTAMP", "timestamp"],
  [{ ...base, timestamp: "1795219200000" }, "INVALID_TIMESTAMP", "timestamp"],
  [{ ...base, timestamp: "2026-02-30T00:00:00Z" }, "INVALID_TIMESTAMP", "timestamp"],
  [{ ...base, timestamp: "2026-01-01T24:00:00Z" }, "INVALID_TIMESTAMP", "timestamp"],
  [{ ...base, timestamp: "2026-01-01" }, "INVALID_TIMESTAMP", "timestamp"],
  [{ ...base, timestamp: "2026-01-01T00:00:00" }, "TIMESTAMP_WITHOUT_ZONE", "timestamp"],
  [{ ...base, timestamp: true }, "INVALID_TIMESTAMP", "timestamp"],
  [{ ...base, timestamp: NOW + 300_001 }, "TIMESTAMP_IN_FUTURE", "timestamp"],
  [{ ...base, timestamp: 8.64e15 }, "TIMESTAMP_IN_FUTURE", "timestamp"],
  [{ ...base, timestamp: -8.64e15 }, "INVALID_TIMESTAMP", "timestamp"],
  [{ ...base, type: "payment" }, "AMOUNT_REQUIRED", "amount"],
  [{ ...base, type: "refund", amount: null }, "AMOUNT_REQUIRED", "amount"],
  [{ ...payment, amount: "1250" }, "INVALID_AMOUNT", "amount"],
  [{ ...payment, amount: 12.5 }, "INVALID_AMOUNT", "amount"],
  [{ ...payment, amount: Number.POSITIVE_INFINITY }, "INVALID_AMOUNT", "amount"],
  [{ ...payment, amount: -1 }, "NEGATIVE_AMOUNT", "amount"],
  [{ ...payment, amount: 2 ** 53 }, "AMOUNT_TOO_LARGE", "amount"],
  [{ ...payment, currency: "usd" }, "UNKNOWN_CURRENCY", "currency"],
  [{ ...payment, currency: "ZZZ" }, "UNKNOWN_CURRENCY", "currency"],
  [{ ...payment, currency: 840 }, "INVALID_CURRENCY", "currency"],
  [{ ...payment, paymentMethod: 1 }, "INVALID_PAYMENT_METHOD", "paymentMethod"],
  [{ ...payment, paymentMethod: "a\u0001" }, "INVALID_PAYMENT_METHOD", "paymentMethod"],
  [{ ...payment, pointsUsed: -1 }, "NEGATIVE_POINTS", "pointsUsed"],
  [{ ...payment, pointsEarned: 0.5 }, "INVALID_POINTS", "pointsEarned"],
  [{ ...base, url: "shop.example/a" }, "INVALID_URL", "url"],
  [{ ...base, url: "ftp://shop.example/a" }, "INVALID_URL", "url"],
  [{ ...base, url: "https://" }, "INVALID_URL", "url"],
  [{ ...base, url: "https://a b/c" }, "INVALID_URL", "url"],
  [{ ...base, url: "/a\u0001" }, "INVALID_URL", "url"],
  [{ ...base, url: `/${"a".repeat(3_000)}` }, "INVALID_URL", "url"],
  [{ ...base, url: 1 }, "INVALID_URL", "url"],
  [{ ...base, referrer: "search.example" }, "INVALID_REFERRER", "referrer"],
  [{ ...base, referrer: {} }, "INVALID_REFERRER", "referrer"],
  [{ ...base, ip: "203.0.113.256" }, "INVALID_IP", "ip"],
  [{ ...base, ip: "203.0.113.7:80" }, "INVALID_IP", "ip"],
  [{ ...base, method: "GET /" }, "INVALID_METHOD", "method"],
  [{ ...base, userAgent: 1 }, "INVALID_USER_AGENT", "userAgent"],
  [{ ...base, userAgent: "a".repeat(3_000) }, "INVALID_USER_AGENT", "userAgent"],
  [{ ...base, user: "a" }, "INVALID_USER", "user"],
  [{ ...base, user: [] }, "INVALID_USER", "user"],
  [{ ...base, user: { grade: 1 } }, "INVALID_GRADE", "user.grade"],
  [{ ...base, user: { gender: {} } }, "INVALID_GENDER", "user.gender"],
  [{ ...base, user: { birthYear: "1990" } }, "INVALID_BIRTH_YEAR", "user.birthYear"],
  [{ ...base, user: { birthYear: 2027 } }, "INVALID_BIRTH_YEAR", "user.birthYear"],
  [{ ...base, user: { country: "JPN" } }, "INVALID_COUNTRY", "user.country"],
  [{ ...base, user: { device: 1 } }, "INVALID_DEVICE", "user.device"],
  [{ ...base, properties: [] }, "INVALID_PROPERTIES", "properties"],
  [{ ...base, properties: "a" }, "INVALID_PROPERTIES", "properties"],
  [{ ...base, properties: { a: "\ud800" } }, "INVALID_TEXT", "properties"],
  [{ ...base, properties: { "\ud800": 1 } }, "INVALID_TEXT", "properties"],
  [{ ...base, a: "\ud800" }, "INVALID_TEXT", "a"],
  [JSON.parse('{"type":"a","merchantId":"m","n":1e999}'), "INVALID_NUMBER", "n"],
  [JSON.parse('{"type":"a","merchantId":"m","__proto__":{"x":1}}'), "FORBIDDEN_NAME", undefined],
  [JSON.parse('{"type":"a","merchantId":"m","p":{"__proto__":{"x":1}}}'), "FORBIDDEN_NAME", "p"],
  [
    JSON.parse(`{"type":"a","merchantId":"m","p":${"[".repeat(50_000)}${"]".repeat(50_000)}}`),
    "NESTED_TOO_DEEP",
    "p",
  ],
  [{ type: "request", merchantId: "m" }, "CLIENT_REQUIRED", "clientId"],
]

describe("a bad event", () => {
  it.each(refused.map(([event, code, path], index) => ({ event, code, path, index })))(
    "$index is refused as $code at $path",
    ({ event, code, path }) => {
      const rejection = bad(event)
      expect([rejection.code, rejection.path]).toEqual([code, path])
      expect(rejection.message.length).toBeGreaterThan(20)
    },
  )

  it("of another merchant is refused as such, whatever else is wrong with it", () => {
    const own = { merchantId: "own" }
    expect(bad({ merchantId: "other" }, own).code).toBe("FORBIDDEN_MERCHANT")
    expect(bad({ ...base, id: 1 }, own).code).toBe("FORBIDDEN_MERCHANT")
    expect(good({ type: "a", merchantId: "own" }, own).data.merchantId).toBe("own")
  })

  it("never has its client id, address or user agent in the message", () => {
    const secrets = { clientId: "client-secret", ip: "198.51.100.23", userAgent: "agent-secret" }
    for (const [event] of refused) {
      if (typeof event !== "object" || event === null || Array.isArray(event)) continue
      const rejection = parse({ ...secrets, ...event })
      const text = JSON.stringify(rejection)
      if ("code" in rejection) for (const value of Object.values(secrets)) expect(text).not.toContain(value)
    }
  })
})

const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(
    "",
    "\ud800",
    "/",
    "https://",
    "::1",
    "payment",
    "request",
    -0,
    1e308,
    2 ** 53,
    "2026-01-01T00:00Z",
  ),
)
const anyEvent = fc.dictionary(
  fc.constantFrom(
    ...["id", "type", "merchantId", "clientId", "timestamp", "amount", "currency", "paymentMethod", "url"],
    ...[
      "referrer",
      "ip",
      "method",
      "userAgent",
      "user",
      "properties",
      "pointsUsed",
      "__proto__",
      "constructor",
    ],
  ),
  odd,
)

describe("whatever JSON", () => {
  it("never throws, and answers an event or a named rejection", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          odd,
          anyEvent,
          anyEvent.map((event) => ({ ...base, ...event })),
        ),
        (event) => {
          const parsed = parse(event)
          if ("code" in parsed) {
            expect(parsed.code).toMatch(/^[A-Z_]+$/)
          } else {
            expect(Number.isSafeInteger(parsed.at)).toBe(true)
            // What is stored survives being written as JSON and read again.
            const text = JSON.stringify(parsed)
            expect(JSON.stringify(JSON.parse(text))).toBe(text)
            expect(Buffer.from(text).toString()).toBe(text)
          }
          expect(({} as Record<string, unknown>).x).toBeUndefined()
        },
      ),
      { numRuns: 3_000 },
    )
  })
})
