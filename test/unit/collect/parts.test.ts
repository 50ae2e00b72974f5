import { isIPv6 } from "node:net"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { truncateAddress } from "../../../src/collect/Address.js"
import { ageBand } from "../../../src/collect/Customer.js"
import { decodeBody, Unreadable } from "../../../src/collect/decodeBody.js"
import { jsonFault } from "../../../src/collect/jsonFault.js"
import { Rejection } from "../../../src/collect/Rejection.js"
import { agentOf } from "../../../src/collect/UserAgent.js"

describe("truncateAddress", () => {
  it.each([
    ["203.0.113.7", "203.0.113.0"],
    ["2001:db8:85a3:8d3:1319:8a2e:370:7348", "2001:db8:85a3::"],
    ["2001:DB8::1", "2001:db8::"],
    ["2001:0:0:1::", "2001::"],
    ["0:1:2:3:4:5:6:7", "0:1:2::"],
    ["::1", "::"],
    ["fe80::1%eth0", "fe80::"],
    ["::ffff:203.0.113.7", "203.0.113.0"],
    ["::ffff:cb00:7107", "203.0.113.0"],
  ])("%s is in %s", (ip, network) => {
    expect(truncateAddress(ip)).toBe(network)
  })

  it("writes IPv6 as WHATWG URLs do, and cutting twice changes nothing", () => {
    fc.assert(
      fc.property(
        fc.ipV6().filter((ip) => isIPv6(ip)),
        (ip) => {
          const network = truncateAddress(ip)
          expect(truncateAddress(network)).toBe(network)
          if (isIPv6(network)) expect(new URL(`http://[${network}]/`).hostname).toBe(`[${network}]`)
        },
      ),
    )
  })
})

it("age bands", () => {
  const bands = [0, 17, 18, 24, 25, 34, 35, 44, 45, 54, 55, 64, 65, 120].map(ageBand)
  expect(bands).toEqual([
    ...["0-17", "0-17", "18-24", "18-24", "25-34", "25-34", "35-44", "35-44"],
    ...["45-54", "45-54", "55-64", "55-64", "65+", "65+"],
  ])
})

it("user agents that say nothing leave everything open", () => {
  expect(agentOf("")).toEqual({})
  expect(agentOf("x".repeat(10_000))).toEqual({})
  expect(agentOf("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)").device).toBe(
    "bot",
  )
})

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe("jsonFault", () => {
  it.each([
    ['{"a":}', 5],
    ["[1,2,]", 5],
    ['{"a":1', 6],
    ['{"a":1}{', 7],
    ["{a:1}", 1],
    ['["\\x"]', 3],
    ["[01]", 2],
    ["", 0],
  ])("%s breaks at %i", (text, offset) => {
    expect(jsonFault(text)).toBe(offset)
  })

  it("agrees with JSON.parse on what breaks: what stands before the fault can still become JSON", () => {
    const damaged = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", "}", "]", '"', "\\", "\n", "e", "-", "0", "x"))
      .map(([text, at, put]) => {
        const place = at % (text.length + 1)
        return text.slice(0, place) + put + text.slice(place + 1)
      })
    fc.assert(
      fc.property(damaged, (text) => {
        const offset = jsonFault(text)
        expect(offset).toBeLessThanOrEqual(text.length)
        // A number that is cut off (`1e`) breaks at its end, so both may be the text's length.
        if (isJson(text)) expect(offset).toBe(text.length)
        else if (offset < text.length) expect(isJson(text.slice(0, offset + 1))).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe("decodeBody", () => {
  const limits = { maxEvents: 3, maxEventBytes: 100 }
  const decode = (text: string, lines = false) => decodeBody(text, Buffer.byteLength(text), lines, limits)
  const a = { type: "a" }

  it.each([
    ['{"type":"a"}', [a]],
    ['\ufeff {"type":"a"}\n', [a]],
    ['[{"type":"a"},{"type":"a"}]', [a, a]],
    ['{"events":[{"type":"a"}]}', [a]],
    ['{"type":"a","events":[1]}', [{ type: "a", events: [1] }]],
    ['{"type":"a"}\r\n\r\n{"type":"a"}\r\n', [a, a]],
  ])("reads %j", (text, events) => {
    expect(decode(text)).toEqual(events)
  })

  it("reads lines, and a bad one stands alone", () => {
    const events = decode('{"type":"a"}\n{"type"\n{"type":"a"}', true) as unknown[]
    expect(events[0]).toEqual(a)
    expect(events[1]).toBeInstanceOf(Rejection)
    expect((events[1] as Rejection).message).toContain("Line 2")
    expect(events[2]).toEqual(a)
  })

  it.each([
    ["", "NO_EVENTS"],
    [" \n", "NO_EVENTS"],
    ["[]", "NO_EVENTS"],
    ['{"events":[]}', "NO_EVENTS"],
    ["7", "INVALID_BODY"],
    ["null", "INVALID_BODY"],
    ['{"events":{}}', "INVALID_BODY"],
    ['{"type":"a",}', "INVALID_JSON"],
    ["[1,2,3,4]", "TOO_MANY_EVENTS"],
    ["{}\n{}\n{}\n{}", "TOO_MANY_EVENTS"],
  ])("refuses %j as %s", (text, code) => {
    const refused = decode(text)
    expect(refused).toBeInstanceOf(Unreadable)
    expect((refused as Unreadable).code).toBe(code)
  })

  it("names line and column of the fault", () => {
    expect((decode('[\n  {"type":"a",}\n]') as Unreadable).message).toContain("line 2, column 15")
  })

  it("puts a rejection in the place of an event that is too large", () => {
    const events = decode(JSON.stringify([a, { type: "b".repeat(100) }, a])) as unknown[]
    expect(events.map((event) => (event instanceof Rejection ? event.code : event))).toEqual([
      a,
      "EVENT_TOO_LARGE",
      a,
    ])
  })
})
