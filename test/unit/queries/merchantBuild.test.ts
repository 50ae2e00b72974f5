import { type Client, createClient } from "graphql-ws"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import WebSocket from "ws"
import { clients } from "../../../src/projections/clients.js"
import { hourly } from "../../../src/projections/hourly.js"
import { merchants } from "../../../src/projections/merchants.js"
import { metrics } from "../../../src/projections/metrics.js"
import { runCommand } from "../../support/Command.js"
import { seededRandom } from "../../support/Seed.js"
import { until } from "../../support/until.js"
import { ADMIN_KEY, type Given, World } from "./world.js"
import { wrong } from "./wrong.js"

const HOUR = 3_600_000
const DAY = 24 * HOUR
const now = Math.floor(Date.now() / DAY) * DAY
const quick = { lookEveryMs: 20, graceMs: 0 }
const range = { from: new Date(now - 9 * DAY).toISOString(), to: new Date(now).toISOString() }

const { random } = seededRandom("a merchant's build")
let made = 0
const event = (merchantId: string, at = now - 1 - random.integer(8 * DAY)): Given => {
  const type = random.pick(["pageview", "pageview", "payment", "refund"])
  return {
    ...{ id: `e-${made++}`, merchantId, at, type, clientId: `c-${random.integer(40)}` },
    path: `/${random.integer(9)}`,
    ...(type === "pageview" ? {} : { amount: 1 + random.integer(500), currency: "USD" }),
  }
}

const NUMBERS = `query ($id: ID!, $range: TimeRange!, $atLeast: Position, $asOf: Position) { merchant(id: $id) {
  totals(range: $range, atLeast: $atLeast, asOfPosition: $asOf) { values { metric value } asOf { position build } }
  series(metric: PAYMENTS, range: $range, interval: DAY, asOfPosition: $asOf) { points { value } asOf { build } }
  breakdown(metric: EVENTS, by: TYPE, range: $range, asOfPosition: $asOf) { rows { key value } asOf { build } }
  filtered: totals(range: $range, asOfPosition: $asOf, filter: { all: [{ dimension: TYPE, in: ["payment"] }] }) {
    values { metric value } asOf { build } } } }`

const SHOWN =
  "projection { serving { id } building { id merchantId state } builds { id merchantId state } } userErrors { code message }"

