import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Client } from "../../../src/queries/ClientQueries.js"
import { everything } from "../../../src/queries/Scope.js"
import { until } from "../../support/until.js"
import { counting } from "./counting.js"
import { World } from "./world.js"

const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect)

describe("clients of all merchants", () => {
  const merchants = ["a-shop", "b-shop", "c-shop", "hasty"]
  const { calls, over } = counting()
  let world: World

  beforeAll(async () => {
    world = await World.open({ readModels: over })
    await world.ask(
      'mutation { createMerchant(input: { id: "hasty", idleAfterSeconds: 1 }) { userErrors { code } } }',
    )
    await world.send(
      ...merchants.flatMap((merchantId) =>
        Array.from({ length: 7 }, (_, index) => ({ merchantId, clientId: `${merchantId} ${index}` })),
      ),
      { merchantId: "_system", clientId: "crawler", type: "request" },
    )
    await until("all clients are listed", 10_000, async () => (await pages(undefined, 200)).length === 29)
  })
  afterAll(() => world.close())

  const pages = async (state: "ACTIVE" | "IDLE" | undefined, first: number) => {
    const found: Array<Client> = []
    let after: string | undefined
    for (;;) {
      const page = await run(world.queries.clients.listAll(state, { first, after }))
      expect(page.edges.length).toBeLessThanOrEqual(first)
      found.push(...page.edges.map(({ node }) => node))
      if (!page.hasNextPage) return found
      after = page.endCursor
    }
  }

  it("come by merchant, each once, whatever the size of a page; those of no merchant too", async () => {
    const ids = [...merchants.flatMap((id) => Array.from({ length: 7 }, (_, i) => `${id} ${i}`)), "crawler"]
    for (const first of [1, 4, 7, 29, 200]) {
      const found = await pages(undefined, first)
      expect(found.map(({ clientId }) => clientId).toSorted()).toEqual(ids.toSorted())
      const order = found.map(({ merchantId }) => merchantId ?? "_system")
      expect(order).toEqual(order.toSorted())
    }
    const crawler = (await pages(undefined, 200)).find(({ clientId }) => clientId === "crawler")
    expect(crawler).toMatchObject({ merchantId: null, requests: 1, ip: "203.0.113.7" })
  })

  it("have the state that their own merchant's idle time says", async () => {
    await until("the hasty merchant's are idle", 10_000, async () => (await pages("IDLE", 3)).length === 7)
    expect((await pages("IDLE", 200)).every(({ merchantId }) => merchantId === "hasty")).toBe(true)
    expect(await pages("ACTIVE", 5)).toHaveLength(22)
  })

  it("take one look-up for a page, by state one more, and none at their merchants", async () => {
    await pages(undefined, 200)
    calls.load.length = 0
    await pages(undefined, 200)
    expect(calls.load).toEqual([])
    await pages("IDLE", 200)
    expect(calls.load).toEqual([7])
  })

  it("go on only from a cursor of the same list", async () => {
    const shop = await run(world.queries.merchants.find(everything, "a-shop"))
    if (shop === undefined) throw new Error("no merchant")
    const all = await run(world.queries.clients.listAll(undefined, { first: 1 }))
    const own = await run(world.queries.clients.list(shop, undefined, { first: 1 }))
    const code = async <A>(effect: Effect.Effect<A, unknown>): Promise<unknown> => {
      const result = await run(Effect.either(effect))
      return Either.isLeft(result) ? (result.left as { code?: string }).code : "answered"
    }
    const { listAll, list } = world.queries.clients
    expect(await code(listAll(undefined, { after: own.endCursor }))).toBe("INVALID_CURSOR")
    expect(await code(list(shop, undefined, { after: all.endCursor }))).toBe("INVALID_CURSOR")
    expect(await code(listAll(undefined, { after: all.endCursor }))).toBe("answered")
  })
})
