import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { addressOf, pathOf, requestLine } from "../../../packages/monitor/src/requestLine.js"
import { parseLocation } from "../../../src/collect/Location.js"

const nothing = {
  ...{ at: 0, method: undefined, target: undefined, address: undefined, agent: undefined },
  ...{ clientId: undefined, merchantId: undefined },
}

describe("the line of a request", () => {
  it("is one line of JSON that says what was noted, whatever texts hold", () => {
    const text = fc.option(fc.string({ unit: "binary", minLength: 1, maxLength: 100 }), { nil: undefined })
    fc.assert(
      fc.property(
        ...([fc.nat(), text, text, text, text] as const),
        (at, method, agent, clientId, merchantId) => {
          const line = requestLine("an-id", { ...nothing, at, method, agent, clientId, merchantId })
          expect(line.indexOf("\n")).toBe(line.length - 1)
          const { id, type, timestamp, userAgent, ...rest } = JSON.parse(line)
          expect({ id, type, timestamp }).toEqual({ id: "an-id", type: "request", timestamp: at })
          expect([rest.method, userAgent, rest.clientId, rest.merchantId]).toEqual([
            method,
            agent,
            clientId,
            merchantId,
          ])
        },
      ),
    )
  })

  it("leaves out what is not known", () => {
    expect(requestLine("1", { ...nothing, at: 5, target: "*", agent: "" })).toBe(
      '{"id":"1","type":"request","timestamp":5}\n',
    )
  })

  it("has a path without host, query and fragment", () => {
    const paths = [
      ["/", "/"],
      ["/a/b?token=1#x", "/a/b"],
      ["/a#b?c", "/a"],
      ["?a", undefined],
      ["*", undefined],
      ["http://shop.example/basket?id=1", "/basket"],
      ["HTTPS://shop.example", "/"],
      ["https://shop.example?a=/b", "/"],
      [`/${"a".repeat(3_000)}`, `/${"a".repeat(2_047)}`],
    ] as const
    for (const [target, path] of paths) {
      expect(pathOf(target), target).toBe(path)
      if (path !== undefined) expect(parseLocation(path)).toEqual({ path })
    }
  })

  it("has IPv4 addresses as such", () => {
    expect(addressOf("::ffff:192.0.2.7")).toBe("192.0.2.7")
    expect(addressOf("2001:db8::1")).toBe("2001:db8::1")
    expect(addressOf("::ffff:1")).toBe("::ffff:1")
  })
})
