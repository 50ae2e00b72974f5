// Rebuilds a projection beside read models that are up to date, in so many threads, as the program does; cancels
// that again and prints JSON.
//   node bench/support/rebuildOnce.mjs DATA-DIRECTORY READ-MODELS-DIRECTORY PROJECTION THREADS
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { EventLog } from "../../dist/eventlog/EventLog.js"
import { openEmbeddedLog } from "../../dist/eventlog/embedded/EmbeddedLog.js"
import { Processors } from "../../dist/processors/Processors.js"
import * as EmbeddedReadModels from "../../dist/readmodels/embedded/EmbeddedReadModels.js"
import { ReadModels } from "../../dist/readmodels/ReadModels.js"
import * as ProcessorsInThread from "../../dist/runtime/ProcessorsInThread.js"
import { usage } from "./usage.mjs"

const [data, directory, projection, threads] = process.argv.slice(2)
const logDirectory = join(data, "log")
const POLL_MS = 20

const layer = Layer.unwrapScoped(
  Effect.map(openEmbeddedLog({ directory: logDirectory }), (log) =>
    ProcessorsInThread.layer({
      forThread: () => ({ _tag: "Embedded", directory: logDirectory, feed: log.connect() }),
      readModels: { directory, url: undefined },
      rebuildThreads: Number(threads),
      onDied: (error) => {
        throw error
      },
    }).pipe(
      Layer.provideMerge(EmbeddedReadModels.readerLayer({ directory })),
      Layer.provideMerge(Layer.succeed(EventLog, log)),
    ),
  ),
)

const program = Effect.gen(function* () {
  const log = yield* EventLog
  const processors = yield* Processors
  const readModels = yield* ReadModels
  const head = yield* log.head
  const untilLevel = (isWanted) =>
    Effect.gen(function* () {
      for (;;) {
        const progress = (yield* processors.progress).filter(isWanted)
        const stopped = progress.find((one) => one.stopped !== undefined)
        if (stopped !== undefined) throw new Error(JSON.stringify(stopped))
        if (progress.length > 0 && progress.every((one) => one.position === head)) return
        yield* Effect.sleep(POLL_MS)
      }
    })
  const isBuilding = (one) => one.projection === projection && one.state === "BUILDING"
  // One that was broken off goes on by itself.
  if ((yield* readModels.builds).some(isBuilding)) {
    yield* processors.command({ _tag: "Cancel", projection }, "bench")
  }
  yield* untilLevel(() => true)
  const measured = usage()
  yield* processors.command({ _tag: "Rebuild", projection, promote: false }, "bench")
  const building = (yield* readModels.builds).find(isBuilding)
  yield* untilLevel(({ build }) => build === building.id)
  const result = { events: Number(head), ...measured() }
  yield* processors.command({ _tag: "Cancel", projection }, "bench")
  return result
}).pipe(Effect.provide(layer))
const result = await Effect.runPromise(program)
console.log(JSON.stringify({ ...result, eventsPerSecond: result.events / result.seconds }))
