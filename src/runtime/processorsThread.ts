/**
 * The thread that folds: its own readers of the event log, the only writer of the read models, and the
 * engine. It speaks `ProcessorsMessage` to the thread that started it, and ends when told "stop".
 */
import { parentPort, workerData } from "node:worker_threads"
import { Cause, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { Processors, type Progress } from "../processors/Processors.js"
import * as ProcessorsInProcess from "../processors/ProcessorsInProcess.js"
import { projectionsWith } from "../projections/index.js"
import { yieldToRequests } from "../threads/yieldToRequests.js"
import { type LogForThread, layerInThread } from "./EventLogs.js"
import { type ReadModelsData, writerLayer } from "./ReadModelStore.js"

export interface ProcessorsThreadData {
  readonly log: LogForThread
  readonly readModels: ReadModelsData
}

export type ProcessorsMessage =
  /** Of every build that runs. */
  | { readonly _tag: "Progress"; readonly progress: ReadonlyArray<Progress> }
  | { readonly _tag: "Failed"; readonly reason: string }
  | { readonly _tag: "Stopped" }

yieldToRequests()
const port = parentPort
if (port === null) throw new Error("processorsThread has to be started as a thread")
const data = workerData as ProcessorsThreadData
const say = (message: ProcessorsMessage): void => port.postMessage(message)

/** Beside those that always run: `TIDEMARK_PROJECTIONS=hourly, funnel`. */
const projections = projectionsWith(process.env.TIDEMARK_PROJECTIONS ?? "")

const layers = ProcessorsInProcess.layer(projections).pipe(
  Layer.provide(layerInThread(data.log)),
  Layer.provide(writerLayer(data.readModels)),
)

const run = Effect.gen(function* () {
  const processors = yield* Processors
  const report = processors.progress.pipe(Effect.map((progress) => say({ _tag: "Progress", progress })))
  yield* report
  // Each commit of several builds is several changes, and one message. A commit before this listens is
  // caught by one more report a moment later.
  yield* processors.changes.pipe(
    Stream.chunks,
    Stream.map(() => undefined),
    Stream.merge(Stream.fromEffect(Effect.sleep("100 millis"))),
    Stream.runForEach(() => report),
  )
}).pipe(Effect.provide(layers))

const fiber = Effect.runFork(run)
let stopping = false

port.on("message", (message) => {
  if (message !== "stop") return
  stopping = true
  Effect.runFork(Fiber.interrupt(fiber))
})

fiber.addObserver((exit) => {
  if (!stopping && Exit.isFailure(exit)) say({ _tag: "Failed", reason: Cause.pretty(exit.cause) })
  say({ _tag: "Stopped" })
  port.close()
})