describe("the build of one merchant", () => {
  let world: World
  beforeAll(async () => {
    world = await World.open({ projections: [wrong, clients, merchants, hourly], tuning: quick })
    for (let batch = 0; batch < 12; batch++) {
      await world.send(...Array.from({ length: 100 }, () => event(`m-${random.integer(5)}`)))
    }
    await untilFolded()
    await world.close(true)
    world = await World.open({
      projections: [wrong, metrics, clients, merchants, hourly],
      ...{ tuning: quick, directory: world.directory },
    })
  })
  afterAll(() => world?.close())

  const untilFolded = () =>
    until("folded", 20_000, async () => {
      const { projections } = await world.ask("{ projections { builds { position head } } }")
      return projections.every(({ builds }: { builds: ReadonlyArray<{ position: string; head: string }> }) =>
        builds.every(({ position, head }) => position === head),
      )
    })
  const mutate = async (mutation: string) =>
    (await world.ask(`mutation { done: ${mutation} { ${SHOWN} } }`)).done
  const done = async (mutation: string) => {
    const { projection, userErrors } = await mutate(mutation)
    expect(userErrors).toEqual([])
    return projection
  }
  const untilReady = (build: string, name = "metrics") =>
    until("READY", 20_000, async () => {
      const { projection } = await world.ask(`{ projection(name: "${name}") { builds { id state lagMs } } }`)
      const own = projection.builds.find((one: { id: string }) => one.id === build)
      return own?.state === "READY" && own.lagMs === 0
    })
  const numbersOf = async (id: string, more: Record<string, unknown> = {}) =>
    (await world.ask(NUMBERS, { id, range, ...more })).merchant
  const buildsIn = (numbers: Record<string, { asOf: { build: string } }>) => [
    ...new Set(Object.values(numbers).map(({ asOf }) => asOf.build)),
  ]
  const without = (numbers: unknown) =>
    JSON.parse(JSON.stringify(numbers, (key, value) => (key === "asOf" ? undefined : value)))
  const payments = ({ totals }: { totals: { values: ReadonlyArray<{ metric: string; value: number }> } }) =>
    totals.values.find(({ metric }) => metric === "PAYMENTS")?.value
  const everybody = ["m-0", "m-1", "m-2", "m-3", "m-4"]
  const others = everybody.filter((id) => id !== "m-1")
  const overview = async () =>
    without(
      (
        await world.ask(
          "query ($range: TimeRange!) { overview(range: $range, interval: DAY) { series { metric points { value } } volumes { amount } } }",
          { range },
        )
      ).overview,
    )

  let wrongNumbers: ReadonlyArray<unknown>
  let rightNumbers: unknown

  it("is compared with the numbers of that merchant alone: exactly its wrong buckets are named", async () => {
    wrongNumbers = await Promise.all(others.map(async (id) => without(await numbersOf(id))))
    const begun = await done('rebuildProjection(name: "metrics", merchantId: "m-1")')
    expect(begun).toMatchObject({
      serving: { id: "metrics-1" },
      building: { id: "metrics-2", merchantId: "m-1" },
    })
    await untilReady("metrics-2")
    expect(buildsIn(await numbersOf("m-1"))).toEqual(["metrics-1"])
    const { projectionComparison: compared } = await world.ask(`{ projectionComparison(name: "metrics") {
      from to equal merchantCount documents differences(first: 200) { nodes { merchantId metric interval at dimension before after } } } }`)
    expect(compared).toMatchObject({ from: "metrics-1", to: "metrics-2", equal: false, merchantCount: 1 })
    const { nodes } = compared.differences
    expect(new Set(nodes.map(({ merchantId }: { merchantId: string }) => merchantId))).toEqual(
      new Set(["m-1"]),
    )
    // The same as of a rebuild of all, so far as it is of this merchant.
    await done('rebuildProjection(name: "metrics")')
    await untilReady("metrics-3")
    const { projectionComparison: whole } =
      await world.ask(`{ projectionComparison(name: "metrics", from: "metrics-2", to: "metrics-3") {
      equal documents differentDocuments fromDigest toDigest } }`)
    expect(whole).toMatchObject({ equal: true, differentDocuments: 0 })
    expect(whole.documents).toBeGreaterThan(10)
    expect(whole.fromDigest).toBe(whole.toDigest)
    await done('cancelRebuild(name: "metrics")')
  })

  it("answers at once for that merchant alone once promoted, every kind of question", async () => {
    const before = await overview()
    const promoted = await done(
      'promoteProjection(name: "metrics", build: "metrics-2", expectedServing: "metrics-1")',
    )
    expect(promoted).toEqual({
      serving: { id: "metrics-1" },
      building: null,
      builds: [
        { id: "metrics-1", merchantId: null, state: "SERVING" },
        { id: "metrics-2", merchantId: "m-1", state: "SERVING" },
      ],
    })
    const fixed = await numbersOf("m-1")
    rightNumbers = without(fixed)
    expect(buildsIn(fixed)).toEqual(["metrics-2"])
    const byType = Object.fromEntries(
      fixed.breakdown.rows.map(({ key, value }: { key: string; value: number }) => [key, value]),
    )
    expect(byType.refund).toBeGreaterThan(0)
    expect(payments(fixed)).toBe(byType.payment)
    const unchanged = await Promise.all(others.map((id) => numbersOf(id)))
    expect(unchanged.map(without)).toEqual(wrongNumbers)
    expect(unchanged.flatMap(buildsIn)).toEqual(others.map(() => "metrics-1"))
    // Of all merchants together are the numbers of the build of all.
    expect(await overview()).toEqual(before)
    // As it stood, made anew of the facts of its own build.
    const { position } = fixed.totals.asOf
    const past = await numbersOf("m-1", { asOf: position })
    expect(buildsIn(past)).toEqual(["metrics-2"])
    expect(without(past)).toEqual(rightNumbers)
    // What was just sent is waited for there.
    const at = now - HOUR
    const sent = await world.send({ ...event("m-1", at), type: "payment", amount: 7, currency: "USD" })
    const next = await numbersOf("m-1", { atLeast: sent })
    expect(payments(next)).toBe((payments(fixed) ?? 0) + 1)
    expect(next.totals.asOf.build).toBe("metrics-2")
    rightNumbers = without(await numbersOf("m-1"))
    const { events } = await world.ask(
      'query ($range: TimeRange!) { events(merchantId: "m-1", range: $range, type: "refund", first: 200) { nodes { type } } }',
      { range },
    )
    expect(events.nodes).toHaveLength(byType.refund)
  })

  it("goes on, live too, beside the build of all, and several merchants in one question are answered each by its own", async () => {
    const client: Client = createClient({
      url: world.url.replace("http", "ws"),
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${ADMIN_KEY}` },
      retryAttempts: 0,
    })
    const today: Array<number> = []
    client.subscribe<{ liveMetrics: { today: ReadonlyArray<{ metric: string; value: number }> } }>(
      { query: 'subscription { liveMetrics(merchantId: "m-1") { today { metric value } } }' },
      {
        next: ({ data }) =>
          today.push(data?.liveMetrics.today.find((one) => one.metric === "REFUNDS")?.value ?? -1),
        error: () => today.push(-1),
        complete: () => {},
      },
    )
    await until("a first state", 10_000, () => today.length > 0)
    await world.send({ ...event("m-1", Date.now()), type: "refund", amount: 3, currency: "USD" })
    // The build of all would count it as a payment.
    await until("the refund", 10_000, () => today.at(-1) === 1)
    await client.dispose()
    const { a, b } = await world.ask(
      `query ($range: TimeRange!) { a: merchant(id: "m-1") { totals(range: $range) { asOf { build } } }
        b: merchant(id: "m-2") { totals(range: $range) { asOf { build } } } }`,
      { range },
    )
    expect([a.totals.asOf.build, b.totals.asOf.build]).toEqual(["metrics-2", "metrics-1"])
  })

  it("is taken back at once, and stays to be promoted again", async () => {
    const back = await done('rollbackProjection(name: "metrics", expectedServing: "metrics-2")')
    expect(back.builds).toMatchObject([{ state: "SERVING" }, { id: "metrics-2", state: "STANDBY" }])
    const now = await numbersOf("m-1")
    expect(buildsIn(now)).toEqual(["metrics-1"])
    expect(without(now)).not.toEqual(rightNumbers)
    await done('promoteProjection(name: "metrics", build: "metrics-2", expectedServing: "metrics-1")')
    expect(without(await numbersOf("m-1"))).toEqual(rightNumbers)
  })

  it("makes way for a build of all", async () => {
    await done('resetProjection(name: "metrics")')
    await until("it serves", 20_000, async () => {
      const { projection } = await world.ask('{ projection(name: "metrics") { serving { id } } }')
      return projection.serving.id === "metrics-4"
    })
    const all = await Promise.all(everybody.map((id) => numbersOf(id)))
    expect(all.flatMap(buildsIn)).toEqual(everybody.map(() => "metrics-4"))
    expect(without(all[1])).toEqual(rightNumbers)
    await done('dropProjectionBuild(name: "metrics", build: "metrics-1")')
    const { projection } = await world.ask('{ projection(name: "metrics") { builds { id } } }')
    expect(projection.builds).toEqual([{ id: "metrics-4" }])
  })

  it("is made of clients and of projections in one file as well, and of nothing that crosses merchants", async () => {
    const CLIENTS = `{ merchant(id: "m-1") { clients(first: 3) { nodes { clientId requests firstSeenAt idlePeriods { nodes { historical } } } }
      client(clientId: "c-1") { clientId firstSeenAt } } }`
    const before = await world.ask(CLIENTS)
    for (const name of ["clients", "hourly"]) {
      const begun = await done(`rebuildProjection(name: "${name}", merchantId: "m-1")`)
      expect(begun.building).toMatchObject({ id: `${name}-2`, merchantId: "m-1" })
      await untilReady(`${name}-2`, name)
      await done(`promoteProjection(name: "${name}", build: "${name}-2", expectedServing: "${name}-1")`)
    }
    expect(await world.ask(CLIENTS)).toEqual(before)
    const { userErrors } = await mutate('rebuildProjection(name: "merchants", merchantId: "m-1")')
    expect(userErrors).toMatchObject([{ code: "CROSSES_MERCHANTS" }])
    const unknown = await mutate('rebuildProjection(name: "metrics", merchantId: "m-99")')
    expect(unknown.userErrors).toMatchObject([{ code: "MERCHANT_UNKNOWN" }])
  })

  it("is managed from the command line", { timeout: 120_000 }, async () => {
    const url = world.url.replace("/graphql", "")
    const tidemark = async (...args: ReadonlyArray<string>) =>
      runCommand(world.directory, ["projections", ...args, "--url", url, "--key", ADMIN_KEY])
    const rebuilt = await tidemark("rebuild", "metrics", "--merchant", "m-3")
    expect(rebuilt).toMatchObject({ code: 0 })
    expect(rebuilt.stdout).toMatch(new RegExp(`metrics-5 +metrics@${metrics.version} of m-3 +READY`))
    const compared = await tidemark("compare", "metrics")
    expect(compared).toMatchObject({ code: 0 })
    expect(compared.stdout).toContain("metrics-4 and metrics-5 at position")
    expect((await tidemark("promote", "metrics", "metrics-5")).stdout).toMatch(/of m-3 +SERVING/)
    expect((await tidemark("rollback", "metrics", "--merchant", "m-2")).code).toBe(2)
    expect((await tidemark("rollback", "metrics", "--merchant", "m-3")).stdout).toMatch(/of m-3 +STANDBY/)
    expect((await tidemark("rebuild", "metrics", "--merchant", "m-2", "--no-wait")).code).toBe(0)
    expect((await tidemark("cancel", "metrics", "--merchant", "m-2")).code).toBe(0)
    expect((await tidemark("drop", "metrics", "metrics-5")).stdout).not.toContain("metrics-5  ")
  })
})
