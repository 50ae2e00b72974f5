// Appends one event, closes the log and does nothing more: the process has to end by itself.
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { openEventStoreLog } from "../../../dist/eventlog/eventstoredb/EventStoreLog.js"

const event = {
  eventId: randomUUID(),
  event: { v: 1, type: "pageview", at: 1, data: { id: "1", merchantId: "m" } },
  metadata: { recordedAt: 1, source: "test", key: "k" },
}
await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const log = yield* openEventStoreLog({ connection: process.argv[2] })
      const stream = `ends-${randomUUID()}.x`
      console.log(JSON.stringify(yield* log.append([{ stream, expectedRevision: -1, events: [event] }])))
    }),
  ),
)
