// Folds a whole log into new read models and prints JSON. With a file for a CPU profile the engine runs in
// this thread, else in the program's own thread for it, beside the log's idle writer, as when it serves.
//   node bench/support/replayAll.mjs DATA-DIRECTORY READ-MODELS-DIRECTORY [PROFILE]
import { writeFileSync } from "node:fs"
import { Session } from "node:inspector/promises"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { EventLog } from "../../dist/eventlog/EventLog.js"
import { openEmbeddedLog } from "../../dist/eventlog/embedded/EmbeddedLog.js"
import { EmbeddedLogReader } from "../../dist/eventlog/embedded/EmbeddedLogReader.js"
import { Processors } from "../../dist/processors/Processors.js"
import * as ProcessorsInProcess from "../../dist/processors/ProcessorsInProcess.js"
import { projections } from "../../dist/projections/index.js"
import * as EmbeddedReadModels from "../../dist/readmodels/embedded/EmbeddedReadModels.js"
import * as ProcessorsInThread from "../../dist/runtime/ProcessorsInThread.js"
import { usage } from "./usage.mjs"

const [data, readModelsDirectory, profileFile] = process.argv.slice(2)
const logDirectory = join(data, "log")
const POLL_MS = 20

const inThread = Layer.unwrapScoped(
  Effect.map(openEmbeddedLog({ directory: logDirectory }), (log) =>
    Layer.merge(
      Layer.succeed(EventLog, log),
      ProcessorsInThread.layer({
        log: { _tag: "Embedded", directory: logDirectory, feed: log.connect() },
        readModels: { directory: readModelsDirectory, url: undefined },
        onDied: (error) => {
          throw error
        },
      }),
    ),
  ),
)

const inProcess = ProcessorsInProcess.layer(projections).pipe(
  Layer.provide(EmbeddedReadModels.layer({ directory: readModelsDirectory })),
  Layer.provideMerge(EmbeddedLogReader.layer({ directory: logDirectory })),
)

const untilLevel = (processors, head) =>
  Effect.gen(function* () {
    for (;;) {
      const progress = yield* processors.progress
      const stopped = progress.find((one) => one.stopped !== undefined)
      if (stopped !== undefined) throw new Error(JSON.stringify(stopped))
      if (progress.length > 0 && progress.every((one) => one.position === head)) return
      yield* Effect.sleep(POLL_MS)
    }
  })

const session = profileFile === undefined ? undefined : new Session()
if (session !== undefined) {
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: 1_000 })
  await session.post("Profiler.start")
}
const measured = usage()
const program = Effect.gen(function* () {
  const log = yield* EventLog
  const processors = yield* Processors
  const head = yield* log.head
  yield* untilLevel(processors, head)
  return { events: Number(head), ...measured() }
}).pipe(Effect.provide(session === undefined ? inThread : inProcess))
const result = await Effect.runPromise(program)
if (session !== undefined) {
  const { profile } = await session.post("Profiler.stop")
  writeFileSync(profileFile, JSON.stringify(profile))
}
console.log(JSON.stringify({ ...result, eventsPerSecond: result.events / result.seconds }))
