import { readdirSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { PlantedProgram } from "../support/PlantedProgram.js"
import { rounds } from "../support/rounds.js"
import { runVerify } from "../support/runVerify.js"
import { seededRandom } from "../support/Seed.js"
import { chosenOr, patience } from "../support/stores.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const HISTORY = rounds(8_000, 400_000)
const EVENTS_PER_SECOND = rounds(50, 500)
const KILLS = rounds(2, 20)
const REBUILD_MS = patience * rounds(60_000, 1_200_000)
const MERCHANTS = 5

const DAY = 86_400_000
/** What arrives meanwhile lies after this. */
const yesterday = Math.floor(Date.now() / DAY) * DAY - DAY
const range = { from: new Date(yesterday - 20 * DAY).toISOString(), to: new Date(yesterday).toISOString() }

const program = new PlantedProgram()
const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path, {}, [], program.root)
const { random } = seededRandom("one merchant's rebuild")
const isEmbedded = chosenOr({ eventLog: "embedded", readModels: "embedded" }).readModels === "embedded"

/** The present code of before: it takes refunds for payments. */
const WRONG = `{ ...metrics, version: metrics.version - 1, apply: (recorded, docs) => metrics.apply(
  recorded.event.type === "refund" ? { ...recorded, event: { ...recorded.event, type: "payment" } } : recorded, docs) }`
const deploy = (definitions: string) => {
  program.plant("projections/index.js", (text) =>
    text.replace("projections = [metrics, ", `projections = [${definitions}, `),
  )
}

let made = 0
const event = (timestamp: number) => {
  const type = random.pick(["pageview", "pageview", "payment", "refund"])
  return {
    ...{ id: `e-${made++}`, type, timestamp, merchantId: `m-${random.integer(MERCHANTS)}` },
    ...{ clientId: `c-${random.integer(200)}`, url: `/page/${random.integer(20)}` },
    ...(type === "pageview" ? {} : { amount: random.integer(1_000), currency: "USD" }),
  }
}

interface Shown {
  readonly id: string
  readonly merchantId: string | null
  readonly state: string
  readonly progress: number
  readonly lagMs: number
}

const builds = async (): Promise<ReadonlyArray<Shown>> =>
  (
    await tidemark.graphql(
      '{ projection(name: "metrics") { builds { id merchantId state progress lagMs } } }',
    )
  ).projection.builds
const command = async (mutation: string) => {
  const { done } = await tidemark.graphql(
    `mutation { done: ${mutation} { projection { building { id } serving { id } } userErrors { code message } } }`,
  )
  expect(done.userErrors).toEqual([])
  return done.projection
}
const rebuild = async (merchantId: string): Promise<string> =>
  (await command(`rebuildProjection(name: "metrics", merchantId: "${merchantId}")`)).building.id
const untilReady = (build: string) =>
  until(`${build} is ready`, REBUILD_MS, async () =>
    (await builds()).some(({ id, state }) => id === build && state === "READY"),
  )
const untilFolded = () =>
  until("all is folded", REBUILD_MS, async () => {
    const { projections } = await tidemark.graphql("{ projections { builds { position head } } }")
    return projections.every(
      ({ builds: all }: { builds: ReadonlyArray<{ position: string; head: string }> }) =>
        all.every(({ position, head }) => position === head),
    )
  })

const numbersOf = async (id: string) => {
  const { merchant } = await tidemark.graphql(
    `query ($id: ID!, $range: TimeRange!) { merchant(id: $id) {
      totals(range: $range) { values { metric value } asOf { build } }
      series(metric: PAYMENTS, range: $range, interval: DAY) { points { value } }
      breakdown(metric: EVENTS, by: TYPE, range: $range) { rows { key value } } } }`,
    { id, range },
  )
  const { asOf, values } = merchant.totals
  return { build: asOf.build as string, numbers: JSON.stringify({ ...merchant, totals: values }) }
}
const everybody = Array.from({ length: MERCHANTS }, (_, index) => `m-${index}`)
const answers = async () =>
  Object.fromEntries(await Promise.all(everybody.map(async (id) => [id, await numbersOf(id)] as const)))

