import { readdirSync } from "node:fs"
import { join } from "node:path"
import { type Client, createClient } from "graphql-ws"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import WebSocket from "ws"
import { rounds } from "../support/rounds.js"
import { runVerify } from "../support/runVerify.js"
import { seededRandom } from "../support/Seed.js"
import { randomEvent, Sender } from "../support/Sender.js"
import { ADMIN_KEY, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

/** In which the program is killed. A kill costs a whole rebuild: with all events twenty would take hours. */
const KILL_HISTORY = rounds(10_000, 400_000)
const HISTORY = rounds(10_000, 2_000_000)
const EVENTS_PER_SECOND = rounds(100, 1_000)
const CLIENTS = rounds(4, 20)
const SUBSCRIBERS = rounds(4, 20)
const SWITCHES = rounds(2, 6)
const KILLS = rounds(2, 20)
const REBUILD_MS = rounds(60_000, 1_800_000)
const KILL_WITHIN_MS = rounds(2_000, 6_000)

const DAY = 86_400_000
const now = Date.now()
/** What arrives while builds are switched lies after this. */
const yesterday = Math.floor(now / DAY) * DAY - DAY

const directory = temporaryDirectory()
/** Also on a machine of one core. */
const tidemark = new TidemarkProcess(directory.path, { TIDEMARK_REBUILD_THREADS: "2" })
const { random } = seededRandom("rebuild")

interface Projection {
  readonly paused: boolean
  readonly serving: { readonly id: string }
  readonly building: { readonly id: string; readonly state: string; readonly progress: number } | null
  readonly builds: ReadonlyArray<{ readonly id: string; readonly state: string }>
}

const projection = async (name = "metrics"): Promise<Projection> =>
  (
    await tidemark.graphql(
      `query ($name: String!) { projection(name: $name) {
        paused serving { id } building { id state progress } builds { id state } } }`,
      { name },
    )
  ).projection

const command = async (mutation: string): Promise<void> => {
  const { done } = await tidemark.graphql(`mutation { done: ${mutation} { userErrors { code message } } }`)
  expect(done.userErrors).toEqual([])
}

const untilReady = () =>
  until("the rebuild is ready", REBUILD_MS, async () => (await projection()).building?.state === "READY")

const filesOf = (build: string) =>
  readdirSync(join(directory.path, "readmodels")).filter((name) => name.includes(`-${build}.db`))

const comparison = async () => {
  // Not level at the moment is said as such: what arrives has to settle first.
  for (let attempt = 0; ; attempt++) {
    const answer = await tidemark
      .graphql('{ projectionComparison(name: "metrics") { equal documents differentDocuments } }')
      .catch((error: Error) => error)
    if (!(answer instanceof Error)) return answer.projectionComparison
    if (!answer.message.includes("NOT_READY") || attempt > 20) throw answer
  }
}

let made = 0

/** Until there are so many events of history, and all are folded. */
const fillUpTo = async (history: number): Promise<void> => {
  const sender = new Sender(() => tidemark.url, ADMIN_KEY, 4)
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      while (made < history) {
        const batch = Array.from({ length: Math.min(500, history - made) }, () =>
          randomEvent(random, `h-${made++}`, yesterday),
        )
        expect(await sender.send(batch)).toMatchObject({ status: 202, rejected: 0 })
      }
    }),
  )
  sender.close()
  await until("history is folded", REBUILD_MS, async () => {
    const { projections } = await tidemark.graphql("{ projections { serving { position head } } }")
    return projections.every(
      ({ serving }: { serving: { position: string; head: string } }) => serving.position === serving.head,
    )
  })
}

beforeAll(
  async () => {
    await tidemark.start()
    await fillUpTo(KILL_HISTORY)
  },
  rounds(120_000, 600_000),
)
afterAll(async () => {
  await tidemark.stop()
  directory.remove()
})

/** What goes on beside a test; one that fails must not go on beside the next. */
const beside: Array<() => unknown> = []
afterEach(async () => {
  for (const stop of beside.splice(0)) await stop()
})

/** Events of now, at the rate, until told to stop. */
const arriving = () => {
  let isOver = false
  let sent = 0
  const sender = new Sender(() => tidemark.url, ADMIN_KEY, 4)
  const running = (async () => {
    const began = performance.now()
    while (!isOver) {
      const due = Math.floor(((performance.now() - began) / 1000) * EVENTS_PER_SECOND)
      if (due > sent) {
        const batch = Array.from({ length: Math.min(200, due - sent) }, () => ({
          ...randomEvent(random, `n-${began}-${sent++}`, Date.now(), 0.001),
        }))
        expect(await sender.send(batch)).toMatchObject({ status: 202, rejected: 0 })
      } else await new Promise((resolve) => setTimeout(resolve, 5))
    }
    sender.close()
  })()
  const stop = () => {
    isOver = true
    return running
  }
  beside.push(stop)
  return { stop }
}

