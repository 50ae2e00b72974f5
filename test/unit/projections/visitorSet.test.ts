import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { memberOf, VisitorSet } from "../../../src/projections/VisitorSet.js"
import { unionSize } from "../../../src/projections/VisitorUnion.js"
import { Random, seededRandom } from "../../support/Seed.js"

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/** The key of a client, as uniform as an HMAC. */
const clientKey = (client: number): string =>
  createHash("sha256").update(`client ${client}`).digest("base64url").slice(0, 22)

/** Uniform keys without the cost of a hash. */
const randomKey = (random: Random): string => {
  let key = ""
  for (let i = 0; i < 8; i++) key += alphabet.charAt(random.integer(64))
  return `${key}AAAAAAAAAAAAAA`
}

const setOf = (keys: Iterable<string>): VisitorSet => {
  const set = VisitorSet.of(undefined)
  for (const key of keys) set.add(key)
  return set
}

const shuffled = <A>(values: ReadonlyArray<A>, random: Random): Array<A> => {
  const result = [...values]
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.integer(i + 1)
    const kept = result[i] as A
    result[i] = result[j] as A
    result[j] = kept
  }
  return result
}

/** Rank and register written from their definition, on 48 binary digits. */
const place = (key: string): { readonly register: number; readonly rank: number } => {
  const bits = [...key.slice(0, 8)].map((c) => alphabet.indexOf(c).toString(2).padStart(6, "0")).join("")
  const zeros = bits.slice(14).indexOf("1")
  return { register: Number.parseInt(bits.slice(0, 14), 2), rank: zeros < 0 ? 35 : zeros + 1 }
}

const naive = (keys: ReadonlyArray<string>): string => {
  const members = [...new Set(keys.map((key) => key.slice(0, 8)))].sort()
  if (members.length <= 1_024) return `e${members.join("")}`
  const registers = new Array<number>(16_384).fill(0)
  for (const member of members) {
    const { register, rank } = place(member)
    registers[register] = Math.max(registers[register] as number, rank)
  }
  return `h${registers.map((rank) => String.fromCharCode(48 + rank)).join("")}`
}

