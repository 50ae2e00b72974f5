import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { clientKey } from "../../../src/domain/Ids.js"
import { KeyStore } from "../../../src/keystore/KeyStore.js"
import type { EventsAsked, ListedEvent } from "../../../src/queries/EventQueries.js"
import type { Page } from "../../../src/queries/Page.js"
import { everything, ofMerchant, type Scope } from "../../../src/queries/Scope.js"
import { type Given, SECRET, World } from "./world.js"

let world: World
const at = (text: string): number => Date.parse(text)
const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect)
const range = { from: at("2026-03-01T00:00:00Z"), to: at("2026-04-01T00:00:00Z") }

const list = (asked: Partial<EventsAsked>, scope: Scope = everything): Promise<Page<ListedEvent>> =>
  run(world.queries.events.list(scope, { range, ...asked }))
const idsOf = (page: Page<ListedEvent>) => page.edges.map(({ node }) => node.recorded.event.data.id)
const ids = async (asked: Partial<EventsAsked>, scope?: Scope) => idsOf(await list(asked, scope))
const refusal = async (asked: Partial<EventsAsked>, scope: Scope = everything) => {
  const result = await run(Effect.either(world.queries.events.list(scope, { range, ...asked })))
  if (Either.isRight(result)) throw new Error("it was answered")
  return result.left as { readonly code?: string; readonly message: string }
}
/** Pages of two until the last. */
const paged = async (asked: Partial<EventsAsked>) => {
  const all: Array<string> = []
  let after: string | undefined
  do {
    const page = await list({ ...asked, first: 2, after })
    expect(page.hasPreviousPage).toBe(after !== undefined)
    all.push(...idsOf(page))
    after = page.hasNextPage ? page.endCursor : undefined
  } while (after !== undefined)
  return all
}
const send = async (...events: ReadonlyArray<Given>) =>
  run(world.queries.settled(await world.send(...events), 10_000))

beforeAll(async () => {
  world = await World.open()
})
afterAll(() => world.close())

