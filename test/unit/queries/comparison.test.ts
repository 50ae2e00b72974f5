import * as Effect from "effect/Effect"
import { afterAll, describe, expect, it } from "vitest"
import { clients } from "../../../src/projections/clients.js"
import { merchants } from "../../../src/projections/merchants.js"
import { metrics } from "../../../src/projections/metrics.js"
import { cursorOf } from "../../../src/queries/Page.js"
import { seededRandom } from "../../support/Seed.js"
import { until } from "../../support/until.js"
import { type Given, World } from "./world.js"
import { wrong } from "./wrong.js"

const HOUR = 3_600_000
const DAY = 24 * HOUR
const now = Math.floor(Date.now() / DAY) * DAY
const quick = { lookEveryMs: 20, graceMs: 0 }

const COMPARE = `query ($from: ID, $to: ID, $position: Position, $first: Int, $after: String) {
  projectionComparison(name: "metrics", from: $from, to: $to, position: $position) {
    equal position from to fromDigest toDigest documents differentDocuments differenceCount merchantCount
    differences(first: $first, after: $after) {
      nodes { merchantId key before after metric interval at currency dimension value } pageInfo { hasNextPage endCursor }
    }
  }
}`

interface Shown {
  readonly merchantId: string
  readonly key: string
  readonly before: number
  readonly after: number
  readonly metric: string
  readonly interval: string
  readonly at: string
  readonly dimension: string | null
  readonly value: string | null
}

