import { randomBytes } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { addressCode, addressOf, NO_ADDRESS } from "../../../../src/actors/clients/AddressCode.js"
import { formatKey, parsed, parseKey } from "../../../../src/actors/clients/KeyBytes.js"
import { LiveClients } from "../../../../src/actors/clients/LiveClients.js"
import { Overdue } from "../../../../src/actors/clients/Overdue.js"
import { truncateAddress } from "../../../../src/collect/Address.js"
import { parseAddressRange } from "../../../../src/domain/AddressRange.js"
import { idleTimeOf, type Whereabouts } from "../../../../src/domain/IdleTimes.js"

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

describe("ranges of addresses", () => {
  it("have exactly the networks that begin with their bits", () => {
    const range = (text: string) => parseAddressRange(text)
    expect(range("0.0.0.0/0")).toEqual({ from: 0, to: 2 ** 24 - 1 })
    expect(range("::/0")).toEqual({ from: 2 ** 24, to: 2 ** 24 + 2 ** 48 - 1 })
    const code = addressCode("203.0.113.0")
    expect(range("203.0.113.9/24")).toEqual({ from: code, to: code })
    expect(range("203.0.113.0/23")).toEqual({ from: code - 1, to: code })
    expect(range("2001:db8:7::/47")?.to).toBe(addressCode("2001:db8:7::"))
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 0, max: 48 }), (ip, length) => {
        const { from, to } = range(`${ip}/${length}`) as { from: number; to: number }
        const own = addressCode(truncateAddress(ip))
        // An IPv4 address written as IPv6 is kept as IPv4.
        if (own >= 2 ** 24) expect(from <= own && own <= to).toBe(true)
        expect(to - from + 1).toBe(2 ** (48 - length))
      }),
    )
  })

  it("are no smaller than what is kept, and nothing else", () => {
    for (const text of [
      "",
      "203.0.113.0",
      "203.0.113.0/25",
      "2001:db8::/49",
      "::1%lo/8",
      "1.2.3.4/8/8",
      "a/8",
    ]) {
      expect(parseAddressRange(text)).toBeUndefined()
    }
  })
})

describe("the idle time of a client", () => {
  it("is its merchant's first group's, the merchant's, the system's first group's, the system's, the program's", () => {
    const jp = 0x4a50
    const system = { idleAfterSeconds: 4, idleGroups: [{ countries: ["JP"], idleAfterSeconds: 3 }] }
    const merchant = {
      idleGroups: [
        { addresses: ["10.0.0.0/8"], idleAfterSeconds: 1 },
        { addresses: ["10.1.0.0/16"], countries: ["DE"], idleAfterSeconds: 2 },
      ],
    }
    const of = (address: string | undefined, country: number) =>
      idleTimeOf(merchant, system, 5_000, { address: addressCode(address), country })
    expect(of("10.1.0.0", jp)).toBe(1_000)
    expect(of("11.1.0.0", 0x4445)).toBe(2_000)
    expect(of(undefined, jp)).toBe(3_000)
    expect(of(undefined, 0)).toBe(4_000)
    expect(idleTimeOf({ idleAfterSeconds: 9 }, system, 5_000, { address: -1, country: jp })).toBe(9_000)
    expect(idleTimeOf(merchant, undefined, 5_000, { address: -1, country: jp })).toBe(5_000)
  })
})

describe("live clients", () => {
  /** The same in a Map, with a look at everything. */
  const model = new Map<string, { merchant: string; recordedAt: number; whereabouts: Whereabouts }>()

  it("are found, go and come back in any number", () => {
    const keys = Array.from({ length: 3_000 }, () => keyOf(randomBytes(16)))
    const live = new LiveClients()
    keys.forEach((key, at) => {
      live.put(key, `m-${at % 3}`, 100, { at, recordedAt: at })
    })
    for (let at = 0; at < keys.length; at += 2) live.remove(keys[at] as string)
    for (let at = 0; at < keys.length; at += 6) {
      live.put(keys[at] as string, "m-0", 100, { at, recordedAt: 10_000 + at })
    }
    const again = new LiveClients()
    again.restore(live.dump(), () => 100)
    for (const one of [live, again]) {
      expect(one.size).toBe(2_000)
      keys.forEach((key, at) => {
        const recordedAt = at % 6 === 0 ? 10_000 + at : at % 2 === 0 ? undefined : at
        expect(one.get(key)?.recordedAt).toBe(recordedAt)
      })
      expect(one.due(3_100, 10_000)).toHaveLength(1_500)
    }
    expect(again.texts()).toEqual(live.texts())
  })

  it("are due in time where others are long overdue, and those by as many as may come", () => {
    const overdue = new Overdue(
      () => 0.9,
      () => 0,
    )
    const live = new LiveClients()
    const clock = 1_000_000
    const keys = Array.from({ length: 700 }, () => keyOf(randomBytes(16)))
    keys.forEach((key, at) => {
      const recordedAt = at < 600 ? at : clock - 60_000 + at
      live.put(key, `m-${at % 3}`, at < 600 ? 100_000 : 60_000, { at: recordedAt, recordedAt })
    })
    const found = (at: number) => {
      const due = live.due(at, 500, overdue)
      for (const { clientKey } of due) live.remove(clientKey)
      return due.map(({ afterMs }) => afterMs)
    }
    expect(live.hasDue(99_999, overdue)).toBe(false)
    expect(found(99_999)).toEqual([])
    expect(found(clock)).toEqual(new Array(250).fill(100_000))
    expect(live.hasDue(clock, overdue)).toBe(false)
    expect(live.hasDue(clock + 700, overdue)).toBe(true)
    expect(found(clock + 700)).toEqual(new Array(100).fill(60_000))
    overdue.tick()
    expect(live.hasDue(clock, overdue)).toBe(true)
    expect(found(clock)).toEqual(new Array(250).fill(100_000))
  })

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
        // Half of them are in a group with another time.
        const timeOf = (merchant: string, { address }: Whereabouts) =>
          (times.get(merchant) ?? 100) + (address % 2) * 50
        let live = new LiveClients()
        let clock = 1_000
        for (const { key, after, what, afterMs } of steps) {
          const name = keys[key] as string
          const merchant = `m-${key % 4}`
          clock += after
          if (what === "put") {
            const whereabouts = { address: after % 7, country: 0 }
            const active = { at: clock, recordedAt: clock }
            live.put(name, merchant, timeOf(merchant, whereabouts), active, whereabouts)
            model.set(name, { merchant, recordedAt: clock, whereabouts })
          } else if (what === "remove") {
            live.remove(name)
            model.delete(name)
          } else if (what === "idleAfter") {
            times.set(merchant, afterMs)
            live.setIdleTimes(merchant, (whereabouts) => timeOf(merchant, whereabouts))
          } else if (what === "restore") {
            const again = new LiveClients()
            again.restore(live.dump(), timeOf)
            live = again
          }
          const due = live.due(clock, 1_000).map(({ clientKey }) => clientKey)
          const expected = [...model]
            .filter(([, one]) => one.recordedAt + timeOf(one.merchant, one.whereabouts) <= clock)
            .map(([name]) => name)
          expect(due.toSorted()).toEqual(expected.toSorted())
          expect(live.size).toBe(model.size)
          expect(live.hasDue(clock)).toBe(expected.length > 0)
          for (const [name, one] of model) expect(live.get(name)?.recordedAt).toBe(one.recordedAt)
        }
      }),
      { numRuns: 60 },
    )
  })
})