const COMPARE = `query ($from: ID, $to: ID) { projectionComparison(name: "metrics", from: $from, to: $to) {
  from to equal documents differentDocuments merchantCount differenceCount
  differences(first: 200) { nodes { merchantId metric interval at dimension before after } } } }`
const comparison = async (asked: Record<string, string> = {}) => {
  // Not level at the moment is said as such: what arrives has to settle first.
  for (let attempt = 0; ; attempt++) {
    const answer = await tidemark.graphql(COMPARE, asked).catch((error: Error) => error)
    if (!(answer instanceof Error)) return answer.projectionComparison
    if (!answer.message.includes("NOT_READY") || attempt > 20) throw answer
  }
}

const beside: Array<() => unknown> = []
afterEach(async () => {
  for (const stop of beside.splice(0)) await stop()
})

/** Events of now, at the rate, until told to stop. */
const arriving = () => {
  let isOver = false
  const running = (async () => {
    const began = performance.now()
    for (let sent = 0; !isOver; ) {
      const due = Math.floor(((performance.now() - began) / 1000) * EVENTS_PER_SECOND)
      const batch = Array.from({ length: Math.min(200, due - sent) }, () => event(Date.now()))
      sent += batch.length
      if (batch.length > 0) expect((await tidemark.send(batch)).status).toBe(202)
      else await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  const stop = () => {
    isOver = true
    return running
  }
  beside.push(stop)
  return { stop }
}

const filesOf = (build: string) =>
  readdirSync(join(directory.path, "readmodels")).filter((name) => name.includes(`-${build}.db`))

beforeAll(async () => {
  deploy(WRONG)
  await tidemark.start()
  while (made < HISTORY) {
    const batch = Array.from({ length: 1_000 }, () => event(yesterday - random.integer(18 * DAY) - 1))
    expect((await tidemark.send(batch)).status).toBe(202)
  }
  await untilFolded()
  await tidemark.stop()
  deploy(`metrics, ${WRONG}`)
  await tidemark.start()
}, 2 * REBUILD_MS)
afterAll(async () => {
  await tidemark.kill()
  directory.remove()
  program.remove()
})

describe("one merchant is rebuilt beside the rest", () => {
  it("while events arrive: exactly its wrong buckets are named, it alone is switched, and back at once", {
    timeout: 3 * REBUILD_MS,
  }, async () => {
    const before = await answers()
    const arrival = arriving()
    const build = await rebuild("m-1")
    await untilReady(build)
    const compared = await comparison()
    expect(compared).toMatchObject({ from: "metrics-1", to: build, equal: false, merchantCount: 1 })
    for (const { merchantId, metric, dimension } of compared.differences.nodes) {
      expect(merchantId).toBe("m-1")
      // Events are as many as before: they only are of another type.
      if (metric === "EVENTS") expect(dimension).toBe("TYPE")
    }
    await command(`promoteProjection(name: "metrics", build: "${build}", expectedServing: "metrics-1")`)
    const promoted = await answers()
    expect(promoted["m-1"]?.build).toBe(build)
    expect(promoted["m-1"]?.numbers).not.toBe(before["m-1"]?.numbers)
    for (const id of everybody.filter((one) => one !== "m-1")) expect(promoted[id]).toEqual(before[id])
    const typesIn = (numbers = "{}") =>
      JSON.parse(numbers).breakdown.rows.map(({ key }: { key: string }) => key)
    expect(typesIn(before["m-1"]?.numbers)).not.toContain("refund")
    expect(typesIn(promoted["m-1"]?.numbers)).toContain("refund")
    await command(`rollbackProjection(name: "metrics", expectedServing: "${build}")`)
    expect(await answers()).toEqual(before)
    await command(`promoteProjection(name: "metrics", build: "${build}", expectedServing: "metrics-1")`)
    expect(await answers()).toEqual(promoted)
    await arrival.stop()
  })

  it("after kill -9 it goes on where it was, and ends equal to a fold of the whole", {
    timeout: (KILLS + 2) * (REBUILD_MS + 60_000),
  }, async () => {
    await command('rebuildProjection(name: "metrics")')
    const whole = (await builds()).find(({ state }) => state === "BUILDING" || state === "READY")?.id ?? ""
    const killedAt: Array<number> = []
    for (let round = 0; round < KILLS; round++) {
      const id = `m-${2 + random.integer(3)}`
      const build = await tidemark
        .graphql(
          `mutation { done: rebuildProjection(name: "metrics", merchantId: "${id}") { projection { builds { id merchantId } } userErrors { code } } }`,
        )
        .then(
          ({ done }) =>
            done.projection.builds.find(({ merchantId }: Shown) => merchantId === id)?.id as string,
        )
      await new Promise((resolve) => setTimeout(resolve, random.integer(rounds(3_000, 20_000))))
      killedAt.push((await builds()).find((one) => one.id === build)?.progress ?? 0)
      await tidemark.kill()
      await tidemark.start()
      await untilReady(build)
      await untilReady(whole)
      const compared = await comparison({ from: whole, to: build })
      expect(compared).toMatchObject({ equal: true, differentDocuments: 0 })
      expect(compared.documents).toBeGreaterThan(10)
      await command(`dropProjectionBuild(name: "metrics", build: "${build}")`)
    }
    console.log(`killed at ${killedAt.map((share) => `${Math.round(share * 100)} %`).join(", ")} of the log`)
    // That which serves m-1 went on through all of it.
    const own = (await builds()).find(({ merchantId }) => merchantId === "m-1")?.id ?? ""
    await untilFolded()
    expect(await comparison({ from: whole, to: own })).toMatchObject({ equal: true, differentDocuments: 0 })
    await command('cancelRebuild(name: "metrics")')
  })

  it("a cancelled one leaves nothing behind, also when the program is killed right then", {
    timeout: REBUILD_MS + 60_000,
  }, async () => {
    const idsOf = async () => (await builds()).map(({ id }) => id)
    const before = await idsOf()
    const build = await rebuild("m-4")
    if (isEmbedded) await until("it has a file", 30_000, () => filesOf(build).length > 0)
    else await untilReady(build)
    const cancelling = command('cancelRebuild(name: "metrics")').catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, random.integer(50)))
    await tidemark.kill()
    await cancelling
    await tidemark.start()
    if ((await idsOf()).includes(build)) await command('cancelRebuild(name: "metrics")')
    expect(await idsOf()).toEqual(before)
    if (isEmbedded) await until("no file of it", 10_000, () => filesOf(build).length === 0)
  })

  it("a rebuild of all makes it superfluous, and verify finds that of all and one over it equal", {
    timeout: 3 * REBUILD_MS + 120_000,
  }, async () => {
    const own = await numbersOf("m-1")
    await command('resetProjection(name: "metrics")')
    const serving = async () =>
      (await tidemark.graphql('{ projection(name: "metrics") { serving { id } } }')).projection.serving.id
    await until("it serves", REBUILD_MS, async () => (await serving()) !== "metrics-1")
    const all = await answers()
    expect(new Set(Object.values(all).map(({ build }) => build))).toEqual(new Set([await serving()]))
    expect(all["m-1"]?.numbers).toBe(own.numbers)
    await command('dropProjectionBuild(name: "metrics", build: "metrics-1")')
    expect((await builds()).map(({ id }) => id)).toEqual([await serving()])
    const build = await rebuild("m-2")
    await untilReady(build)
    await command(
      `promoteProjection(name: "metrics", build: "${build}", expectedServing: "${await serving()}")`,
    )
    expect((await numbersOf("m-2")).numbers).toBe(all["m-2"]?.numbers)
    await untilFolded()
    await tidemark.stop()
    const verified = await runVerify(directory.path)
    expect(verified.output).toContain(build)
    expect(verified).toMatchObject({ code: 0 })
  })
})