/** Asks about history again and again; every answer has to be the first one. */
const asking = (merchant: string) => {
  const seen = new Map<string, number>()
  const answers = new Set<string>()
  const errors: Array<string> = []
  let isOver = false
  const query = `query ($id: ID!, $range: TimeRange!) { merchant(id: $id) {
    totals(range: $range) { values { metric value } asOf { build } }
    series(metric: PAYMENTS, range: $range, interval: DAY) { points { value } }
    breakdown(metric: EVENTS, by: PATH, range: $range, first: 50) { rows { key value } }
    filtered: totals(range: $range, filter: { all: [{ dimension: TYPE, in: ["payment"] }] }) { values { metric value } } } }`
  const range = {
    from: new Date(yesterday - 31 * DAY).toISOString(),
    to: new Date(yesterday).toISOString(),
  }
  const running = (async () => {
    while (!isOver) {
      try {
        const { merchant: found } = await tidemark.graphql(query, { id: merchant, range })
        const { asOf, ...totals } = found.totals
        seen.set(asOf.build, (seen.get(asOf.build) ?? 0) + 1)
        answers.add(JSON.stringify([totals, found.series, found.breakdown, found.filtered]))
      } catch (error) {
        errors.push(String(error))
      }
    }
  })()
  const stop = () => {
    isOver = true
    return running
  }
  beside.push(stop)
  return { seen, answers, errors, stop }
}

const watching = (merchant: string) => {
  const failures: Array<unknown> = []
  let messages = 0
  let events = -1
  let position = 0
  const client: Client = createClient({
    url: `${tidemark.url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${ADMIN_KEY}` },
    retryAttempts: 0,
  })
  client.subscribe<{ liveMetrics: { position: string; today: Array<{ metric: string; value: number }> } }>(
    {
      query: "subscription ($id: ID!) { liveMetrics(merchantId: $id) { position today { metric value } } }",
      variables: { id: merchant },
    },
    {
      next: ({ data, errors }) => {
        if (errors !== undefined) failures.push(...errors)
        if (data == null) return
        messages++
        const count = data.liveMetrics.today.find(({ metric }) => metric === "EVENTS")?.value ?? Number.NaN
        const isNewDay = new Date().getUTCHours() === 0
        if (!isNewDay && count < events) failures.push(`${merchant}: ${count} events today after ${events}`)
        if (Number(data.liveMetrics.position) < position) failures.push("a position stepped back")
        position = Number(data.liveMetrics.position)
        events = count
      },
      error: (error) => failures.push(error),
      complete: () => {},
    },
  )
  const close = () => client.dispose()
  beside.push(close)
  return { failures, messages: () => messages, close }
}

