// Live clients: bytes of each and the cost of touching one, in the table alone; then, with --node, the whole program
// with so many live clients, while events arrive: resident memory, how late deadlines are, and a restart.
//   node bench/idle.mjs [--clients 1000000] [--touches 5000000] [--node] [--rate 5000] [--seconds 60]
//                       [--idle-after 20] [--dir DIRECTORY]
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Effect, Stream } from "effect"
import { LiveClients, nowhere } from "../dist/actors/clients/LiveClients.js"
import { touch } from "../dist/domain/Idle.js"
import { openEmbeddedLog } from "../dist/eventlog/embedded/EmbeddedLog.js"
import { KEY, memoryOf, pause, serve } from "./support/program.mjs"
import { count, megabytes, quantile, table, verdict } from "./support/text.mjs"

const PARTITIONS = 256
const IDLE_AFTER_MS = 1_800_000
const MAX_BYTES = 1e9
const LATE_MS = 1_000
const LATE_P99_MS = 100
const SERVED_MS = 10_000

const tables = (clients, touches) => {
  const keys = Array.from({ length: clients }, () => randomBytes(16).toString("base64url"))
  const before = process.memoryUsage()
  const partitions = Array.from({ length: PARTITIONS }, () => new LiveClients())
  const merchants = Array.from({ length: PARTITIONS }, (_, at) => `m-${at}`)
  const put = (number, clock) => {
    const partition = number % PARTITIONS
    const key = keys[number]
    const live = partitions[partition]
    const place = live.find(key)
    const { next } = touch(live.at(place), clock, clock, IDLE_AFTER_MS)
    live.putAt(place, key, merchants[partition], IDLE_AFTER_MS, next, nowhere)
  }
  const timed = (times, numberOf) => {
    const began = process.hrtime.bigint()
    for (let at = 0; at < times; at++) put(numberOf(at), clock++)
    return Number(process.hrtime.bigint() - began) / times
  }
  let clock = 1_800_000_000_000
  const inserted = timed(clients, (at) => at)
  const after = process.memoryUsage()
  const bytes = partitions.reduce((sum, live) => sum + live.bytes, 0)
  // A step that is prime to the number of clients: all of them, in an order that no cache likes.
  const touched = timed(touches, (at) => (at * 7_368_787) % clients)
  const looked = process.hrtime.bigint()
  for (const live of partitions) live.hasDue(clock)
  const due = Number(process.hrtime.bigint() - looked)
  console.log(`\nThe table of ${count(clients)} live clients in ${PARTITIONS} partitions:\n`)
  console.log(
    table(
      ["", "figure"],
      [
        ["bytes a client, of the tables", (bytes / clients).toFixed(1)],
        ["bytes a client, as the process grew", ((after.rss - before.rss) / clients).toFixed(1)],
        ["ns to insert one", count(inserted)],
        ["ns to touch one, with its look-up and the rule", count(touched)],
        ["µs to see of all partitions whether one is due", (due / 1000).toFixed(1)],
      ],
    ),
  )
}

