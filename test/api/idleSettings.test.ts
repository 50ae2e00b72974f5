import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { until } from "../support/until.js"
import { World } from "../unit/queries/world.js"

let world: World
beforeAll(async () => {
  world = await World.open()
})
afterAll(() => world.close())

const idle = async (): Promise<ReadonlyArray<string>> => {
  const { clients } = await world.ask("{ clients(state: IDLE, first: 100) { nodes { clientId } } }")
  return clients.nodes.map(({ clientId }: { readonly clientId: string }) => clientId).toSorted()
}

const groups = "idleGroups { addresses countries idleAfterSeconds }"

describe("idle times that an administrator sets", () => {
  it("for groups of a merchant's clients: deadlines follow, and it reads as it was written", async () => {
    await world.send(
      { merchantId: "shop", clientId: "jp", country: "JP" },
      { merchantId: "shop", clientId: "de", country: "DE" },
    )
    const update = `mutation ($input: UpdateMerchantInput!) { updateMerchant(input: $input) {
      merchant { ${groups} } userErrors { code path } } }`
    const input = { id: "shop", idleGroups: [{ countries: ["jp"], idleAfterSeconds: 1 }] }
    const stored = [{ addresses: [], countries: ["JP"], idleAfterSeconds: 1 }]
    expect(await world.ask(update, { input })).toEqual({
      updateMerchant: { merchant: { idleGroups: stored }, userErrors: [] },
    })
    expect(await world.ask(`{ merchant(id: "shop") { ${groups} } }`)).toEqual({
      merchant: { idleGroups: stored },
    })
    await until("the one of Japan is idle", 15_000, async () => (await idle()).length === 1)
    expect(await idle()).toEqual(["jp"])
  })

  it("and every mistake in a group is named by its field", async () => {
    const update = `mutation ($input: UpdateMerchantInput!) { updateMerchant(input: $input) {
      merchant { id } userErrors { code path } } }`
    const idleGroups = [
      { addresses: ["203.0.113.0/25", "10.0.0.0/8"], countries: ["JPN"], idleAfterSeconds: 0 },
      { idleAfterSeconds: 5 },
    ]
    const { updateMerchant } = await world.ask(update, { input: { id: "shop", idleGroups } })
    const at = (...path: ReadonlyArray<string>) => ({
      code: "INVALID_IDLE_GROUPS",
      path: ["input", "idleGroups", ...path],
    })
    expect(updateMerchant).toEqual({
      merchant: null,
      userErrors: [
        at("0", "addresses", "0"),
        at("0", "countries", "0"),
        at("0", "idleAfterSeconds"),
        at("1"),
      ],
    })
  })

  it("for the whole system, while it runs", { timeout: 40_000 }, async () => {
    const update = `mutation ($input: UpdateSystemInput!) { updateSystem(input: $input) {
      system { idleAfterSeconds ${groups} } userErrors { code path } } }`
    expect(await world.ask(`{ system { idleAfterSeconds ${groups} } }`)).toEqual({
      system: { idleAfterSeconds: null, idleGroups: [] },
    })
    const errors = (path: ReadonlyArray<string>, code: string) => ({
      updateSystem: { system: null, userErrors: [{ code, path }] },
    })
    expect(await world.ask(update, { input: { idleAfterSeconds: -1 } })).toEqual(
      errors(["input", "idleAfterSeconds"], "INVALID_IDLE_AFTER"),
    )
    expect(await world.ask(update, { input: {} })).toEqual(errors(["input"], "NOTHING_TO_CHANGE"))
    await world.send({ merchantId: "other", clientId: "elsewhere" })
    const system = { idleAfterSeconds: 1, idleGroups: [] }
    for (const input of [{ idleAfterSeconds: 1 }, { idleAfterSeconds: 1 }]) {
      expect(await world.ask(update, { input })).toEqual({ updateSystem: { system, userErrors: [] } })
    }
    expect(await world.ask(`{ system { idleAfterSeconds ${groups} } }`)).toEqual({ system })
    await until("all are idle", 15_000, async () => (await idle()).length === 3)
    const range = '{ from: "2020-01-01T00:00:00Z", to: "2020-01-02T00:00:00Z" }'
    const active = `{ overview(range: ${range}, interval: DAY) { activeClients } }`
    expect(await world.ask(active)).toEqual({ overview: { activeClients: 0 } })
    await world.ask(update, { input: { idleAfterSeconds: 0 } })
    await world.send({ merchantId: "other", clientId: "back" })
    expect(await world.ask(active)).toEqual({ overview: { activeClients: 1 } })
    expect(await world.ask(`{ system { idleAfterSeconds } }`)).toEqual({ system: { idleAfterSeconds: null } })
  })

  it("is for administrators alone", async () => {
    const { createApiKey } = await world.ask(
      'mutation { createApiKey(input: { merchantId: "shop" }) { key userErrors { code } } }',
    )
    for (const query of [
      "{ system { idleAfterSeconds } }",
      "mutation { updateSystem(input: { idleAfterSeconds: 5 }) { userErrors { code } } }",
    ]) {
      expect(await world.refusal(query, {}, createApiKey.key)).toBe("FORBIDDEN")
    }
  })
})
