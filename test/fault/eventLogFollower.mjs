// Follows the log in a thread of its own and says the ids that it sees.
import { parentPort, workerData } from "node:worker_threads"
import { Effect, Stream } from "effect"
import { openEmbeddedLogReader } from "../../dist/eventlog/embedded/EmbeddedLogReader.js"

const program = Effect.scoped(
  Effect.gen(function* () {
    const log = yield* openEmbeddedLogReader({ directory: workerData.directory, feed: workerData.port })
    const refusal = yield* Effect.flip(log.append([]))
    parentPort.postMessage({ refused: refusal.message })
    yield* Stream.runForEach(log.subscribe({ after: "0" }), (batch) =>
      Effect.sync(() => parentPort.postMessage({ ids: batch.events.map((event) => event.eventId) })),
    )
  }),
)

Effect.runFork(program)
