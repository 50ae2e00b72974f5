// Appends as fast as it can and says each id that was acknowledged, until it is killed.
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { openEmbeddedLog } from "../../dist/eventlog/embedded/EmbeddedLog.js"

const [, , directory, round] = process.argv

const program = Effect.scoped(
  Effect.gen(function* () {
    const log = yield* openEmbeddedLog({ directory, checkpointPages: 50 })
    const worker = (n) =>
      Effect.gen(function* () {
        for (let revision = -1; ; revision++) {
          const eventId = randomUUID()
          const event = { v: 1, type: "pageview", at: 1, data: { id: eventId, merchantId: "m" } }
          const metadata = { recordedAt: 1, source: "test", key: "k" }
          const [outcome] = yield* log.append([
            {
              stream: `r${round}-${n}.x`,
              expectedRevision: revision,
              events: [{ eventId, event, metadata }],
            },
          ])
          if (outcome._tag === "Appended") process.send(eventId)
        }
      })
    yield* Effect.all(
      Array.from({ length: 16 }, (_, n) => worker(n)),
      { concurrency: "unbounded" },
    )
  }),
)

Effect.runFork(program)
