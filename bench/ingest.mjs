// Collecting, against bare node:http and against the bare log, in interleaved runs. Prints a table and JSON.
//   node bench/ingest.mjs [--runs 5] [--seconds 20]
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"

const { values } = parseArgs({
  options: { runs: { type: "string", default: "5" }, seconds: { type: "string", default: "20" } },
})
const runs = Number(values.runs)
const seconds = Number(values.seconds)
const DRAINED_WITHIN_MS = 10_000
const root = new URL("..", import.meta.url).pathname
const tidemark = join(root, "bin", "tidemark.mjs")
const KEY = "bench-key"

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
const share = (number) => `${(number * 100).toFixed(0)}%`
const per = (number) => `${Math.round(number).toLocaleString("en")}/s`

const output = (args, env = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env } })
    let text = ""
    let errors = ""
    child.stdout.on("data", (part) => (text += part))
    child.stderr.on("data", (part) => (errors += part))
    child.on("exit", (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${args.join(" ")}: ${errors}`)),
    )
  })

const load = async (url, batch, connections, seed) =>
  JSON.parse(
    await output([
      tidemark,
      "loadgen",
      ...["--url", url, "--key", KEY, "--rate", "max", "--json", "--seed", String(seed)],
      ...["--duration", String(seconds), "--batch", String(batch), "--connections", String(connections)],
    ]),
  )

/** Starts a server, waits for its address on standard output, and gives a way to end it. */
const start = (args, env = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env } })
    let text = ""
    const exited = new Promise((end) => child.on("exit", end))
    const stop = async () => {
      child.kill("SIGTERM")
      await exited
    }
    const read = (part) => {
      text += part
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0]
      if (url !== undefined) resolve({ url, stop })
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    exited.then(() => reject(new Error(`${args.join(" ")} ended: ${text}`)))
  })

const bare = async (seed) => {
  const server = await start([join(root, "bench", "bareServer.mjs")])
  const result = await load(server.url, 1, 64, seed)
  await server.stop()
  return result.requestsPerSecond
}

/** Milliseconds until no projection lags. */
const drained = async (url) => {
  const began = performance.now()
  for (;;) {
    const answer = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ query: "{ projections { serving { lagMs position head } } }" }),
    })
    const { data } = await answer.json()
    if (data.projections.every(({ serving }) => serving.position === serving.head))
      return performance.now() - began
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const whole = async (batch, connections, seed) => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-bench-"))
  const server = await start([tidemark, "serve"], {
    TIDEMARK_DATA_DIR: directory,
    TIDEMARK_PORT: "0",
    TIDEMARK_ADMIN_KEY: KEY,
    TIDEMARK_SECRET: "bench-secret",
    NODE_ENV: "production",
  })
  for (;;) {
    if ((await fetch(`${server.url}/readyz`)).status === 200) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const result = await load(server.url, batch, connections, seed)
  const drainMs = await drained(server.url)
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
  if (result.lost > 0 || result.rejected > 0)
    throw new Error(`events were lost or refused: ${JSON.stringify(result)}`)
  return { ...result, drainMs }
}

const rows = []
for (let run = 1; run <= runs; run++) {
  const row = {
    bare: await bare(run),
    single: await whole(1, 64, run),
    log: JSON.parse(await output([join(root, "bench", "bareLog.mjs"), String(seconds)])).eventsPerSecond,
    batch: await whole(100, 16, run),
  }
  rows.push(row)
  console.log(
    `run ${run}: single ${per(row.single.requestsPerSecond)} of bare ${per(row.bare)} = ${share(row.single.requestsPerSecond / row.bare)}` +
      ` (p50 ${row.single.latencyMs.p50.toFixed(1)} ms, p99 ${row.single.latencyMs.p99.toFixed(1)} ms, drained after ${(row.single.drainMs / 1000).toFixed(1)} s);` +
      ` batches ${per(row.batch.eventsPerSecond)} of the bare log's ${per(row.log)} = ${share(row.batch.eventsPerSecond / row.log)}` +
      ` (drained after ${(row.batch.drainMs / 1000).toFixed(1)} s)`,
  )
}

const single = median(rows.map((row) => row.single.requestsPerSecond / row.bare))
const batch = median(rows.map((row) => row.batch.eventsPerSecond / row.log))
const slowest = Math.max(...rows.flatMap((row) => [row.single.drainMs, row.batch.drainMs]))
const verdict = (reached) => (reached ? "reached" : "NOT reached")
console.log(
  `\nMedian of ${runs} runs of ${seconds} s, load generator beside it, ${cpus().length} cores, Node.js ${process.versions.node}:`,
)
console.log(
  `  single events over 64 connections: ${share(single)} of bare node:http (target 30%: ${verdict(single >= 0.3)})`,
)
console.log(
  `  batches of 100 over 16 connections: ${share(batch)} of the bare log (target 60%: ${verdict(batch >= 0.6)})`,
)
console.log(
  `  processors drained after ${(slowest / 1000).toFixed(1)} s at most (target 10 s: ${verdict(slowest <= DRAINED_WITHIN_MS)})`,
)
