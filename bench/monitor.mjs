// What the monitor costs a fastify server at a fixed rate of requests: none, Tidemark up, Tidemark down, in turn.
//   node bench/monitor.mjs [--runs 10] [--seconds 10] [--rate 2000]
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { cpus, setPriority, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { openMonitor } from "../packages/monitor/dist/index.js"
import { json, KEY, pause, root, serve } from "./support/program.mjs"

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "10" },
    seconds: { type: "string", default: "10" },
    rate: { type: "string", default: "2000" },
  },
})
const runs = Number(values.runs)
const seconds = Number(values.seconds)
const rate = Number(values.rate)
const WARM_UP_S = 3
const CLIENTS = 500
const P99_MS = 0.2
const CPU_US = 10
/** Nobody listens there. */
const NOWHERE = "http://127.0.0.1:9"
const modes = ["none", "up", "down"]

const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The watched server, and a way to ask it things. */
const watched = async (args) => {
  const child = spawn(process.execPath, [join(root, "bench", "support", "monitored.mjs"), ...args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  })
  const next = () => new Promise((resolve) => child.once("message", resolve))
  const { url } = await next()
  const ask = (what) => {
    const answer = next()
    child.send(what)
    return answer
  }
  return { url, ask }
}

const load = (url, forSeconds) =>
  json([
    join(root, "bench", "support", "openLoop.mjs"),
    url,
    String(rate),
    String(forSeconds),
    String(CLIENTS),
  ])

const spools = mkdtempSync(join(tmpdir(), "tidemark-bench-monitor-"))

/** Sends what a spool holds, as the next start of the watched server would; gives the counters and the CPU it took. */
const drained = async (url, spool) => {
  const before = process.cpuUsage()
  const monitor = openMonitor({ url, key: KEY, spool })
  while (monitor.counters().waitingBytes > 0) await pause(20)
  await monitor.close()
  const { user, system } = process.cpuUsage(before)
  return { ...monitor.counters(), cpuUs: user + system }
}

const measure = async (mode, run, tidemark) => {
  const spool = join(spools, `${run}-${mode}`)
  const args = { none: ["none"], up: [tidemark.url, KEY, spool], down: [NOWHERE, KEY, spool] }[mode]
  const server = await watched(args)
  const warm = await load(server.url, WARM_UP_S)
  const before = await server.ask("usage")
  const measured = await load(server.url, seconds)
  // Long enough for what was noted last to be sent as well.
  await pause(1_500)
  const after = await server.ask("usage")
  const { counters, reports } = await server.ask("close")
  const answered = warm.answered + measured.answered
  if (answered !== warm.sent + measured.sent) throw new Error(`${mode}: requests had no answer`)
  const later = mode === "none" ? undefined : await drained(tidemark.url, spool)
  const there = later === undefined ? answered : counters.accepted + later.accepted
  if (there !== answered || (counters?.dropped ?? 0) > 0) {
    throw new Error(
      `${mode}: ${answered} requests, ${there} in Tidemark: ${JSON.stringify({ counters, later, reports })}`,
    )
  }
  return {
    ...measured,
    cpuUs: (after.cpuUs - before.cpuUs) / measured.answered,
    drainUs: mode === "down" ? later.cpuUs / later.accepted : undefined,
    memory: after.memory,
  }
}

const directory = mkdtempSync(join(tmpdir(), "tidemark-bench-"))
const tidemark = await serve(directory, "bench-secret")
// It runs elsewhere as a rule: here it takes what the watched server and its visitors leave. Each thread has a
// priority of its own.
for (const thread of readdirSync(`/proc/${tidemark.pid}/task`)) setPriority(Number(thread), 19)
const rows = []
for (let run = 0; run < runs; run++) {
  const row = {}
  // In another order each time, so that none always comes after the same.
  for (let turn = 0; turn < modes.length; turn++) {
    const mode = modes[(run + turn) % modes.length]
    row[mode] = await measure(mode, run, tidemark)
  }
  rows.push(row)
  const cells = modes.map(
    (mode) =>
      `${mode} p50 ${row[mode].fromWrite.p50.toFixed(2)} p99 ${row[mode].fromWrite.p99.toFixed(2)} ms, ${row[mode].cpuUs.toFixed(1)} µs`,
  )
  console.log(`run ${run + 1}: ${cells.join("; ")}`)
}
await tidemark.stop()
rmSync(directory, { recursive: true, force: true })
rmSync(spools, { recursive: true, force: true })

const more = (mode, read) => median(rows.map((row) => read(row[mode]) - read(row.none)))
const verdict = (reached) => (reached ? "reached" : "NOT reached")
const signed = (number, digits) => `${number < 0 ? "" : "+"}${number.toFixed(digits)}`
console.log(
  `\nMedian of ${runs} interleaved runs of ${seconds} s at ${rate} requests/s (open loop), fastify, ${cpus().length} cores, Node.js ${process.versions.node}.`,
)
console.log(
  `  none: p99 ${median(rows.map((row) => row.none.fromWrite.p99)).toFixed(2)} ms, ${median(rows.map((row) => row.none.cpuUs)).toFixed(1)} µs of CPU a request`,
)
for (const mode of ["up", "down"]) {
  const p99 = more(mode, ({ fromWrite }) => fromWrite.p99)
  const scheduled = more(mode, ({ fromSchedule }) => fromSchedule.p99)
  const cpu = more(mode, ({ cpuUs }) => cpuUs)
  console.log(
    `  Tidemark ${mode}: p99 ${signed(p99, 3)} ms (target +${P99_MS}: ${verdict(p99 <= P99_MS)}; from the schedule ${signed(scheduled, 3)}), ${signed(cpu, 1)} µs of CPU (target +${CPU_US}: ${verdict(cpu <= CPU_US)})`,
  )
}
console.log(
  `  sending it later: ${median(rows.map((row) => row.down.drainUs)).toFixed(1)} µs of CPU a request; nothing was missing in any run`,
)
