// EventStoreDB's adapter beside its bare client doing the same work, in turns: `npm run bench -- eventstoredb`.
// On the server that EVENTSTOREDB_URL names, or on the tests' stand-in.
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { EventStoreDBClient } from "@eventstore/db-client"
import { Effect, Stream } from "effect"
import { openEventStoreLog } from "../dist/eventlog/eventstoredb/EventStoreLog.js"
import { standIn } from "./support/standIn.mjs"
import { median } from "./support/text.mjs"

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
  },
})
const runs = Number(values.runs)
const ms = Number(values.seconds) * 1_000
const BATCH = 100

const newEvent = () => ({
  eventId: randomUUID(),
  event: {
    v: 1,
    type: "pageview",
    at: 1_795_219_200_000,
    data: {
      id: randomUUID(),
      merchantId: "m-1",
      clientKey: "AAAAAAAAAAAAAAAAAAAAAA",
      path: "/products/42",
      country: "JP",
      browser: "Chrome",
      os: "Windows",
      device: "desktop",
    },
  },
  metadata: { recordedAt: 1_795_219_200_001, source: "api", key: "admin" },
})
const plain = ({ eventId, event, metadata }) => ({
  id: eventId,
  type: event.type,
  contentType: "application/json",
  data: event,
  metadata,
})

/** Appends of `size` events, each to a stream of its own, so many in flight; events a second. */
const appending = async (append, size, inFlight) => {
  const began = performance.now()
  let events = 0
  const lane = async () => {
    while (performance.now() - began < ms) {
      await append(`bench-${randomUUID()}`, Array.from({ length: size }, newEvent))
      events += size
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  return (events / (performance.now() - began)) * 1_000
}

const timed = async (read) => {
  const began = performance.now()
  const events = await read()
  return (events / (performance.now() - began)) * 1_000
}

const directory = mkdtempSync(join(tmpdir(), "tidemark-bench-"))
const server = process.env.EVENTSTOREDB_URL === undefined ? await standIn(directory) : undefined
const connection = process.env.EVENTSTOREDB_URL ?? server.connection
const client = EventStoreDBClient.connectionString(connection)

const bareAppend = (stream, events) =>
  client.appendToStream(stream, events.map(plain), { expectedRevision: "no_stream" })
const bareRead = async (count) => {
  let events = 0
  const reading = client.readAll()
  for await (const _ of reading) if (++events === count) break
  await reading.cancel()
  return events
}
const bareFollow = (count) =>
  new Promise((resolve, reject) => {
    let events = 0
    const subscription = client.subscribeToAll({
      filter: { filterOn: "streamName", regex: "^[^$]", checkpointInterval: 1 },
    })
    subscription.on("error", reject)
    subscription.on("data", () => {
      if (++events === count) void subscription.unsubscribe().then(() => resolve(events))
    })
  })

const program = Effect.gen(function* () {
  const log = yield* openEventStoreLog({ connection })
  const append = (stream, events) =>
    Effect.runPromise(log.append([{ stream, expectedRevision: -1, events }])).then(([outcome]) => {
      if (outcome._tag !== "Appended") throw new Error(JSON.stringify(outcome))
    })
  const counted = (stream, count) =>
    Effect.runPromise(
      stream.pipe(
        Stream.scan(0, (sum, some) => sum + (some.events ?? some).length),
        Stream.takeUntil((sum) => sum >= count),
        Stream.runLast,
      ),
    ).then(() => count)
  const read = (count) => counted(log.readAll({ direction: "forwards" }), count)
  const follow = (count) => counted(log.subscribe({ after: "0" }), count)
  const READ = 30_000
  const works = [
    ["single appends, 64 in flight", () => appending(bareAppend, 1, 64), () => appending(append, 1, 64)],
    [
      "batches of 100, 16 in flight",
      () => appending(bareAppend, BATCH, 16),
      () => appending(append, BATCH, 16),
    ],
    ["reading the log", () => timed(() => bareRead(READ)), () => timed(() => read(READ))],
    ["catching up", () => timed(() => bareFollow(READ)), () => timed(() => follow(READ))],
  ]
  yield* Effect.promise(async () => {
    for (const [name, bare, adapter] of works) {
      const rates = { bare: [], adapter: [] }
      for (let run = 0; run < runs; run++) {
        rates.bare.push(await bare())
        rates.adapter.push(await adapter())
      }
      const ratios = rates.adapter.map((rate, run) => rate / rates.bare[run])
      const [one, two] = [median(rates.bare), median(rates.adapter)].map((rate) => Math.round(rate))
      console.log(
        `${name}: bare client ${one} events/s, adapter ${two} events/s, ratio ${median(ratios).toFixed(2)}` +
          ` (${ratios.map((ratio) => ratio.toFixed(2)).join(" ")})`,
      )
    }
  })
})

try {
  await Effect.runPromise(Effect.scoped(program))
} finally {
  await client.dispose()
  await server?.stop()
  rmSync(directory, { recursive: true, force: true })
}
