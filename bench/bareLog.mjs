// The bare embedded log, taking batches of 100 of the load generator's events, 16 calls in flight, for some
// seconds. The events are made beforehand: only the log is measured. Prints JSON.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { defaultGeneratorOptions, Generator } from "../dist/cli/loadgen/Generator.js"
import { eventId, streamNamespace } from "../dist/domain/Ids.js"
import { merchantStream, partitionOf } from "../dist/domain/Partition.js"
import { openEmbeddedLog } from "../dist/eventlog/embedded/EmbeddedLog.js"

const seconds = Number(process.argv[2] ?? 20)
const BATCH = 100
const IN_FLIGHT = 16
const PREPARED = 500

const generator = new Generator({ ...defaultGeneratorOptions, seed: 7 })
const namespaces = new Map()
const revisions = new Map()
const now = Date.now()

/** One batch, by stream, as the actors would append it. */
const prepare = () => {
  const streams = new Map()
  for (let index = 0; index < BATCH; index++) {
    const { id, merchantId, type, timestamp, url, ...rest } = JSON.parse(generator.event(now))
    const stream = merchantStream(partitionOf(merchantId), merchantId)
    if (!namespaces.has(stream)) namespaces.set(stream, streamNamespace(stream))
    const { amount, currency, paymentMethod } = rest
    const event = {
      eventId: eventId(namespaces.get(stream), id),
      event: {
        v: 1,
        type,
        at: timestamp ?? now,
        data: {
          id,
          merchantId,
          clientKey: "AAAAAAAAAAAAAAAAAAAAAA",
          path: url,
          country: "JP",
          browser: "Chrome",
          os: "Windows",
          device: "desktop",
          grade: "gold",
          gender: "f",
          ageBand: "25-34",
          amount,
          currency,
          paymentMethod,
        },
      },
      metadata: { recordedAt: now, source: "api", key: "admin" },
    }
    const events = streams.get(stream)
    if (events === undefined) streams.set(stream, [event])
    else events.push(event)
  }
  return [...streams]
}

const batches = Array.from({ length: PREPARED }, prepare)
const directory = mkdtempSync(join(tmpdir(), "tidemark-bench-"))

const program = Effect.gen(function* () {
  const log = yield* openEmbeddedLog({ directory: join(directory, "log") })
  const until = performance.now() + seconds * 1000
  let appended = 0
  let next = 0
  const lane = Effect.gen(function* () {
    while (performance.now() < until) {
      const appends = batches[next++ % PREPARED].map(([stream, events]) => {
        const expectedRevision = revisions.get(stream) ?? -1
        revisions.set(stream, expectedRevision + events.length)
        return { stream, expectedRevision, events }
      })
      const outcomes = yield* log.append(appends)
      for (const outcome of outcomes)
        if (outcome._tag !== "Appended") throw new Error(JSON.stringify(outcome))
      appended += BATCH
    }
  })
  const began = performance.now()
  yield* Effect.all(
    Array.from({ length: IN_FLIGHT }, () => lane),
    { concurrency: "unbounded" },
  )
  return { events: appended, eventsPerSecond: (appended / (performance.now() - began)) * 1000 }
})

try {
  console.log(JSON.stringify(await Effect.runPromise(Effect.scoped(program))))
} finally {
  rmSync(directory, { recursive: true, force: true })
}
