import { describe, expect, it } from "vitest"
import { defaultGeneratorOptions, Generator } from "../../../src/cli/loadgen/Generator.js"
import { Latencies } from "../../../src/cli/loadgen/Latencies.js"
import { Random, Zipf } from "../../../src/cli/loadgen/Random.js"
import { good, NOW } from "./support.js"

const events = (count: number, options: Partial<ConstructorParameters<typeof Generator>[0]> = {}) => {
  const generator = new Generator({ ...defaultGeneratorOptions, seed: 7, ...options })
  return Array.from({ length: count }, () => generator.event(NOW))
}

describe("the generator", () => {
  it("makes valid events of every kind, with ids that never repeat", () => {
    const ids = new Set<string>()
    const types = new Map<string, number>()
    for (const text of events(20_000, { requests: 0.05 })) {
      const event = JSON.parse(text)
      expect(event.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      ids.add(event.id)
      types.set(event.type, (types.get(event.type) ?? 0) + 1)
      good(event)
    }
    expect(ids.size).toBe(20_000)
    for (const type of ["payment", "refund", "request", "search"]) expect(types.get(type)).toBeGreaterThan(0)
    expect(types.get("pageview")).toBeGreaterThan(10_000)
  })

  it("makes the same again from the same seed", () => {
    expect(events(100)).toEqual(events(100))
    expect(events(100)).not.toEqual(events(100, { seed: 8 }))
  })

  it("keeps a client with one merchant", () => {
    const merchants = new Map<string, string>()
    for (const text of events(20_000, { clients: 100 })) {
      const { clientId, merchantId } = JSON.parse(text)
      expect(merchants.get(clientId) ?? merchantId).toBe(merchantId)
      merchants.set(clientId, merchantId)
    }
  })
})

it("Zipf draws rank n about n times less often than rank 1", () => {
  const zipf = new Zipf(100)
  const random = new Random(1)
  const counts = new Array<number>(100).fill(0)
  for (let draw = 0; draw < 500_000; draw += 1) counts[zipf.draw(random)]! += 1
  expect(counts[0]! / counts[1]!).toBeCloseTo(2, 0)
  expect(counts[0]! / counts[9]!).toBeGreaterThan(9)
  expect(counts[0]! / counts[9]!).toBeLessThan(11)
})

it("quantiles of latencies are right within 1.1%", () => {
  const latencies = new Latencies()
  for (let ms = 1; ms <= 1_000; ms += 1) latencies.add(ms)
  for (const q of [0.5, 0.9, 0.99]) {
    expect(Math.abs(latencies.quantile(q) / (q * 1_000) - 1)).toBeLessThan(0.011)
  }
  expect(latencies.max).toBe(1_000)
})
