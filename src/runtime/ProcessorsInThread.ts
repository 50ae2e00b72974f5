import { Worker } from "node:worker_threads"
import { Data, Deferred, Effect, Layer, PubSub, Runtime, Stream } from "effect"
import { Processors, type ProcessorsService, type Progress } from "../processors/Processors.js"
import { threadUrl } from "../threads/threadUrl.js"
import type { LogForThread } from "./EventLogs.js"
import type { ProcessorsMessage, ProcessorsThreadData } from "./processorsThread.js"
import type { ReadModelsData } from "./ReadModelStore.js"

/** The thread that folds has died: numbers stand still until the program is started again. */
export class ProcessorsDied extends Data.TaggedError("ProcessorsDied")<{ readonly reason: string }> {
  override get message(): string {
    return `the processors' thread has ended: ${this.reason}. The log is safe; start again to go on folding it`
  }
}

export interface ProcessorsInThreadOptions {
  /** It is handed over: a feed that it has can't be used here any more. */
  readonly log: LogForThread
  readonly readModels: ReadModelsData
  /** Called once, should the thread end by itself while the layer lives. */
  readonly onDied: (error: ProcessorsDied) => void
}

const STOP_MS = 25_000
const RATE_LASTS_MS = 5_000

/**
 * The engine in a thread of its own. The layer is ready when every build is open; closing it commits what
 * is folded. Fails with ProcessorsDied when the thread can't start.
 */
export const layer = (options: ProcessorsInThreadOptions): Layer.Layer<Processors, ProcessorsDied> =>
  Layer.scoped(
    Processors,
    Effect.gen(function* () {
      const runtime = yield* Effect.runtime<never>()
      const changes = yield* PubSub.sliding<Progress>(64)
      const ready = yield* Deferred.make<void, ProcessorsDied>()
      const stopped = yield* Deferred.make<void>()
      const latest = new Map<string, { readonly progress: Progress; readonly at: number }>()
      let closing = false
      let dead = false

      const died = (reason: string): void => {
        if (dead || closing) return
        dead = true
        const error = new ProcessorsDied({ reason })
        const starting = Runtime.runSync(runtime)(Deferred.fail(ready, error))
        if (!starting) options.onDied(error)
      }

      const data: ProcessorsThreadData = {
        log: options.log,
        readModels: options.readModels,
      }
      const worker = new Worker(threadUrl("./processorsThread.js", import.meta.url), {
        workerData: data,
        transferList: options.log._tag === "Embedded" ? [options.log.feed] : [],
        name: "processors",
        // Folds make much that is soon garbage: with room for it a replay takes a tenth less time.
        resourceLimits: { maxYoungGenerationSizeMb: 64 },
      })
      worker.on("message", (message: ProcessorsMessage) => {
        switch (message._tag) {
          case "Progress": {
            const at = Date.now()
            latest.clear()
            for (const progress of message.progress) {
              latest.set(progress.build, { progress, at })
              Runtime.runSync(runtime)(PubSub.publish(changes, progress))
            }
            Deferred.unsafeDone(ready, Effect.void)
            return
          }
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
        died(`exit code ${code}`)
        Deferred.unsafeDone(stopped, Effect.void)
      })

      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          closing = true
          worker.postMessage("stop")
          yield* Deferred.await(stopped).pipe(Effect.timeoutOption(STOP_MS))
          yield* Effect.promise(() => worker.terminate())
        }),
      )
      yield* Deferred.await(ready)

      const service: ProcessorsService = {
        progress: Effect.sync(() =>
          [...latest.values()].map(({ progress, at }) =>
            Date.now() - at > RATE_LASTS_MS ? { ...progress, eventsPerSecond: 0 } : progress,
          ),
        ),
        changes: Stream.fromPubSub(changes),
      }
      return service
    }),
  )