describe("comparing builds", () => {
  let world: World
  const { random } = seededRandom("comparison")
  const events: ReadonlyArray<Given> = Array.from({ length: 1_500 }, (_, i) => {
    // One merchant in three gives refunds, and only on some days.
    const merchantId = `m-${random.integer(6)}`
    const at = now - random.integer(9) * DAY - random.integer(DAY)
    const mayRefund = merchantId === "m-1" || merchantId === "m-4"
    const isRefund = mayRefund && Math.floor(at / DAY) % 3 === 0 && random.integer(4) === 0
    const isPaid = isRefund || random.integer(4) === 0
    return {
      ...{ id: `e-${i}`, merchantId, at, clientId: `c-${random.integer(60)}`, path: `/${random.integer(9)}` },
      type: isRefund ? "refund" : isPaid ? "payment" : "pageview",
      ...(isPaid ? { amount: 1 + random.integer(500), currency: random.pick(["USD", "EUR"]) } : {}),
    }
  })
  afterAll(() => world?.close())

  const mutate = async (mutation: string) => {
    const { done } = await world.ask(`mutation { done: ${mutation} { userErrors { code message } } }`)
    expect(done.userErrors).toEqual([])
  }
  const untilReady = () =>
    until("READY", 20_000, async () => {
      const { projection } = await world.ask('{ projection(name: "metrics") { building { state lagMs } } }')
      return projection.building?.state === "READY" && projection.building.lagMs === 0
    })
  const found = async (asked: Record<string, unknown> = {}) => {
    const first = (await world.ask(COMPARE, { first: 200, ...asked })).projectionComparison
    const nodes: Array<Shown> = [...first.differences.nodes]
    let { hasNextPage, endCursor } = first.differences.pageInfo
    while (hasNextPage) {
      const next = (
        await world.ask(COMPARE, { ...asked, first: 200, after: endCursor, position: first.position })
      ).projectionComparison
      nodes.push(...next.differences.nodes)
      ;({ hasNextPage, endCursor } = next.differences.pageInfo)
    }
    expect(nodes).toHaveLength(first.differenceCount)
    return { ...first, nodes }
  }

  it("finds a rebuild without a change equal, document by document, while events arrive", async () => {
    world = await World.open({ projections: [wrong, clients, merchants], tuning: quick })
    for (let at = 0; at < events.length; at += 100) await world.send(...events.slice(at, at + 100))
    await mutate('rebuildProjection(name: "metrics")')
    await untilReady()
    const [comparison] = await Promise.all([
      found(),
      world.send({ merchantId: "m-1", at: now, id: "late-1", type: "refund", amount: 5, currency: "USD" }),
    ])
    expect(comparison).toMatchObject({
      equal: true,
      differenceCount: 0,
      differentDocuments: 0,
      from: "metrics-1",
    })
    expect(comparison.fromDigest).toBe(comparison.toDigest)
    expect(comparison.documents).toBeGreaterThan(100)
    await mutate('cancelRebuild(name: "metrics")')
    for (const name of ["clients", "merchants"]) {
      await mutate(`rebuildProjection(name: "${name}")`)
      await until("equal", 20_000, async () => {
        const { body } = await world.post({
          query: `{ projectionComparison(name: "${name}") { equal documents differentDocuments } }`,
        })
        return body.data?.projectionComparison.equal === true && body.data.projectionComparison.documents > 0
      })
    }
  })

  it("names exactly the merchants and buckets that a bug had wrong, largest first", async () => {
    await world.close(true)
    world = await World.open({
      projections: [wrong, metrics, clients, merchants],
      tuning: quick,
      directory: world.directory,
    })
    await mutate('rebuildProjection(name: "metrics")')
    await untilReady()
    const all: ReadonlyArray<Given> = [
      ...events,
      { merchantId: "m-1", at: now, type: "refund", amount: 5, currency: "USD" },
    ]
    const comparison = await found()
    expect(comparison).toMatchObject({ equal: false, from: "metrics-1", to: "metrics-3", merchantCount: 2 })

    const placeOf = (merchantId: string, interval: string, at: number) =>
      `${merchantId} ${interval} ${new Date(at).toISOString()}`
    const places = new Map<string, { payments: number; refunds: number }>()
    for (const { merchantId = "", at = 0, type } of all) {
      for (const [interval, length] of [
        ["DAY", DAY],
        ["HOUR", HOUR],
      ] as const) {
        const place = placeOf(merchantId, interval, Math.floor(at / length) * length)
        const sums = places.get(place) ?? { payments: 0, refunds: 0 }
        if (type === "payment") sums.payments++
        if (type === "refund") sums.refunds++
        places.set(place, sums)
      }
    }
    const expected = new Map(
      [...places].flatMap(
        ([place, { payments, refunds }]): Array<[string, [number, number]]> =>
          refunds === 0 ? [] : [[place, [payments + refunds, payments]]],
      ),
    )
    const nodes: ReadonlyArray<Shown> = comparison.nodes
    const at = (node: Shown) => placeOf(node.merchantId, node.interval, Date.parse(node.at))
    const payments = new Map(
      nodes
        .filter(({ metric, dimension }) => metric === "PAYMENTS" && dimension === null)
        .map((node) => [at(node), [node.before, node.after]]),
    )
    expect(payments).toEqual(expected)
    expect(new Set(nodes.map(at))).toEqual(new Set(expected.keys()))
    // Events are as many as before: they only are of another type.
    for (const { metric, dimension } of nodes) if (metric === "EVENTS") expect(dimension).toBe("TYPE")
    const sizes = nodes.map(({ before, after }) => Math.abs((after ?? 0) - (before ?? 0)))
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a))
  })

  it("compares the build that was replaced with the one that serves, once that is promoted", async () => {
    await mutate('promoteProjection(name: "metrics", build: "metrics-3", expectedServing: "metrics-1")')
    const comparison = await found()
    expect(comparison).toMatchObject({ equal: false, from: "metrics-1", to: "metrics-3" })
    const back = await found({ from: "metrics-3", to: "metrics-1" })
    expect(back.differenceCount).toBe(comparison.differenceCount)
    expect(back.fromDigest).toBe(comparison.toDigest)
  })

  it("refuses what can't be compared", async () => {
    expect(await world.refusal(COMPARE, { from: "metrics-9" })).toBe("BUILD_UNKNOWN")
    expect(await world.refusal(COMPARE, { from: "metrics-1", to: "metrics-1" })).toBe("NOTHING_TO_COMPARE")
    expect(await world.refusal(COMPARE, { position: "1" })).toBe("COMPARISON_UNKNOWN")
    expect(await world.refusal(COMPARE, { first: 1, after: cursorOf("m-1") })).toBe("INVALID_CURSOR")
    await mutate('pauseProjection(name: "metrics")')
    await mutate('rebuildProjection(name: "clients")').catch(() => {})
    expect(await Effect.runPromise(world.queries.projections.find("metrics"))).toMatchObject({
      paused: { by: "admin" },
    })
  })
})