const post = async (url, events) => {
  const answer = await fetch(`${url}/v1/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify(events),
  })
  const { accepted } = await answer.json()
  if (answer.status !== 202 || accepted !== events.length)
    throw new Error(`${answer.status}: ${accepted} accepted`)
}

let made = 0
const eventOf = (client) => ({
  id: `e-${made++}`,
  type: "request",
  merchantId: `m-${client % 1_000}`,
  clientId: `c-${client}`,
  url: "/",
  ip: "203.0.113.7",
})

/** How late each report by the clock was, ms, of those recorded in this time. */
const lateness = (dir, since, to) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const log = yield* openEmbeddedLog({ directory: join(dir, "log") })
        const late = []
        yield* Stream.runForEach(log.readAll({ direction: "forwards" }), (events) =>
          Effect.sync(() => {
            for (const { event, metadata } of events) {
              const { silence } = event.data
              if (
                event.type !== "ClientBecameIdle" ||
                silence.historical ||
                metadata.recordedAt < since ||
                metadata.recordedAt > to
              )
                continue
              late.push(metadata.recordedAt - silence.lastRecordedAt - silence.afterMs)
            }
          }),
        )
        return late
      }),
    ),
  )

/**
 * A million clients live for an hour; those of one merchant in twenty are idle after some seconds. Events come to
 * these, so that deadlines pass all the time.
 */
const node = async (dir, { clients, rate, seconds, idleAfter }) => {
  const environment = { TIDEMARK_IDLE_AFTER: "1 hour" }
  let server = await serve(dir, "bench-secret", environment)
  const hasty = 50
  for (let merchant = 0; merchant < hasty; merchant++) {
    const query = `mutation { createMerchant(input: { id: "m-${merchant}", idleAfterSeconds: ${idleAfter} }) { userErrors { code } } }`
    await fetch(`${server.url}/graphql`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ query }),
    })
  }
  const began = performance.now()
  for (let from = 0; from < clients; from += 1_000) {
    await post(
      server.url,
      Array.from({ length: Math.min(1_000, clients - from) }, (_, at) => eventOf(from + at)),
    )
    if (from % 100_000 === 0)
      console.error(`${count(from)} clients, ${megabytes(memoryOf(server.pid).resident)}`)
  }
  const filled = (performance.now() - began) / 1000
  await pause(5_000)
  const full = memoryOf(server.pid)
  const since = Date.now()
  const end = performance.now() + seconds * 1000
  let at = performance.now()
  let sent = 0
  const waiting = new Set()
  while (performance.now() < end) {
    at += 20
    const some = Array.from({ length: rate / 50 }, () => eventOf(Math.floor(Math.random() * clients)))
    sent += some.length
    const sending = post(server.url, some).finally(() => waiting.delete(sending))
    waiting.add(sending)
    await pause(Math.max(0, at - performance.now()))
  }
  await Promise.all(waiting)
  const busy = memoryOf(server.pid)
  const readings = { full: full.resident, busy: busy.resident, peak: busy.peak }
  // kill -9: what is overdue when it comes back is late by the time it was away, and not counted here.
  process.kill(server.pid, "SIGKILL")
  const killedAt = Date.now()
  server = await serve(dir, "bench-secret", environment)
  const served = Date.now() - killedAt
  await pause(3_000)
  await server.stop()
  const late = (await lateness(dir, since, killedAt)).filter((ms) => ms >= 0)
  if (late.length === 0) throw new Error("no deadline passed: take more --seconds, or a shorter --idle-after")
  return { filled, sent, served, late, ...readings }
}

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "1000000" },
    touches: { type: "string", default: "5000000" },
    node: { type: "boolean", default: false },
    rate: { type: "string", default: "5000" },
    seconds: { type: "string", default: "60" },
    "idle-after": { type: "string", default: "20" },
    dir: { type: "string" },
  },
})
const clients = Number(values.clients)
tables(clients, Number(values.touches))
if (values.node) {
  const dir = values.dir ?? mkdtempSync(join(tmpdir(), "tidemark-idle-"))
  try {
    const rate = Number(values.rate)
    const seconds = Number(values.seconds)
    const result = await node(dir, { clients, rate, seconds, idleAfter: Number(values["idle-after"]) })
    const { late } = result
    const [p99, most] = [quantile(late, 0.99), quantile(late, 1)]
    console.log(
      `\nThe whole program with ${count(clients)} clients and ${count(rate)} events/s, ${cpus().length} cores:\n`,
    )
    console.log(
      table(
        ["", "figure", "target", ""],
        [
          ["seconds to fill", result.filled.toFixed(0), "", ""],
          ["resident, full", megabytes(result.full), megabytes(MAX_BYTES), verdict(result.full < MAX_BYTES)],
          [
            "resident, at the end of the load",
            megabytes(result.busy),
            megabytes(MAX_BYTES),
            verdict(result.busy < MAX_BYTES),
          ],
          ["deadlines passed", count(late.length), "", ""],
          ["late, p99, ms", count(p99), count(LATE_P99_MS), verdict(p99 < LATE_P99_MS)],
          ["late, at most, ms", count(most), count(LATE_MS), verdict(most <= LATE_MS)],
          [
            "ms from kill -9 to served again",
            count(result.served),
            count(SERVED_MS),
            verdict(result.served < SERVED_MS),
          ],
        ],
      ),
    )
  } finally {
    if (values.dir === undefined) rmSync(dir, { recursive: true, force: true })
  }
}
