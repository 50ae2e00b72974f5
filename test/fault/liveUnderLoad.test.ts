import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { type Client, createClient } from "graphql-ws"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import WebSocket from "ws"
import { rounds } from "../support/rounds.js"
import { ADMIN_KEY, projectRoot, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

/** The full rate is the soak's, over minutes. */
const EVENTS_PER_SECOND = rounds(2_000, 5_000)
const SENDS = rounds(15, 100)
const COUNTED_WITHIN_MS = 2_000

const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path)
let load: ChildProcess | undefined

/** A zone in which it is about noon, so that no local midnight falls into the test. */
const noonZone = (): string => {
  const west = new Date().getUTCHours() - 12
  return west === 0 ? "UTC" : `Etc/GMT${west > 0 ? "+" : "-"}${Math.abs(west)}`
}

interface Live {
  readonly position: string
  readonly events: number
}

const watch = (after?: string) => {
  const messages: Array<Live> = []
  const client: Client = createClient({
    url: `${tidemark.url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${ADMIN_KEY}` },
    retryAttempts: 0,
  })
  const failures: Array<unknown> = []
  client.subscribe<{ liveMetrics: { position: string; today: Array<{ metric: string; value: number }> } }>(
    {
      query: `subscription ($after: Position) {
        liveMetrics(merchantId: "watched", after: $after) { position today { metric value } }
      }`,
      variables: after === undefined ? {} : { after },
    },
    {
      next: ({ data, errors }) => {
        if (errors !== undefined) failures.push(...errors)
        const live = data?.liveMetrics
        if (live === undefined) return
        messages.push({
          position: live.position,
          events: live.today.find(({ metric }) => metric === "EVENTS")?.value ?? Number.NaN,
        })
      },
      error: (error) => failures.push(error),
      complete: () => {},
    },
  )
  return { messages, failures, close: () => client.dispose() }
}

let count = 0
const sendOne = async (): Promise<string> => {
  const answer = await tidemark.send({
    id: `live-${count}`,
    type: "pageview",
    merchantId: "watched",
    url: "/",
  })
  expect(answer.status).toBe(202)
  count += answer.body.accepted
  return answer.body.position
}

beforeAll(async () => {
  await tidemark.start()
  await tidemark.graphql(
    'mutation ($zone: String!) { createMerchant(input: { id: "watched", timezone: $zone }) { userErrors { code } } }',
    { zone: noonZone() },
  )
  load = spawn(
    process.execPath,
    [
      join(projectRoot, "bin", "tidemark.mjs"),
      "loadgen",
      ...["--url", tidemark.url, "--key", ADMIN_KEY, "--rate", String(EVENTS_PER_SECOND), "--batch", "50"],
      ...["--connections", "8", "--duration", String(SENDS * 2 + 60), "--json"],
    ],
    { stdio: "ignore" },
  )
})
afterAll(async () => {
  load?.kill("SIGKILL")
  await tidemark.stop()
  directory.remove()
})

const eventsReceived = async (): Promise<number> => {
  const text = String((await tidemark.request("GET", "/metrics")).body)
  return Number(/^tidemark_events_accepted_total (\d+)/m.exec(text)?.[1] ?? Number.NaN)
}

describe(`liveMetrics while ${EVENTS_PER_SECOND} events/s flow`, () => {
  it("counts an accepted event within 2 seconds", { timeout: 60_000 + SENDS * 5_000 }, async () => {
    const before = await eventsReceived()
    await until("the load flows", 30_000, async () => (await eventsReceived()) - before > EVENTS_PER_SECOND)
    const start = await eventsReceived()
    const since = performance.now()
    const watching = watch()
    await until("the first message", 2_000, () => watching.messages.length > 0)
    const latencies: Array<number> = []
    for (let sent = 0; sent < SENDS; sent++) {
      await sendOne()
      const accepted = performance.now()
      await until(
        `event ${count} is counted`,
        COUNTED_WITHIN_MS,
        () => watching.messages.at(-1)?.events === count,
        5,
      )
      latencies.push(performance.now() - accepted)
    }
    const rate = ((await eventsReceived()) - start) / ((performance.now() - since) / 1_000)
    watching.close()
    expect(watching.failures).toEqual([])
    latencies.sort((a, b) => a - b)
    console.log(
      `counted after ${Math.round(latencies[Math.floor(latencies.length / 2)]!)} ms (median), ` +
        `${Math.round(latencies.at(-1)!)} ms (slowest of ${SENDS}), at ${Math.round(rate)} events/s`,
    )
    expect(rate).toBeGreaterThan(EVENTS_PER_SECOND * 0.95)
  })

  it("after a lost connection, the next `today` counts every event up to its position", {
    timeout: 60_000,
  }, async () => {
    for (let lost = 0; lost < 5; lost++) {
      const before = watch()
      await until("a message", 2_000, () => before.messages.length > 0)
      before.close()
      await sendOne()
      await sendOne()
      const after = await sendOne()
      const again = watch(after)
      await until("the next message", 5_000, () => again.messages.length > 0)
      const [next] = again.messages
      again.close()
      expect(again.failures).toEqual([])
      expect(BigInt(next!.position)).toBeGreaterThanOrEqual(BigInt(after))
      expect(next!.events).toBe(count)
    }
  })
})
