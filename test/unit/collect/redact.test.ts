import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { redact } from "../../../src/collect/redact.js"

const shown = (event: unknown) => JSON.parse(JSON.stringify(redact(event, undefined).event))

describe("redact", () => {
  it("keeps what an integrator needs, and of personal values type and length", () => {
    expect(
      shown({
        type: "payment",
        merchantId: "m-1",
        amount: -5,
        clientId: 4711,
        ip: "203.0.113.999",
        userAgent: "Mozilla/5.0 (X11)",
        url: "shop.example/a?email=a@b.example&utm_source=news#x",
        referrer: "https://user:word@search.example/?q=secret",
        user: { grade: 7, birthYear: "1990", email: "a@b.example", address: { street: "Main" } },
        properties: {
          sku: "A-1",
          user_agent: "own/1",
          remote: "198.51.100.7",
          note: "from 198.51.100.7 today",
        },
      }),
    ).toEqual({
      type: "payment",
      merchantId: "m-1",
      amount: -5,
      clientId: "(number)",
      ip: "(string of 13 characters)",
      userAgent: "(string of 17 characters)",
      url: "shop.example/a?utm_source=news",
      referrer: "https://search.example/",
      user: {
        grade: 7,
        birthYear: "(string of 4 characters)",
        email: "(string of 11 characters)",
        address: "(object of 1 fields)",
      },
      properties: {
        sku: "A-1",
        user_agent: "(string of 5 characters)",
        remote: "(string of 12 characters)",
        note: "from (address) today",
      },
    })
  })

  it("masks personal values wherever they stand, as text, number and name of a field", () => {
    const event = {
      clientId: "client-77",
      id: "order of client-77",
      properties: { "client-77": [{ a: "client-77" }] },
    }
    expect(JSON.stringify(redact(event, "client-77").event)).not.toContain("client-77")
    expect(redact(event, "client-77").path).not.toContain("client-77")
    expect(JSON.stringify(shown({ clientId: 471100, n: 471100 }))).not.toContain("471100")
  })

  it("masks IPv6, and agents in the middle of a text", () => {
    const text = JSON.stringify(shown({ a: "at 2001:db8::1 now", b: "seen Mozilla/5.0 (X11)", c: ["::1"] }))
    expect(text).not.toMatch(/2001:db8|X11|::1/)
  })

  it("leaves times and names of __proto__ readable", () => {
    expect(shown({ timestamp: "2026-11-20T18:40:00Z" })).toEqual({ timestamp: "2026-11-20T18:40:00Z" })
    expect(JSON.stringify(redact(JSON.parse('{"__proto__":{"a":1}}'), undefined).event)).toBe(
      '{"__proto__":{"a":1}}',
    )
  })

  it("never throws, and no personal value of any event comes through", () => {
    const value = fc.string({ minLength: 4, maxLength: 40 }).map((text) => `#${text}#secret`)
    fc.assert(
      fc.property(fc.jsonValue(), value, value, value, (rest, clientId, ip, userAgent) => {
        const event = {
          clientId,
          ip,
          userAgent,
          rest,
          user: { clientId, a: { ip } },
          more: [clientId, { b: userAgent }],
        }
        expect(JSON.stringify(redact(event, undefined).event)).not.toContain("#secret")
      }),
      { numRuns: 500 },
    )
  })

  it("survives deep and wide values", () => {
    const deep = JSON.parse(`${"[".repeat(30_000)}${"]".repeat(30_000)}`)
    expect(JSON.stringify(shown({ deep })).length).toBeLessThan(500)
    expect(
      JSON.stringify(shown({ wide: new Array(50_000).fill(1), long: "a".repeat(60_000) })).length,
    ).toBeLessThan(4_000)
  })
})
