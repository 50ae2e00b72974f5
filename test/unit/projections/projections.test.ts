import { describe, expect, it } from "vitest"
import type { Projection } from "../../../src/processors/Projection.js"
import { WorkingSet } from "../../../src/processors/WorkingSet.js"
import {
  clientScan,
  clients,
  decodeClient,
  decodeProfile,
  profileRef,
} from "../../../src/projections/clients.js"
import { decodeApiKey, decodeMerchant, merchants } from "../../../src/projections/merchants.js"
import type { Doc, Row, Scan } from "../../../src/readmodels/ReadModels.js"
import { recorded, type TestEvent } from "../processors/support.js"

const now = Date.parse("2026-11-21T12:00:00Z")

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
const settings = (timezone: string, recordedAt = now): TestEvent => ({
  type: "MerchantSettingsChanged",
  at: recordedAt,
  recordedAt,
  data: { merchantId: "m", settings: { timezone } },
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
    const { docs, scan } = given(clients, events)
    const [row] = scan(clientScan("m", "c"))
    const { collection, key } = profileRef({ merchantId: "m", clientKey: "c" })
    const personal = decodeProfile(docs.get(`${collection}/${key}`))
    return row === undefined ? undefined : { ...decodeClient(row.key, row.doc), personal }
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
      idle: false,
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

  it("whatever the order of a client's events, its first and last activity are the same", () => {
    const times = [now - 40, now - 10, now - 70, now - 20, now - 90]
    const folded = (order: ReadonlyArray<number>) => {
      const client = clientAfter(order.map((at) => event("pageview", at, now)))
      return [client?.firstSeenAt, client?.lastSeenAt, client?.lastRecordedAt, client?.events]
    }
    expect(folded(times)).toEqual([now - 90, now - 10, now, 5])
    expect(folded(times.toReversed())).toEqual(folded(times))
    expect(folded(times.toSorted())).toEqual(folded(times))
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
