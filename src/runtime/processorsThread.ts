/**
 * A thread that folds: its own readers of the event log, and the only writer of the builds that it is told to
 * fold. It speaks `ProcessorsMessage` to the thread that started it, and ends when told "stop".
 */
import { parentPort, workerData } from "node:worker_threads"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Position } from "../domain/Position.js"
import { EventLog } from "../eventlog/EventLog.js"
import type { DeadLetterPolicy } from "../processors/DeadLetters.js"
import type { Turns } from "../processors/FoldGroup.js"
import { makeFoldRunner } from "../processors/FoldRunner.js"
import type { Lane } from "../processors/Lanes.js"
import type { Progress } from "../processors/Processors.js"
import type { Runner } from "../processors/Runner.js"
import { projectionsWith } from "../projections/index.js"
import { type Build, ReadModels } from "../readmodels/ReadModels.js"
import { collectAtRest } from "../threads/collectAtRest.js"
import { yieldToRequests } from "../threads/yieldToRequests.js"
import { type LogForThread, layerInThread } from "./EventLogs.js"
import { reactorsHere } from "./Reactors.js"
import { type ReadModelsData, writerLayer } from "./ReadModelStore.js"

export interface ProcessorsThreadData {
  readonly log: LogForThread
  readonly readModels: ReadModelsData
  /** Whether nobody waits for what is folded here. */
  readonly isAside: boolean
  readonly deadLetters: DeadLetterPolicy
  /** The part of its builds that is folded here; missing: all. */
  readonly lane?: Lane
}

/** What a thread is told to do, as in `Runner`. */
export type Order =
  | { readonly _tag: "Start"; readonly builds: ReadonlyArray<Build> }
  | { readonly _tag: "Stop"; readonly build: string }
  | { readonly _tag: "Drop"; readonly build: string }
  | { readonly _tag: "Hold"; readonly build: string; readonly at: Position }
  | { readonly _tag: "LetGo"; readonly build: string }
  | { readonly _tag: "Retry"; readonly build: string }

export interface Call {
  readonly id: number
  readonly order: Order
}

/** What the thread is sent: "go" when it is its turn to fold history. */
export type ToFoldingThread = Call | "go" | "stop"

export type ProcessorsMessage =
  /** Of every build that runs. */
  | { readonly _tag: "Progress"; readonly progress: ReadonlyArray<Progress> }
  /** A call is done; with what `Hold` answers. */
  | { readonly _tag: "Done"; readonly id: number; readonly position?: Position }
  | { readonly _tag: "NotDone"; readonly id: number; readonly reason: string }
  /** Ends its turn to fold history, and wants the next: it goes on when told "go". */
  | { readonly _tag: "AskTurn" }
  | { readonly _tag: "LeaveTurn" }
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Failed"; readonly reason: string }
  | { readonly _tag: "Stopped" }

const port = parentPort
if (port === null) throw new Error("processorsThread has to be started as a thread")
const data = workerData as ProcessorsThreadData
yieldToRequests(data.isAside ? "last" : "late")
collectAtRest()
const say = (message: ProcessorsMessage): void => port.postMessage(message)

/** Beside those that always run: `TIDEMARK_PROJECTIONS=hourly, funnel`. */
const projections = projectionsWith(process.env.TIDEMARK_PROJECTIONS ?? "")

const layers = Layer.merge(layerInThread(data.log), writerLayer(data.readModels, data.lane?.of))

/** A turn is at least this long. */
const TURN_MS = 100

const turnsBesideOthers = (): Turns => {
  /** When this turn began. */
  let since: number | undefined
  let goOn: (() => void) | undefined
  port.on("message", (message: ToFoldingThread) => {
    if (message === "go") goOn?.()
  })
  return {
    ask: Effect.async((resume) => {
      if (since !== undefined && performance.now() - since < TURN_MS) return resume(Effect.void)
      goOn = () => {
        since = performance.now()
        resume(Effect.void)
      }
      say({ _tag: "AskTurn" })
    }),
    leave: Effect.sync(() => {
      since = undefined
      goOn = undefined
      say({ _tag: "LeaveTurn" })
    }),
  }
}

const carryOut = (runner: Runner, order: Order) => {
  switch (order._tag) {
    case "Start":
      return runner.start(order.builds, data.isAside ? "aside" : "live")
    case "Stop":
      return runner.stop(order.build)
    case "Drop":
      return runner.drop(order.build)
    case "Hold":
      return runner.hold(order.build, order.at)
    case "LetGo":
      return runner.letGo(order.build)
    case "Retry":
      return runner.retry(order.build)
  }
}

const run = Effect.gen(function* () {
  const log = yield* EventLog
  const readModels = yield* ReadModels
  const runner = yield* makeFoldRunner({
    log,
    readModels,
    projections,
    reactors: reactorsHere(),
    deadLetters: data.deadLetters,
    ...(data.lane && { lane: data.lane }),
    ...(data.isAside && { turns: turnsBesideOthers() }),
  })
  const report = runner.progress.pipe(Effect.map((progress) => say({ _tag: "Progress", progress })))
  const answer = ({ id, order }: Call) =>
    carryOut(runner, order).pipe(
      // Whoever is told that a build runs, or stands still, knows where.
      Effect.tap(() => report),
      Effect.matchCause({
        onSuccess: (position) =>
          say({ _tag: "Done", id, ...(position === undefined ? {} : { position: position as Position }) }),
        onFailure: (cause) => say({ _tag: "NotDone", id, reason: Cause.pretty(cause) }),
      }),
    )
  const calls = new Set<Fiber.RuntimeFiber<void>>()
  port.on("message", (message: ToFoldingThread) => {
    if (message === "stop" || message === "go") return
    const fiber = Effect.runFork(answer(message))
    calls.add(fiber)
    fiber.addObserver(() => calls.delete(fiber))
  })
  yield* Effect.addFinalizer(() => Fiber.interruptAll(calls))
  say({ _tag: "Ready" })
  // Each commit of several builds is several changes, and one message; and one more a moment later, for what
  // was committed before this listens.
  yield* runner.changes.pipe(
    Stream.chunks,
    Stream.map(() => undefined),
    Stream.merge(
      Stream.fromSchedule(Schedule.spaced("100 millis").pipe(Schedule.intersect(Schedule.recurs(1)))),
    ),
    Stream.runForEach(() => report),
  )
}).pipe(Effect.scoped, Effect.provide(layers))

const fiber = Effect.runFork(run)
let stopping = false

port.on("message", (message: ToFoldingThread) => {
  if (message !== "stop") return
  stopping = true
  Effect.runFork(Fiber.interrupt(fiber))
})

fiber.addObserver((exit) => {
  if (!stopping && Exit.isFailure(exit)) say({ _tag: "Failed", reason: Cause.pretty(exit.cause) })
  say({ _tag: "Stopped" })
  port.close()
})
