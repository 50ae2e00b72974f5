import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Merchant from "../../../src/actors/Merchant.js"
import type { Incoming } from "../../../src/actors/Recorder.js"
import type { StoredEvent } from "../../../src/domain/Event.js"

const at: Merchant.At = { now: 1_000, revision: 7 }
const merchantId = "m-1"

const stateOf = (events: ReadonlyArray<StoredEvent>): Merchant.Merchant =>
  events.reduce(Merchant.evolve, Merchant.initial)

const decide = (given: ReadonlyArray<StoredEvent>, command: Merchant.Command) =>
  Merchant.decide(stateOf(given), command, at)

const eventsOf = (decision: Merchant.Decision): ReadonlyArray<StoredEvent> =>
  decision._tag === "Append" ? decision.events : expect.fail(`decided ${decision._tag}`)

const given = (...commands: ReadonlyArray<Merchant.Command>): ReadonlyArray<StoredEvent> => {
  const events: Array<StoredEvent> = []
  for (const command of commands) events.push(...eventsOf(decide(events, command)))
  return events
}

const create = (change = {}): Merchant.Command => ({ _tag: "Create", merchantId, change })
const update = (change = {}): Merchant.Command => ({ _tag: "Update", merchantId, change })
const apiKey = (kind: "issue" | "revoke", keyId = "k", hash = "ab"): Merchant.Command => ({
  _tag: "ApiKey",
  merchantId,
  kind,
  keyId,
  ...(kind === "issue" ? { hash } : {}),
})
const incoming = (data: Partial<Incoming["data"]> = {}): Incoming => ({
  type: "payment",
  at: 5,
  data: { id: "e", merchantId, ...data },
})

const changes = fc.record(
  {
    name: fc.string(),
    timezone: fc.constantFrom("UTC", "Asia/Tokyo"),
    currency: fc.constantFrom("USD", "EUR"),
    grade: fc.string(),
    idleAfterSeconds: fc.nat(),
  },
  { requiredKeys: [] },
)

describe("create", () => {
  it("gives a merchant its settings over the defaults, and is refused the second time", () => {
    const events = given(create({ name: "One" }))
    expect(events).toMatchObject([
      {
        type: "MerchantCreated",
        at: 1_000,
        data: { merchantId, settings: { name: "One", timezone: "UTC", currency: "USD" } },
      },
    ])
    expect(decide(events, create({ name: "Two" }))).toEqual({ _tag: "Exists" })
  })

  it("settings are those asked for, whatever they are; repeated it appends nothing", () => {
    fc.assert(
      fc.property(changes, (change) => {
        const events = given(create(change))
        expect(stateOf(events).settings).toEqual({ timezone: "UTC", currency: "USD", ...change })
        expect(decide(events, create(change))._tag).toBe("Exists")
      }),
    )
  })
})

describe("update", () => {
  it("is refused for a merchant that does not exist", () => {
    expect(decide([], update({ name: "x" }))).toEqual({ _tag: "Missing" })
  })

  it("records only what changes, named after its revision", () => {
    const events = given(create({ name: "One" }))
    expect(eventsOf(decide(events, update({ name: "One", grade: "gold" })))).toMatchObject([
      { type: "MerchantSettingsChanged", data: { id: "settings-7", settings: { grade: "gold" } } },
    ])
  })

  it("ends with what was asked for; repeated it appends nothing", () => {
    fc.assert(
      fc.property(changes, changes, (before, change) => {
        const created = given(create(before))
        const events = [...created, ...eventsOf(decide(created, update(change)))]
        expect(stateOf(events).settings).toEqual({ timezone: "UTC", currency: "USD", ...before, ...change })
        expect(eventsOf(decide(events, update(change)))).toEqual([])
      }),
    )
  })
})

describe("API keys", () => {
  it("are for merchants that exist", () => {
    expect(decide([], apiKey("issue"))).toEqual({ _tag: "Missing" })
    expect(decide(given(create()), apiKey("revoke"))).toEqual({ _tag: "Missing" })
  })

  it("are issued once and revoked once; an id is never used again", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (keyId, hash) => {
        const issued = given(create(), apiKey("issue", keyId, hash))
        expect(issued).toHaveLength(2)
        expect(eventsOf(decide(issued, apiKey("issue", keyId, hash)))).toEqual([])
        expect(decide(issued, apiKey("issue", keyId, `${hash}!`))).toEqual({ _tag: "Exists" })
        const revoked = [...issued, ...eventsOf(decide(issued, apiKey("revoke", keyId)))]
        expect(revoked).toHaveLength(3)
        expect(eventsOf(decide(revoked, apiKey("revoke", keyId)))).toEqual([])
        expect(decide(revoked, apiKey("issue", keyId, hash))).toEqual({ _tag: "Exists" })
      }),
    )
  })
})

describe("record", () => {
  const record = (event: Incoming, mayCreate: boolean): Merchant.Command => ({
    _tag: "Record",
    incoming: event,
    mayCreate,
  })

  it("creates the merchant for an administrator, and for nobody else", () => {
    expect(decide([], record(incoming(), false))).toEqual({ _tag: "Missing" })
    expect(eventsOf(decide([], record(incoming(), true))).map(({ type }) => type)).toEqual([
      "MerchantCreated",
      "payment",
    ])
    expect(decide([], record(incoming({ merchantId: "_system" }), true))).toEqual({ _tag: "Missing" })
  })

  it("fills in the merchant's currency where there is an amount without one, and nowhere else", () => {
    fc.assert(
      fc.property(
        fc.option(fc.nat(), { nil: undefined }),
        fc.option(fc.constantFrom("JPY", "GBP"), { nil: undefined }),
        (amount, currency) => {
          const data = {
            ...(amount === undefined ? {} : { amount }),
            ...(currency === undefined ? {} : { currency }),
          }
          const [event] = eventsOf(decide(given(create({ currency: "EUR" })), record(incoming(data), false)))
          expect(event?.data.currency).toBe(currency ?? (amount === undefined ? undefined : "EUR"))
          expect({ ...event?.data, currency: undefined }).toEqual({
            id: "e",
            merchantId,
            ...data,
            currency: undefined,
          })
        },
      ),
    )
  })

  it("a visit of a client creates the merchant, and records nothing of its own", () => {
    const visit = (mayCreate: boolean): Merchant.Command => ({ _tag: "Visit", merchantId, mayCreate })
    expect(decide([], visit(false))).toEqual({ _tag: "Missing" })
    const events = given(visit(true))
    expect(events.map(({ type }) => type)).toEqual(["MerchantCreated"])
    expect(eventsOf(decide(events, visit(true)))).toEqual([])
  })
})
