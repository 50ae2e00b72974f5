import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runVerify } from "../../src/cli/verify/runVerify.js"
import type { Projection } from "../../src/processors/Projection.js"
import { projections } from "../../src/projections/index.js"
import { runCommand } from "../support/Command.js"
import { until } from "../support/until.js"
import { ADMIN_KEY, type Given, World } from "../unit/queries/world.js"

const bug = { isThere: true }

/** Throws at some events, when it has counted them already. */
const fragile = (projection: Projection): Projection => ({
  ...projection,
  apply: (event, docs) => {
    projection.apply(event, docs)
    if (bug.isThere && event.event.data.path === "/poison") throw new Error("no antidote")
  },
})

const now = Date.now()
const merchants = Array.from({ length: 100 }, (_, i) => `m-${i}`)
const poisoned = ["m-3", "m-50", "m-99"]

let world: World
/** Of the 202 for each event, in the order in which they were sent. */
let sent: ReadonlyArray<string> = []
beforeAll(async () => {
  world = await World.open({
    projections: projections.map((one) => (one.name === "metrics" ? fragile(one) : one)),
    tuning: { lookEveryMs: 20, graceMs: 0 },
  })
  const visit = (merchantId: string, path: string): Given => ({
    ...{ merchantId, path, at: now, clientId: "c-1", type: "pageview" },
  })
  await world.send(...merchants.map((merchantId) => visit(merchantId, "/first")))
  await world.send(...merchants.map((id) => visit(id, poisoned.includes(id) ? "/poison" : "/second")))
  await world.send(...merchants.map((merchantId) => visit(merchantId, "/third")))
  const { projection } = await world.ask('{ projection(name: "metrics") { serving { head } } }')
  sent = [projection.serving.head]
  await until("everything is seen", 10_000, async () => (await metrics()).serving.position === sent[0])
})
afterAll(() => world.close())

const metrics = async () =>
  (
    await world.ask(`{ projection(name: "metrics") {
      serving { position deadLetters failure }
      deadLetters { nodes { position merchantId eventType error parkedAt waiting build retrying }
                    pageInfo { hasNextPage endCursor } } } }`)
  ).projection

const range = `range: { from: "${new Date(now - 86_400_000).toISOString()}", to: "${new Date(now + 86_400_000).toISOString()}" }`
const totals = async (id: string, more = "") =>
  (
    await world.ask(`{ merchant(id: "${id}") { totals(${range} ${more}) {
      values { metric value } asOf { position stalledAt lagMs } } } }`)
  ).merchant.totals
const pageviews = ({ values }: { values: ReadonlyArray<{ metric: string; value: number }> }) =>
  values.find(({ metric }) => metric === "PAGEVIEWS")?.value

const verified = () =>
  Effect.runPromise(
    runVerify(
      {
        log: join(world.directory, "log"),
        eventLog: { _tag: "Embedded" },
        readModels: { directory: join(world.directory, "readmodels"), url: undefined },
      },
      () => {},
    ),
  )
const cli = (...args: ReadonlyArray<string>) =>
  runCommand(world.directory, [
    ...["projections", ...args, "--url", world.url.replace("/graphql", ""), "--key", ADMIN_KEY],
  ])