describe("business events", () => {
  beforeAll(() =>
    send(
      { id: "old", at: at("2026-03-02T10:00:00Z"), path: "/a", clientId: "ann", country: "JP" },
      { id: "newest", at: at("2026-03-20T10:00:00Z"), path: "/b", clientId: "bob", properties: { sku: 7 } },
      { id: "paid", type: "payment", at: at("2026-03-05T10:00:00Z"), amount: 5, currency: "USD" },
      { id: "same-1", at: at("2026-03-03T10:00:00Z"), clientId: "ann" },
      { id: "same-2", at: at("2026-03-03T10:00:00Z"), properties: { sku: "A", flag: true } },
      { id: "at-from", at: range.from },
      { id: "at-to", at: range.to },
      { id: "before", at: range.from - 1 },
      { id: "other", merchantId: "m-2", at: at("2026-03-03T10:00:00Z"), clientId: "ann" },
      { id: "seen", type: "request", at: at("2026-03-03T11:00:00Z"), clientId: "ann" },
    ),
  )
  const all = ["newest", "paid", "same-2", "same-1", "old", "at-from"]

  it("of the range, exactly, are listed newest first by time and then by position", async () => {
    expect(await ids({ merchantId: "m-1" })).toEqual(all)
    const exact = { from: at("2026-03-03T10:00:00Z"), to: at("2026-03-03T10:00:00Z") + 1 }
    expect(await ids({ merchantId: "m-1", range: exact })).toEqual(["same-2", "same-1"])
  })

  it("are listed page by page, each once", async () => {
    expect(await paged({ merchantId: "m-1" })).toEqual(all)
    expect(await paged({ merchantId: "m-1", clientId: "ann" })).toEqual(["same-1", "old"])
    const whole = await list({ merchantId: "m-1", first: 6 })
    expect(whole.hasNextPage).toBe(false)
    expect(await ids({ merchantId: "m-1", after: whole.edges[2]?.cursor })).toEqual(all.slice(3))
    expect(await list({ merchantId: "m-1", first: 0 })).toMatchObject({ edges: [], hasNextPage: true })
  })

  it("come as they were stored, with the ids of their clients", async () => {
    const { edges } = await list({ merchantId: "m-1" })
    expect(edges.map(({ node }) => node.clientId)).toEqual(["bob", null, null, "ann", "ann", null])
    expect(edges[1]?.node.recorded.event).toMatchObject({ type: "payment", data: { amount: 5 } })
    expect(edges[4]?.node.recorded.event.data).toMatchObject({ path: "/a", country: "JP" })
  })

  it("can be asked for by type, client and filter", async () => {
    expect(await ids({ merchantId: "m-1", type: "payment" })).toEqual(["paid"])
    expect(await ids({ merchantId: "m-1", type: "never" })).toEqual([])
    expect(await ids({ merchantId: "m-1", clientId: "bob" })).toEqual(["newest"])
    expect(await ids({ merchantId: "m-1", clientId: "nobody" })).toEqual([])
    expect(await ids({ merchantId: "m-1", clientId: "" })).toEqual([])
    const filter = (dimension: "COUNTRY" | "PROPERTY", value: string, property?: string) => ({
      merchantId: "m-1",
      filter: { all: [{ dimension, in: [value], ...(property === undefined ? {} : { property }) }] },
    })
    expect(await ids(filter("COUNTRY", "JP"))).toEqual(["old"])
    expect(await ids(filter("PROPERTY", "7", "sku"))).toEqual(["newest"])
    expect(await ids(filter("PROPERTY", "true", "flag"))).toEqual(["same-2"])
    expect(await ids({ ...filter("COUNTRY", "(none)"), type: "pageview" })).toHaveLength(4)
  })

  it("are the caller's own when no merchant is named", async () => {
    expect(await ids({}, ofMerchant("m-2"))).toEqual(["other"])
    expect(await ids({ clientId: "ann" }, ofMerchant("m-2"))).toEqual(["other"])
  })

  it("of another merchant look exactly like those of one that does not exist", async () => {
    for (const asked of [{}, { clientId: "ann" }, { clientId: "ann", type: "request" }]) {
      const theirs = await list({ merchantId: "m-1", ...asked }, ofMerchant("m-2"))
      const missing = await list({ merchantId: "no-such", ...asked }, ofMerchant("m-2"))
      expect(theirs).toEqual(missing)
      expect(theirs).toEqual({ edges: [], hasNextPage: false, hasPreviousPage: false, endCursor: undefined })
    }
    expect(await ids({ merchantId: "_system", clientId: "ann" }, ofMerchant("m-2"))).toEqual([])
  })

  it("of a merchant whose zone was changed are listed across its zones", async () => {
    const times = ["10T22:00", "10T23:30", "11T01:00", "11T20:00"].map((time) => at(`2026-03-${time}:00Z`))
    await world.ask(
      'mutation { createMerchant(input: { id: "moved", timezone: "Asia/Tokyo" }) { userErrors { code } } }',
    )
    await send(...times.map((time, i) => ({ id: `tokyo-${i}`, merchantId: "moved", at: time })))
    await world.ask(
      'mutation { updateMerchant(input: { id: "moved", timezone: "America/Lima" }) { userErrors { code } } }',
    )
    await send(...times.map((time, i) => ({ id: `lima-${i}`, merchantId: "moved", at: time + 1 })))
    expect(await paged({ merchantId: "moved" })).toEqual(
      [3, 2, 1, 0].flatMap((i) => [`lima-${i}`, `tokyo-${i}`]),
    )
  })

  it("of a day with many are found by pages as well", async () => {
    const day = at("2026-03-15T00:00:00Z")
    const many = Array.from({ length: 700 }, (_, i) => ({
      ...{ id: `many-${i}`, merchantId: "busy", at: day + ((i * 7919) % 86_400) * 1000 },
      path: i % 100 === 0 ? "/rare" : "/often",
    }))
    await send(...many)
    const sorted = many.toSorted((a, b) => b.at - a.at)
    const page = await list({ merchantId: "busy", first: 200 })
    expect(idsOf(page)).toEqual(sorted.slice(0, 200).map(({ id }) => id))
    const next = await ids({ merchantId: "busy", first: 200, after: page.endCursor })
    expect(next).toEqual(sorted.slice(200, 400).map(({ id }) => id))
    const rare = sorted.filter(({ path }) => path === "/rare").map(({ id }) => id)
    const filter = { all: [{ dimension: "PATH" as const, in: ["/rare"] }] }
    expect(await paged({ merchantId: "busy", filter })).toEqual(rare)
  })

  it("show a client whose key was destroyed as erased", async () => {
    await send({ id: "e-1", merchantId: "erasing", at: range.from, clientId: "gone" })
    const keys = world.get(KeyStore)
    await run(keys.forget(clientKey(SECRET, "erasing", "gone")))
    const { edges } = await list({ merchantId: "erasing" })
    expect(edges.map(({ node }) => node.clientId)).toEqual(["(erased)"])
  })
})

