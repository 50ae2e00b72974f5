import { randomBytes } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { addressCode, addressOf, NO_ADDRESS } from "../../../../src/actors/clients/AddressCode.js"
import { formatKey, parsed, parseKey } from "../../../../src/actors/clients/KeyBytes.js"
import { LiveClients } from "../../../../src/actors/clients/LiveClients.js"
import { truncateAddress } from "../../../../src/collect/Address.js"

const keyOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url")

describe("client keys as numbers", () => {
  it("come out as they went in", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const key = keyOf(bytes)
        expect(parseKey(key)).toBe(true)
        const [a = 0, b = 0, c = 0, d = 0] = parsed
        expect(formatKey(a, b, c, d)).toBe(key)
      }),
    )
  })

  it("are told from other texts", () => {
    const key = keyOf(randomBytes(16))
    for (const text of ["", "c-1", `${key}A`, `${key.slice(0, 21)}B`, `${key.slice(0, 21)}=`]) {
      expect(parseKey(text)).toBe(false)
    }
  })
})

describe("addresses as numbers", () => {
  it("come out as they were truncated", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (ip) => {
        const address = truncateAddress(ip)
        expect(addressOf(addressCode(address))).toBe(address)
      }),
    )
  })

  it("are none where none is known", () => {
    for (const text of [undefined, "", "host", "203.0.113.7", "2001:db8::1"]) {
      expect(addressCode(text)).toBe(NO_ADDRESS)
    }
    expect(addressOf(NO_ADDRESS)).toBeUndefined()
  })
})

describe("live clients", () => {
  /** The same in a Map, with a look at everything. */
  const model = new Map<string, { merchant: string; recordedAt: number }>()

  it("are those of a plain map, whatever comes, goes, changes and is restored", () => {
    const keys = [...Array.from({ length: 40 }, () => keyOf(randomBytes(16))), "odd-1", "odd-2"]
    const step = fc.record({
      key: fc.nat(keys.length - 1),
      after: fc.nat(50),
      what: fc.constantFrom("put", "put", "put", "remove", "idleAfter", "due", "restore"),
      afterMs: fc.constantFrom(10, 60, 200),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        model.clear()
        const times = new Map<string, number>()
        const timeOf = (merchant: string) => times.get(merchant) ?? 100
        let live = new LiveClients()
        let clock = 1_000
        for (const { key, after, what, afterMs } of steps) {
          const name = keys[key] as string
          const merchant = `m-${key % 4}`
          clock += after
          if (what === "put") {
            live.put(name, merchant, timeOf(merchant), { at: clock, recordedAt: clock }, key)
            model.set(name, { merchant, recordedAt: clock })
          } else if (what === "remove") {
            live.remove(name)
            model.delete(name)
          } else if (what === "idleAfter") {
            times.set(merchant, afterMs)
            live.setIdleAfter(merchant, afterMs)
          } else if (what === "restore") {
            const again = new LiveClients()
            again.restore(live.dump(), timeOf)
            live = again
          }
          const due = live.due(clock, 1_000).map(({ clientKey }) => clientKey)
          const expected = [...model]
            .filter(([, one]) => one.recordedAt + timeOf(one.merchant) <= clock)
            .map(([name]) => name)
          expect(due.toSorted()).toEqual(expected.toSorted())
          expect(live.size).toBe(model.size)
          expect(live.nextDue() <= clock).toBe(expected.length > 0)
          for (const [name, one] of model) expect(live.get(name)?.recordedAt).toBe(one.recordedAt)
        }
      }),
      { numRuns: 60 },
    )
  })
})