describe("dead letters", () => {
  it("are listed with what waits behind them, in pages", async () => {
    const { deadLetters, serving } = await metrics()
    expect(serving).toMatchObject({ deadLetters: 3, failure: null })
    expect(deadLetters.nodes.map(({ merchantId }: { merchantId: string }) => merchantId)).toEqual(poisoned)
    expect(deadLetters.nodes[0]).toMatchObject({
      ...{ eventType: "pageview", error: "no antidote", waiting: 1, build: "metrics-1", retrying: false },
    })
    const page = async (after: string) =>
      (
        await world.ask(
          `{ projection(name: "metrics") { deadLetters(first: 1${after}) { nodes { merchantId } pageInfo { hasNextPage endCursor } } } }`,
        )
      ).projection.deadLetters
    const first = await page("")
    expect(first).toMatchObject({ nodes: [{ merchantId: "m-3" }], pageInfo: { hasNextPage: true } })
    const second = await page(`, after: "${first.pageInfo.endCursor}"`)
    expect(second.nodes).toEqual([{ merchantId: "m-50" }])
  })

  it("end what their merchant's answers include, and nobody else's", async () => {
    const { deadLetters } = await metrics()
    const stalled = await totals("m-3")
    expect(pageviews(stalled)).toBe(1)
    expect(stalled.asOf.stalledAt).toBe(deadLetters.nodes[0].position)
    expect(Number(stalled.asOf.position)).toBeLessThan(Number(stalled.asOf.stalledAt))
    expect(stalled.asOf.lagMs).toBeGreaterThan(0)
    const other = await totals("m-4")
    expect(pageviews(other)).toBe(3)
    expect(other.asOf).toEqual({ position: sent[0], stalledAt: null, lagMs: 0 })
    // Filtered answers come from other documents of the build.
    const filtered = await totals("m-3", 'filter: { all: [{ dimension: DEVICE, in: ["(none)"] }] }')
    expect(filtered.asOf).toEqual({ ...stalled.asOf, lagMs: filtered.asOf.lagMs })
    const question = (id: string, more: string) =>
      `{ merchant(id: "${id}") { totals(${range} ${more}) { asOf { position } } } }`
    expect(await world.refusal(question("m-3", `atLeast: "${sent[0]}"`))).toBe("STALLED")
    expect(await world.refusal(question("m-3", `asOfPosition: "${sent[0]}"`))).toBe("STALLED")
    expect(pageviews(await totals("m-3", `atLeast: "${stalled.asOf.position}"`))).toBe(1)
    expect(pageviews(await totals("m-4", `atLeast: "${sent[0]}"`))).toBe(3)
  })

  it("are said by verify, which finds nothing wrong with the rest", { timeout: 60_000 }, async () => {
    const report = await verified()
    expect(report).toMatchObject({ equal: true, differenceCount: 0 })
    const metrics = report.builds.find(({ build }) => build === "metrics-1")
    expect(metrics?.deadLetters.map(({ merchantId, held }) => [merchantId, held])).toEqual([
      ["m-3", 2],
      ["m-50", 2],
      ["m-99", 2],
    ])
  })

  it("stop a rebuild, with the position and the reason", async () => {
    const { deadLetters } = await metrics()
    await world.ask('mutation { rebuildProjection(name: "metrics") { userErrors { code } } }')
    const failed = async () =>
      (
        await world.ask('{ projection(name: "metrics") { builds { id state failure } } }')
      ).projection.builds.find(({ id }: { id: string }) => id === "metrics-2")
    await until("it has failed", 10_000, async () => (await failed())?.state === "FAILED")
    expect((await failed()).failure).toContain("no antidote")
    expect(deadLetters.nodes).toHaveLength(3)
    await world.ask('mutation { cancelRebuild(name: "metrics") { userErrors { code } } }')
  })

  it("are retried by administrators alone, who are told what could not be folded still", {
    timeout: 60_000,
  }, async () => {
    const retry = 'mutation { retryDeadLetters(name: "metrics") { userErrors { code message } } }'
    const { createApiKey } = await world.ask(
      'mutation { createApiKey(input: { merchantId: "m-4" }) { key } }',
    )
    expect(await world.refusal(retry, {}, createApiKey.key)).toBe("FORBIDDEN")
    const refused = await cli("dead-letters", "metrics", "--retry")
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain("events of 3 merchants wait behind one that could not be folded")
    expect(refused.stdout).toContain("metrics: 3 dead letters")
    const listed = await cli("list", "metrics")
    expect(listed.stdout).toContain("3 merchants wait behind an event that it could not fold")

    bug.isThere = false
    const done = await cli("dead-letters", "metrics", "--retry", "--json")
    expect(done).toMatchObject({ code: 0, stdout: "[]\n" })
    expect(pageviews(await totals("m-3"))).toBe(3)
    expect((await totals("m-3")).asOf.stalledAt).toBeNull()
    expect((await world.ask(retry)).retryDeadLetters.userErrors[0].code).toBe("NO_DEAD_LETTERS")
  })

  it("leave after their retry what a fold without the detour gives", { timeout: 60_000 }, async () => {
    const report = await verified()
    expect(report.differences).toEqual([])
    const metrics = report.builds.find(({ build }) => build === "metrics-1")
    expect(metrics?.deadLetters).toEqual([])
    await world.ask('mutation { rebuildProjection(name: "metrics") { userErrors { code } } }')
    await until("READY", 10_000, async () => {
      const { projection } = await world.ask('{ projection(name: "metrics") { building { state } } }')
      return projection.building?.state === "READY"
    })
    const { projectionComparison } = await world.ask(
      '{ projectionComparison(name: "metrics") { equal differenceCount documents } }',
    )
    expect(projectionComparison).toMatchObject({ equal: true, differenceCount: 0 })
  })
})