describe("a set of visitors", () => {
  it("says the same however often its members come before anybody asks", () => {
    const { random } = seededRandom("members that wait")
    for (const clients of [3, 900, 1_024, 1_025, 1_700]) {
      const keys = Array.from({ length: clients }, (_, client) => clientKey(client))
      const often = Array.from({ length: 6_000 }, () => random.pick(keys))
      const set = setOf(shuffled([...keys, ...often], random))
      expect(set.toJSON()).toBe(naive(keys))
      const asked = VisitorSet.of(undefined)
      for (const key of [...often, ...keys]) {
        asked.add(key)
        if (random.integer(300) === 0) expect(asked.hasMember(memberOf(key))).toBe(true)
      }
      expect(asked.toJSON()).toBe(naive(keys))
      const read = VisitorSet.decode(setOf(keys.slice(0, 800)).toJSON())
      for (const key of often) read.add(key)
      expect(read.toJSON()).toBe(naive([...keys.slice(0, 800), ...often]))
    }
  })

  it("is exact up to 1,024 members, counts each once, and estimates from the next on", () => {
    const set = VisitorSet.of(undefined)
    expect([set.size, set.isExact, set.toJSON()]).toEqual([0, true, "e"])
    for (let client = 0; client < 1_024; client++) {
      set.add(clientKey(client))
      set.add(clientKey(client >> 1))
      expect(set.size).toBe(client + 1)
    }
    expect(set.isExact).toBe(true)
    set.add(clientKey(1_024))
    expect(set.isExact).toBe(false)
    expect(Math.abs(set.size - 1_025)).toBeLessThan(40)
  })

  it("is stored as what follows from its members alone, in any order, batching and merging", () => {
    const keys = Array.from({ length: 2_600 }, (_, client) => clientKey(client))
    const size = fc.oneof(fc.nat(40), fc.integer({ min: 1_000, max: 1_050 }), fc.nat(2_600))
    fc.assert(
      fc.property(size, fc.integer(), (count, seed) => {
        const random = new Random(seed)
        const members = keys.slice(0, count)
        const added = shuffled([...members, ...members.slice(0, random.integer(count + 1))], random)
        const parts: Array<VisitorSet> = [VisitorSet.of(undefined)]
        for (const key of added) {
          if (random.integer(60) === 0) parts.push(VisitorSet.of(undefined))
          const at = random.integer(parts.length)
          parts[at]?.add(key)
          // Written, and read again or not.
          if (random.integer(40) === 0) {
            const text = parts[at]?.toJSON() as string
            if (random.integer(2) === 0) parts[at] = VisitorSet.decode(text)
          }
        }
        while (parts.length > 1) {
          const other = parts.splice(random.integer(parts.length), 1)[0] as VisitorSet
          const stored = random.integer(2) === 0 ? VisitorSet.decode(other.toJSON()) : other
          const before = stored.isExact ? stored.size : stored.toJSON()
          parts[random.integer(parts.length)]?.merge(stored)
          expect(stored.isExact ? stored.size : stored.toJSON()).toBe(before)
        }
        expect(parts[0]?.toJSON()).toBe(naive(members))
        expect(parts[0]?.isExact).toBe(count <= 1_024)
      }),
      { numRuns: 60 },
    )
  })

  it("a union has the size of the set of all", () => {
    const { random } = seededRandom("union of visitor sets")
    const all = VisitorSet.of(undefined)
    const union = VisitorSet.of(undefined)
    const days: Array<VisitorSet> = []
    for (let day = 0; day < 30; day++) {
      const visitors = VisitorSet.of(undefined)
      for (let i = 0; i < 20 + day * 100; i++) {
        const key = clientKey(random.integer(20_000))
        visitors.add(key)
        all.add(key)
      }
      days.push(visitors)
    }
    for (const visitors of shuffled(days, random)) union.merge(visitors)
    expect(days[0]?.isExact).toBe(true)
    expect(days[29]?.isExact).toBe(false)
    expect(union.size).toBe(all.size)
    expect(union.toJSON()).toBe(all.toJSON())
    const before = all.toJSON()
    all.merge(all)
    expect(all.toJSON()).toBe(before)
  })

  it("estimates with a standard error of 0.81 % and no bias", () => {
    const { random } = seededRandom("error of visitor sets")
    const sizes = [1_500, 3_000, 8_000, 15_000, 30_000, 45_000, 60_000, 100_000, 200_000]
    const errors: Array<number> = []
    for (const size of sizes) {
      for (let set = 0; set < (size > 50_000 ? 6 : 16); set++) {
        const visitors = VisitorSet.of(undefined)
        for (let i = 0; i < size; i++) visitors.add(randomKey(random))
        errors.push(visitors.size / size - 1)
      }
    }
    const standard = 1.04 / Math.sqrt(16_384)
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length
    const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length)
    console.log(
      `${errors.length} sets: error ${(deviation * 100).toFixed(3)} %, bias ${(mean * 100).toFixed(3)} %`,
    )
    // Five standard deviations of what is measured: one run in a million fails by chance.
    expect(deviation).toBeLessThan(standard * (1 + 5 / Math.sqrt(2 * errors.length)))
    expect(Math.abs(mean)).toBeLessThan((5 * standard) / Math.sqrt(errors.length))
  })

  it("takes a key that is no HMAC for a member of its own, however it begins", () => {
    const keys = ["", "a", "customer-1", "customer-2", "Zoë", "a b c d e f g h i j k", "x".repeat(300)]
    const set = setOf([...keys, ...keys])
    expect(set.size).toBe(keys.length)
    expect(set.toJSON()).toMatch(/^e[A-Za-z0-9_-]{56}$/)
    const many = setOf(Array.from({ length: 20_000 }, (_, i) => `customer-${i}`))
    expect(Math.abs(many.size / 20_000 - 1)).toBeLessThan(0.05)
  })

  it("is written and read as it was until something is added", () => {
    for (const count of [0, 1, 300, 5_000]) {
      const text = setOf(Array.from({ length: count }, (_, i) => clientKey(i))).toJSON()
      const read = VisitorSet.decode(text)
      read.add(clientKey(0))
      expect(read.toJSON()).toBe(count === 0 ? `e${clientKey(0).slice(0, 8)}` : text)
      expect(JSON.parse(JSON.stringify({ set: read })).set).toHaveLength(read.toJSON().length)
      expect(VisitorSet.decode(read)).toBe(read)
      expect(VisitorSet.of(read)).toBe(read)
    }
  })

  it("does not read what it does not know", () => {
    for (const text of ["", "x", "eAAAA", `e${"A".repeat(8_200)}`, "h", `h${"0".repeat(16_383)}`]) {
      expect(() => VisitorSet.decode(text)).toThrow(/can't read; rebuild the projection/)
    }
  })
})

describe("the size of a union", () => {
  const merged = (sets: ReadonlyArray<VisitorSet>): number => {
    const union = VisitorSet.of(undefined)
    for (const set of sets) union.merge(set)
    return union.size
  }

  it("is that of merging one set after the other, exact or estimated", () => {
    const { random } = seededRandom("union sizes")
    for (let round = 0; round < 60; round++) {
      const clients = 1 + random.integer([50, 1_500, 6_000][round % 3] as number)
      const sets = Array.from({ length: 1 + random.integer(12) }, () =>
        setOf(
          Array.from({ length: random.integer(1 + clients / 2) }, () => clientKey(random.integer(clients))),
        ),
      )
      expect(unionSize(sets)).toBe(merged(sets))
    }
  })

  it("is exact up to 1,024 clients, however they are spread over sets", () => {
    const keys = Array.from({ length: 1_024 }, (_, client) => clientKey(client))
    const sets = Array.from({ length: 7 }, (_, set) => setOf(keys.filter((_, index) => index % 7 >= set % 4)))
    expect(unionSize(sets)).toBe(1_024)
    expect(unionSize([...sets, setOf([clientKey(9_999)])])).toBe(merged([...sets, setOf([clientKey(9_999)])]))
    expect(unionSize([])).toBe(0)
  })
})
