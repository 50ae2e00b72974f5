// What collecting feels of silences that are overdue: a server is stopped until all of its clients would have been idle,
// and events arrive as soon as it is there again. Prints latencies of each few seconds since, then how long it takes
// until every silence is reported when nobody asks.
//   node bench/overdue.mjs [--clients 60000] [--rate 500]
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { SECRET } from "./history.mjs"
import { json, KEY, pause, serve, tidemark } from "./support/program.mjs"
import { count, table } from "./support/text.mjs"

const IDLE_MS = 60_000
const SECONDS = 5
const ROUNDS = 6

const { values } = parseArgs({
  options: { clients: { type: "string", default: "60000" }, rate: { type: "string", default: "500" } },
})
const { clients, rate } = values
const environment = { TIDEMARK_IDLE_AFTER: `${IDLE_MS} millis` }

const load = (url, options) =>
  json([tidemark, "loadgen", "--url", url, "--key", KEY, "--clients", clients, "--json", ...options])

const liveClients = async (url) => {
  const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${KEY}` } })
  return Number(/^tidemark_clients_live (\d+)/m.exec(await answer.text())?.[1])
}

const serving = async (directory, use) => {
  const server = await serve(directory, SECRET, environment)
  try {
    return await use(server.url)
  } finally {
    await server.stop()
  }
}

/** A server whose clients are all overdue; its data are removed after it. */
const overdue = async (use) => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-overdue-"))
  const fill = ["--rate", "3000", "--batch", "50", "--connections", "8", "--duration", "30", "--seed", "1"]
  try {
    const live = await serving(directory, async (url) => {
      await load(url, fill)
      return liveClients(url)
    })
    await pause(IDLE_MS + 10_000)
    await serving(directory, (url) => use(url, live))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

await overdue(async (url, live) => {
  const rows = []
  for (let round = 0; round < ROUNDS; round++) {
    const seeded = ["--duration", String(SECONDS), "--seed", String(round + 2)]
    const { latencyMs } = await load(url, ["--rate", rate, "--connections", "32", ...seeded])
    const ms = ["p50", "p99", "max"].map((name) => latencyMs[name].toFixed(0))
    rows.push([`${round * SECONDS} to ${(round + 1) * SECONDS}`, ...ms])
  }
  console.log(`${count(live)} clients overdue, ${rate} single events/s:\n`)
  console.log(table(["s after the start", "p50 ms", "p99 ms", "max ms"], rows))
})
await overdue(async (url, live) => {
  const began = performance.now()
  while ((await liveClients(url)) > 0) await pause(250)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`\n${count(live)} clients overdue, nobody asks: all reported after ${seconds} s`)
})
