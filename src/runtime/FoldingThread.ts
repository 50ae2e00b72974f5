import { Worker } from "node:worker_threads"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { Position } from "../domain/Position.js"
import type { DeadLetterPolicy } from "../processors/DeadLetters.js"
import type { Lane } from "../processors/Lanes.js"
import type { Progress } from "../processors/Processors.js"
import { ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { threadUrl } from "../threads/threadUrl.js"
import type { LogForThread } from "./EventLogs.js"
import type { FoldingTurns } from "./FoldingTurns.js"
import type { Order, ProcessorsMessage, ProcessorsThreadData, ToFoldingThread } from "./processorsThread.js"
import type { ReadModelsData } from "./ReadModelStore.js"

/** The thread that folds has died: numbers stand still until the program is started again. */
export class ProcessorsDied extends Data.TaggedError("ProcessorsDied")<{ readonly reason: string }> {
  override get message(): string {
    return `the processors' thread has ended: ${this.reason}. The log is safe; start again to go on folding it`
  }
}

/** A thread that is always there, and one that is there while something is rebuilt. */
const YOUNG_MB = 64
const YOUNG_ASIDE_MB = 192

export interface FoldingThreadOptions {
  /** The log for this thread; what it gives is handed over. */
  readonly forThread: () => LogForThread
  readonly readModels: ReadModelsData
  readonly isAside: boolean
  /** The part of its builds that it folds; missing: all. */
  readonly lane?: Lane
  readonly deadLetters: DeadLetterPolicy
  /** Of all threads that fold beside the one that serves; missing: it is always this one's. */
  readonly turns?: FoldingTurns
  /** Of every build that the thread folds. */
  readonly onProgress: (progress: ReadonlyArray<Progress>) => void
  /** Called once, should the thread end by itself while the scope lives. */
  readonly onDied: (error: ProcessorsDied) => void
}

export interface FoldingThread {
  /** Answers when the order is carried out. */
  readonly order: (order: Order) => Effect.Effect<Position | undefined, ReadModelsUnavailable>
}

/**
 * For what a thread has under way at the end. One that is not over by then is ended anyway, and the program with it where
 * that is a call of the store: what it had not written is folded again.
 */
const STOP_MS = 20_000

/**
 * Starts a thread that folds what it is told to. Closing the scope commits what is folded. Fails when the thread
 * can't start.
 */
export const startFoldingThread = (
  options: FoldingThreadOptions,
): Effect.Effect<FoldingThread, ProcessorsDied, Scope.Scope> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<never>()
    const ready = yield* Deferred.make<void, ProcessorsDied>()
    const stopped = yield* Deferred.make<void>()
    const waiting = new Map<
      number,
      (answer: Effect.Effect<Position | undefined, ReadModelsUnavailable>) => void
    >()
    let calls = 0
    let closing = false
    let dead: string | undefined

    const answerNone = (reason: string): void => {
      for (const answer of waiting.values()) answer(new ReadModelsUnavailable({ reason }))
      waiting.clear()
    }
    const died = (reason: string): void => {
      if (dead !== undefined || closing) return
      dead = reason
      const error = new ProcessorsDied({ reason })
      answerNone(error.message)
      const starting = Runtime.runSync(runtime)(Deferred.fail(ready, error))
      if (!starting) options.onDied(error)
    }
    const answered = (
      id: number,
      answer: Effect.Effect<Position | undefined, ReadModelsUnavailable>,
    ): void => {
      waiting.get(id)?.(answer)
      waiting.delete(id)
    }

    const log = options.forThread()
    const { readModels, isAside, deadLetters, lane } = options
    const data: ProcessorsThreadData = { log, readModels, isAside, deadLetters, ...(lane && { lane }) }
    const worker = new Worker(threadUrl("./processorsThread.js", import.meta.url), {
      workerData: data,
      transferList: log._tag === "Embedded" ? [log.feed] : [],
      name: isAside ? "rebuild" : "processors",
      // Folds make much that is soon garbage: with room for it they take a tenth less time.
      resourceLimits: { maxYoungGenerationSizeMb: isAside ? YOUNG_ASIDE_MB : YOUNG_MB },
    })
    const tell = (message: ToFoldingThread): void => worker.postMessage(message)
    worker.on("message", (message: ProcessorsMessage) => {
      switch (message._tag) {
        case "Progress":
          options.onProgress(message.progress)
          return
        case "Done":
          answered(message.id, Effect.succeed(message.position))
          return
        case "NotDone":
          answered(message.id, new ReadModelsUnavailable({ reason: message.reason }))
          return
        case "AskTurn":
          if (options.turns === undefined) tell("go")
          else options.turns.ask(worker, () => tell("go"))
          return
        case "LeaveTurn":
          options.turns?.leave(worker)
          return
        case "Ready":
          Deferred.unsafeDone(ready, Effect.void)
          return
        case "Failed":
          died(message.reason)
          return
        case "Stopped":
          Deferred.unsafeDone(stopped, Effect.void)
      }
    })
    worker.on("error", (error) =>
      died(error instanceof Error ? (error.stack ?? error.message) : String(error)),
    )
    worker.on("exit", (code) => {
      options.turns?.leave(worker)
      died(`exit code ${code}`)
      Deferred.unsafeDone(stopped, Effect.void)
    })

    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        closing = true
        tell("stop")
        yield* Deferred.await(stopped).pipe(Effect.interruptible, Effect.timeoutOption(STOP_MS))
        yield* Effect.promise(() => worker.terminate())
        dead ??= "the thread was told to end"
        answerNone(dead)
      }),
    )
    yield* Deferred.await(ready)

    return {
      order: (order) =>
        Effect.async((resume) => {
          if (dead !== undefined) return resume(new ReadModelsUnavailable({ reason: dead }))
          const id = calls++
          waiting.set(id, resume)
          tell({ id, order })
          return Effect.sync(() => waiting.delete(id))
        }),
    }
  })
