import { randomBytes } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Client from "../../../src/actors/Client.js"
import { open, seal } from "../../../src/keystore/Sealed.js"

const visit = { type: "request", at: 50, data: { id: "r", merchantId: "m", clientKey: "k" } }

describe("meet", () => {
  it("records the profile before anything else, once", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(), fc.string({ minLength: 1 }), (at, now, personal) => {
        const command = { _tag: "Meet", incoming: { ...visit, at }, personal } as const
        const events = Client.decide(Client.initial, command, { now })
        expect(events).toEqual([
          {
            v: 1,
            type: "ClientSeen",
            at: Math.min(at, now),
            data: { id: "profile", merchantId: "m", clientKey: "k" },
            personal,
          },
        ])
        expect(Client.decide(events.reduce(Client.evolve, Client.initial), command, { now })).toEqual([])
      }),
    )
  })

  it("records nothing of a client that was forgotten", () => {
    expect(
      Client.decide(Client.initial, { _tag: "Meet", incoming: visit, personal: undefined }, { now: 1 }),
    ).toEqual([])
  })
})

it("a request is recorded as it came", () => {
  expect(Client.decide({ seen: true }, { _tag: "Record", incoming: visit }, { now: 1 })).toEqual([
    { v: 1, ...visit },
  ])
})

describe("sealed", () => {
  it("opens with its key, and with no other, and not when changed", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), (value, place) => {
        const key = randomBytes(32)
        const text = seal(key, value)
        expect(open(key, text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(open(randomBytes(32), text)).toBeUndefined()
        const bytes = Buffer.from(text, "base64")
        const at = place % bytes.length
        bytes[at] = (bytes[at] as number) ^ 1
        expect(open(key, bytes.toString("base64"))).toBeUndefined()
        expect(seal(key, value)).not.toBe(text)
      }),
      { numRuns: 50 },
    )
  })
})