describe("rebuilding while people keep reading", () => {
  it("after kill -9 a rebuild in two threads goes on where each was, and ends equal", {
    timeout: KILLS * 120_000,
  }, async () => {
    const { serving, builds } = await projection()
    for (const { id } of builds) {
      if (id !== serving.id) await command(`dropProjectionBuild(name: "metrics", build: "${id}")`)
    }
    const killedAt: Array<number> = []
    for (let round = 0; round < KILLS; round++) {
      await command('rebuildProjection(name: "metrics")')
      const build = (await projection()).building?.id ?? ""
      await until("it has a file", 30_000, () => filesOf(build).length > 0)
      await new Promise((resolve) => setTimeout(resolve, random.integer(KILL_WITHIN_MS)))
      killedAt.push((await projection()).building?.progress ?? 0)
      await tidemark.kill()
      await tidemark.start()
      expect((await projection()).building?.id).toBe(build)
      await untilReady()
      const compared = await comparison()
      expect(compared).toMatchObject({ equal: true, differentDocuments: 0 })
      expect(compared.documents).toBeGreaterThan(100)
      await command('cancelRebuild(name: "metrics")')
    }
    console.log(`killed at ${killedAt.map((share) => `${Math.round(share * 100)} %`).join(", ")} of the log`)
  })

  it("a cancelled rebuild leaves nothing behind, also when the program is killed right then", {
    timeout: REBUILD_MS + 60_000,
  }, async () => {
    const before = (await projection()).builds
    await command('rebuildProjection(name: "metrics")')
    const build = (await projection()).building?.id ?? ""
    await until("it has a file", 30_000, () => filesOf(build).length > 0)
    const cancelling = command('cancelRebuild(name: "metrics")').catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, random.integer(50)))
    await tidemark.kill()
    await cancelling
    await tidemark.start()
    if ((await projection()).building !== null) await command('cancelRebuild(name: "metrics")')
    await until("no file of it", 10_000, () => filesOf(build).length === 0)
    expect((await projection()).builds).toEqual(before)
  })

  it("a paused projection is paused after everything was killed and started, and goes on when it is resumed", {
    timeout: 120_000,
  }, async () => {
    await command('pauseProjection(name: "metrics")')
    await tidemark.kill()
    await tidemark.start()
    expect(await projection()).toMatchObject({ paused: true })
    const { body } = await tidemark.send([randomEvent(random, "while-paused", Date.now(), 0.001)])
    expect(body.accepted).toBe(1)
    // The head of the log is believed for a moment.
    await until("the answer says that it lags", 5_000, async () => {
      const { merchant } = await tidemark.graphql(
        'query ($range: TimeRange!) { merchant(id: "m-1") { totals(range: $range) { asOf { position lagMs } } } }',
        {
          range: { from: new Date(yesterday).toISOString(), to: new Date(yesterday + 3 * DAY).toISOString() },
        },
      )
      expect(Number(merchant.totals.asOf.position)).toBeLessThan(Number(body.position))
      return merchant.totals.asOf.lagMs > 0
    })
    await command('resumeProjection(name: "metrics")')
    await until("it has gone on", 30_000, async () => {
      const { projection: now } = await tidemark.graphql(
        '{ projection(name: "metrics") { serving { position } } }',
      )
      return Number(now.serving.position) >= Number(body.position)
    })
  })

  it("no question and no subscription gets an error, an empty answer or another number while builds are switched and events arrive", {
    timeout: 3 * REBUILD_MS + 120_000,
  }, async () => {
    await fillUpTo(HISTORY)
    const { serving: before } = await projection()
    const clients = Array.from({ length: CLIENTS }, (_, i) => asking(`m-${i % 20}`))
    const subscribers = Array.from({ length: SUBSCRIBERS }, (_, i) => watching(`m-${i % 20}`))
    const arrival = arriving()
    await command('rebuildProjection(name: "metrics")')
    await untilReady()
    const { building, serving } = await projection()
    expect(serving).toEqual(before)
    const rebuilt = building?.id ?? ""
    await command(`promoteProjection(name: "metrics", build: "${rebuilt}", expectedServing: "${before.id}")`)
    let current = rebuilt
    for (let i = 0; i < SWITCHES; i++) {
      const asked = clients.map(({ seen }) => seen.get(current) ?? 0)
      await until(`everybody reads ${current}`, 60_000, () =>
        clients.every(({ seen }, index) => (seen.get(current) ?? 0) > (asked[index] ?? 0) + 1),
      )
      await command(`rollbackProjection(name: "metrics", expectedServing: "${current}")`)
      current = (await projection()).serving.id
    }
    // The other read models the same way: keys, settings and live clients come from them.
    for (const name of ["merchants", "clients"]) {
      await command(`resetProjection(name: "${name}")`)
      await until(
        `${name} is reset`,
        REBUILD_MS,
        async () => (await projection(name)).serving.id === `${name}-2`,
      )
    }
    await until("messages after it all", 60_000, () => subscribers.every(({ messages }) => messages() > 2))
    await Promise.all(clients.map(({ stop }) => stop()))
    await arrival.stop()
    for (const { close } of subscribers) close()
    expect(clients.flatMap(({ errors }) => errors)).toEqual([])
    expect(subscribers.flatMap(({ failures }) => failures)).toEqual([])
    for (const { answers, seen } of clients) {
      const [first = "", ...others] = answers
      for (const other of others) expect(JSON.parse(other)).toEqual(JSON.parse(first))
      expect([...answers][0]).toContain('"metric":"EVENTS","value":')
      expect(new Set(seen.keys())).toEqual(new Set([before.id, rebuilt]))
    }
    const builds = clients.map(({ seen }) => [...seen.values()].reduce((a, b) => a + b))
    console.log(`${builds.reduce((a, b) => a + b)} answers from two builds over ${SWITCHES + 1} switches`)
    expect(await comparison()).toMatchObject({ equal: true, differentDocuments: 0 })
  })

  it("verify finds every read model equal after all of that", { timeout: REBUILD_MS + 120_000 }, async () => {
    expect(await runVerify(directory.path)).toMatchObject({ code: 0 })
  })
})
