import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { NONE, OTHER } from "../../../src/domain/Metrics.js"
import type { Projection } from "../../../src/processors/Projection.js"
import { WorkingSet } from "../../../src/processors/WorkingSet.js"
import { addSum, countEvent } from "../../../src/projections/Counts.js"
import { clientScan, clients, decodeClient } from "../../../src/projections/clients.js"
import { decodeApiKey, decodeMerchant, merchants } from "../../../src/projections/merchants.js"
import {
  bucketScan,
  bucketsOf,
  byValue,
  makeMetrics,
  metrics,
  metricValue,
  moneyOf,
  noCounts,
  sumOf,
} from "../../../src/projections/metrics.js"
import type { Doc, Row, Scan } from "../../../src/readmodels/ReadModels.js"
import { recorded, type TestEvent } from "../processors/support.js"

const now = Date.parse("2026-11-21T12:00:00Z")
const MINUTE = 60_000
const DAY = 86_400_000

/** Folds events, and lets the documents be scanned as a store would. */
const given = (projection: Projection, events: ReadonlyArray<TestEvent>) => {
  const docs = new Map<string, Doc>()
  const working = new WorkingSet((collection, key) => structuredClone(docs.get(`${collection}/${key}`)))
  recorded(events).forEach((event, i) => {
    projection.apply(event, working)
    if (i % 7 !== 0 && i !== events.length - 1) return
    for (const put of working.puts()) {
      if (put.doc === undefined) docs.delete(`${put.collection}/${put.key}`)
      else docs.set(`${put.collection}/${put.key}`, JSON.parse(JSON.stringify(put.doc)))
    }
    working.committed()
    if (i % 2 === 0) working.discard()
  })
  const scan = ({ collection, from, to }: Scan): ReadonlyArray<Row> =>
    [...docs]
      .filter(([name]) => name.startsWith(`${collection}/`))
      .map(([name, doc]) => ({ key: name.slice(collection.length + 1), doc }))
      .filter(({ key }) => key >= from && key < to)
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  return { docs, scan }
}

const view = (at: number, path?: string, recordedAt = now): TestEvent => ({
  type: "pageview",
  at,
  recordedAt,
  data: { merchantId: "m", ...(path === undefined ? {} : { path }) },
})
const payment = (at: number, amount: number, currency: string, paymentMethod?: string): TestEvent => ({
  type: "payment",
  at,
  recordedAt: now,
  data: { merchantId: "m", amount, currency, ...(paymentMethod === undefined ? {} : { paymentMethod }) },
})
const settings = (timezone: string, recordedAt = now): TestEvent => ({
  type: "MerchantSettingsChanged",
  at: recordedAt,
  recordedAt,
  data: { merchantId: "m", settings: { timezone } },
})