describe("requests", () => {
  beforeAll(() =>
    send(
      ...[3, 1, 2, 5, 4].map((day) => ({
        ...{ id: `r-${day}`, merchantId: "m-3", type: "request", clientId: "cat" },
        at: at(`2026-03-0${day}T00:00:00Z`),
        path: day > 3 ? "/late" : "/early",
      })),
      { id: "visit", merchantId: "m-3", at: at("2026-03-04T00:00:00Z"), clientId: "cat" },
      { id: "s-1", merchantId: "_system", type: "request", clientId: "dog", at: at("2026-03-04T00:00:00Z") },
      { id: "s-2", merchantId: "_system", type: "request", clientId: "dog", at: at("2026-03-03T00:00:00Z") },
      { id: "s-3", merchantId: "_system", type: "request", clientId: "dog", at: range.to },
    ),
  )

  it("of a client are listed from the last recorded, in the range, by pages and by filter", async () => {
    const asked = { merchantId: "m-3", clientId: "cat", type: "request" }
    expect(await ids(asked)).toEqual(["r-4", "r-5", "r-2", "r-1", "r-3"])
    expect(await paged(asked)).toEqual(["r-4", "r-5", "r-2", "r-1", "r-3"])
    const days = { from: at("2026-03-02T00:00:00Z"), to: at("2026-03-04T00:00:00Z") }
    expect(await ids({ ...asked, range: days })).toEqual(["r-2", "r-3"])
    const filter = { all: [{ dimension: "PATH" as const, in: ["/late"] }] }
    expect(await ids({ ...asked, filter })).toEqual(["r-4", "r-5"])
    expect((await list(asked)).edges[0]?.node.clientId).toBe("cat")
    expect(await ids({ ...asked, merchantId: null }, ofMerchant("m-3"))).toHaveLength(5)
  })

  it("are not among the events that are listed without a type", async () => {
    expect(await ids({ merchantId: "m-3" })).toEqual(["visit"])
    expect(await ids({ merchantId: "m-3", clientId: "cat" })).toEqual(["visit"])
  })

  it("that name no merchant are listed by client, to who sees everything", async () => {
    expect(await ids({ clientId: "dog" })).toEqual(["s-2", "s-1"])
    expect(await paged({ clientId: "dog", type: "request" })).toEqual(["s-2", "s-1"])
    expect(await ids({ clientId: "dog", merchantId: "_system" })).toEqual(["s-2", "s-1"])
    expect(await ids({ clientId: "dog", type: "payment" })).toEqual([])
    expect(await ids({ clientId: "dog" }, ofMerchant("m-3"))).toEqual([])
  })
})

describe("a list of events", () => {
  it("refuses what can't be answered, and says what to send", async () => {
    expect(await refusal({})).toMatchObject({
      code: "MERCHANT_REQUIRED",
      message: expect.stringMatching(/merchantId/),
    })
    expect(await refusal({ merchantId: "m-1", type: "request" })).toMatchObject({
      code: "INVALID_TYPE",
      message: expect.stringMatching(/by client: send clientId/),
    })
    expect(await refusal({ merchantId: "m-1", type: "ClientSeen" })).toMatchObject({ code: "INVALID_TYPE" })
    expect(await refusal({ range: { from: 1, to: 1 } })).toMatchObject({ code: "INVALID_RANGE" })
    expect(await refusal({ merchantId: "m-1", first: 201 })).toMatchObject({ code: "INVALID_FIRST" })
    const filter = { all: [{ dimension: "PATH" as const }] }
    expect(await refusal({ merchantId: "m-1", filter })).toMatchObject({ code: "INVALID_FILTER" })
  })

  it("refuses a cursor of another list", async () => {
    const events = await list({ merchantId: "m-1" })
    const requests = await list({ merchantId: "m-3", clientId: "cat", type: "request" })
    const [event, request] = [events.endCursor, requests.endCursor]
    expect(event).toBeDefined()
    expect(request).toBeDefined()
    expect(await refusal({ merchantId: "m-1", after: request })).toMatchObject({ code: "INVALID_CURSOR" })
    expect(await refusal({ clientId: "dog", after: event })).toMatchObject({ code: "INVALID_CURSOR" })
    expect(await refusal({ merchantId: "m-1", after: "x" })).toMatchObject({ code: "INVALID_CURSOR" })
  })

  it("refuses wrongly asked questions alike, whoever asks and whatever there is", async () => {
    const theirs = await refusal({ merchantId: "m-1", type: "request" }, ofMerchant("m-2"))
    const missing = await refusal({ merchantId: "no-such", type: "request" }, ofMerchant("m-2"))
    expect(theirs.message).toBe(missing.message)
  })
})