describe("metrics", () => {
  const read = (
    folded: ReturnType<typeof given>,
    interval: Parameters<typeof bucketsOf>[1],
    dimension: Parameters<typeof bucketsOf>[2],
    from = now - 400 * DAY,
    to = now + DAY,
    zone = "UTC",
  ) =>
    bucketsOf(
      zone,
      interval,
      dimension,
      from,
      to,
      folded.scan(bucketScan("m", zone, interval, dimension, from, to)),
    )

  it("count events, page views, payments and volumes, kept per currency, in every interval", () => {
    const folded = given(metrics, [
      view(now - 5 * MINUTE),
      payment(now - 4 * MINUTE, 1_250, "USD", "card"),
      payment(now - 4 * MINUTE, 99, "EUR"),
      { type: "signup", at: now, recordedAt: now, data: { merchantId: "m" } },
      { type: "request", at: now, recordedAt: now, data: { merchantId: "m", clientKey: "c" } },
    ])
    for (const interval of ["MINUTE", "TEN_MINUTES", "HOUR", "DAY", "WEEK", "MONTH"] as const) {
      const sum = sumOf(read(folded, interval, undefined))
      expect(
        ["EVENTS", "PAGEVIEWS", "PAYMENTS", "GROSS_VOLUME"].map((metric) =>
          metricValue(sum, metric as "EVENTS", "USD"),
        ),
      ).toEqual([4, 1, 2, 1_250])
      expect(moneyOf(sum, "EUR")).toEqual({ count: 1, sum: 99n })
      expect(moneyOf(sum, "JPY")).toEqual({ count: 0, sum: 0n })
    }
    expect(read(folded, "MINUTE", undefined).map(({ at }) => (at - now) / MINUTE)).toEqual([-5, -4, 0])
    expect(
      [...byValue(read(folded, "DAY", "PAYMENT_METHOD"))].map(([value, counts]) => [value, counts[0]]),
    ).toEqual([
      [NONE, 3],
      ["card", 1],
    ])
    expect([...byValue(read(folded, "HOUR", "TYPE"))].map(([value, counts]) => [value, counts[0]])).toEqual([
      ["pageview", 1],
      ["payment", 2],
      ["signup", 1],
    ])
  })

  it("a range reads the buckets that begin in it, and no other", () => {
    const folded = given(
      metrics,
      [0, 1, 2, 3].map((i) => view(Date.parse("2026-11-20T22:00:00Z") + i * 3_600_000)),
    )
    const from = Date.parse("2026-11-20T23:00:00Z")
    const hours = read(folded, "HOUR", undefined, from, from + 2 * 3_600_000)
    expect(hours.map(({ at }) => at)).toEqual([from, from + 3_600_000])
    expect(read(folded, "HOUR", "TYPE", from, from + 3_600_000).map(({ at, value }) => [at, value])).toEqual([
      [from, "pageview"],
    ])
  })

  it("cut an event in the zone in force when it was recorded", () => {
    const at = Date.parse("2026-11-20T20:00:00Z")
    const folded = given(metrics, [
      view(at),
      settings("Asia/Kolkata"),
      view(at),
      settings("No/Where"),
      view(at),
    ])
    expect(
      read(folded, "DAY", undefined).map(({ at, counts }) => [new Date(at).toISOString(), counts[0]]),
    ).toEqual([["2026-11-20T00:00:00.000Z", 2]])
    const india = read(folded, "DAY", undefined, now - 400 * DAY, now + DAY, "Asia/Kolkata")
    expect(india.map(({ at, counts }) => [new Date(at).toISOString(), counts[0]])).toEqual([
      ["2026-11-20T18:30:00.000Z", 1],
    ])
  })

  it("at most so many values of a dimension are kept a day, the rest are (other), in log order", () => {
    const folded = given(makeMetrics({ maxValues: 3 }), [
      ...["/a", "/b", "/a", "/c", "/d", "/b", "/e"].map((path) => view(now, path)),
      view(now),
      view(now - 3_600_000, "/d"),
      view(now - DAY, "/e"),
    ])
    const today = read(folded, "DAY", "PATH", now - (now % DAY))
    expect(today.map(({ value, counts }) => [value, counts[0]])).toEqual([
      [NONE, 1],
      [OTHER, 3],
      ["/a", 2],
      ["/b", 2],
      ["/c", 1],
    ])
    expect(
      read(folded, "DAY", "PATH", now - DAY - (now % DAY), now - (now % DAY)).map(({ value }) => value),
    ).toEqual(["/e"])
    expect(sumOf(read(folded, "HOUR", "PATH"))).toEqual(sumOf(read(folded, "DAY", undefined)))
  })

  it("an event older than the retention makes no fine bucket, and aged documents go when new ones come", () => {
    const old = now - 8 * DAY
    const folded = given(metrics, [view(old), view(now - 91 * DAY)])
    expect(read(folded, "MINUTE", undefined)).toEqual([])
    expect(read(folded, "TEN_MINUTES", undefined).map(({ at }) => at)).toEqual([old])
    expect(sumOf(read(folded, "DAY", undefined))[0]).toBe(2)

    const later = now + 8 * DAY
    const aged = given(metrics, [view(now), view(now - 3_600_000), view(later, undefined, later)])
    const minutes = [...aged.docs.keys()].filter((name) => name.startsWith("minutes/"))
    expect(minutes).toHaveLength(1)
    expect([...aged.docs.keys()].filter((name) => name.startsWith("tens/"))).toHaveLength(2)
  })

  it("sums stay exact past 2^53", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), { minLength: 1, maxLength: 30 }),
        (amounts) => {
          const counts = noCounts()
          for (const [event] of amounts.map((amount) => recorded([payment(now, amount, "USD")]))) {
            countEvent(counts, event!.event)
          }
          const stored = JSON.parse(JSON.stringify(counts))
          expect(moneyOf(stored, "USD").sum).toBe(amounts.reduce((sum, amount) => sum + BigInt(amount), 0n))
          expect(JSON.parse(JSON.stringify(stored))).toEqual(counts)
        },
      ),
    )
    expect(addSum(Number.MAX_SAFE_INTEGER, 1)).toBe("9007199254740992")
    expect(addSum("9007199254740992", "9007199254740992")).toBe("18014398509481984")
  })

  it("the same events in any order give the same numbers", () => {
    const events = fc.array(
      fc.tuple(
        fc.integer({ min: 0, max: 5 }),
        fc.constantFrom("/a", "/b", undefined),
        fc.integer({ min: 0, max: 50 * 3_600_000 }),
      ),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(
        events.chain((list) =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
        ),
        ([list, shuffled]) => {
          const fold = (some: typeof list) => {
            const { docs } = given(
              metrics,
              some.map(([kind, path, back]) =>
                kind < 3
                  ? view(now - back, path)
                  : payment(now - back, kind, kind === 3 ? "USD" : "EUR", path),
              ),
            )
            return Object.fromEntries([...docs].filter(([name]) => !name.startsWith("kept/")))
          }
          expect(fold(shuffled)).toEqual(fold(list))
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe("clients", () => {
  const event = (type: string, at: number, recordedAt: number, personal?: string): TestEvent => ({
    type,
    at,
    recordedAt,
    data: { merchantId: "m", clientKey: "c" },
    ...(personal === undefined ? {} : { personal }),
  })
  const clientAfter = (events: ReadonlyArray<TestEvent>) => {
    const [row] = given(clients, events).scan(clientScan("m", "c"))
    return row === undefined ? undefined : decodeClient(row.key, row.doc)
  }

  it("last activity is the greatest activity time, capped at the recording; a late event changes nothing of it", () => {
    expect(
      clientAfter([
        event("ClientSeen", now, now, "sealed"),
        event("request", now - 50, now),
        event("pageview", now + 9_000, now + 10),
        event("request", now - 90, now + 20),
        event("payment", now + 10, now + 30),
      ]),
    ).toEqual({
      merchantId: "m",
      clientKey: "c",
      firstSeenAt: now - 90,
      lastSeenAt: now + 10,
      lastRecordedAt: now + 10,
      requests: 2,
      events: 2,
      personal: "sealed",
    })
  })

  it("a client of whom only the profile is known has done nothing", () => {
    expect(clientAfter([event("ClientSeen", now, now, "sealed")])).toBeUndefined()
    expect(
      clientAfter([{ ...event("MerchantSettingsChanged", now, now), data: { merchantId: "m" } }]),
    ).toBeUndefined()
  })
})

describe("merchants", () => {
  it("keep settings, counts and latest activity", () => {
    const { docs } = given(merchants, [
      {
        type: "MerchantCreated",
        at: now,
        recordedAt: now,
        data: { merchantId: "m", settings: { name: "M" } },
      },
      view(now + 60_000, "/a", now + 1),
      settings("Asia/Kolkata", now + 2),
      { type: "request", at: now + 3, recordedAt: now + 3, data: { merchantId: "m", clientKey: "c" } },
      { type: "request", at: now, recordedAt: now + 4, data: { merchantId: "_system", clientKey: "c" } },
    ])
    expect(decodeMerchant(docs.get("merchants/m"))).toEqual({
      settings: { timezone: "Asia/Kolkata", currency: "USD", name: "M" },
      createdAt: now,
      lastEventAt: now + 3,
      recordedAt: now + 3,
      events: 1,
    })
    expect(docs.has("merchants/_system")).toBe(false)
  })

  it("API keys are found by hash, and say when they are revoked", () => {
    const issued = (keyId: string): TestEvent => ({
      type: "ApiKeyIssued",
      at: now,
      recordedAt: now,
      data: { merchantId: "m", apiKey: { keyId, hash: `hash-${keyId}`, label: "till" } },
    })
    const { docs } = given(merchants, [
      issued("1"),
      issued("2"),
      { type: "ApiKeyRevoked", at: now, recordedAt: now, data: { merchantId: "m", apiKey: { keyId: "1" } } },
      { type: "ApiKeyRevoked", at: now, recordedAt: now, data: { merchantId: "m", apiKey: { keyId: "9" } } },
    ])
    expect(decodeApiKey(docs.get("apiKeys/hash-1"))).toEqual({
      merchantId: "m",
      keyId: "1",
      label: "till",
      revoked: true,
    })
    expect(decodeApiKey(docs.get("apiKeys/hash-2"))).toEqual({
      merchantId: "m",
      keyId: "2",
      label: "till",
      revoked: false,
    })
  })
})
