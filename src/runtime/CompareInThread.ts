import { Worker } from "node:worker_threads"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Compared } from "../queries/compare/CompareBuilds.js"
import type { PrepareComparison } from "../queries/compare/Comparisons.js"
import { type QueryError, QueryRefused, type RefusalCode } from "../queries/QueryError.js"
import { ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { threadUrl } from "../threads/threadUrl.js"
import type { CompareMessage, CompareThreadData } from "./compareThread.js"
import type { ReadModelsData } from "./ReadModelStore.js"

/**
 * Compares builds in a thread of its own, which reads both as of one moment while folding goes on: for stores that
 * have snapshots.
 */
export const compareInThread =
  (options: { readonly readModels: ReadModelsData }): PrepareComparison =>
  (from, to, collections) =>
    Effect.gen(function* () {
      const ready = yield* Deferred.make<void, ReadModelsUnavailable>()
      const opened = yield* Deferred.make<void, ReadModelsUnavailable>()
      const result = yield* Deferred.make<Compared, QueryError>()
      const failed = (reason: string): void => {
        const error = Effect.fail(new ReadModelsUnavailable({ reason: `comparing builds: ${reason}` }))
        Deferred.unsafeDone(ready, error)
        Deferred.unsafeDone(opened, error)
        Deferred.unsafeDone(result, error)
      }
      const data: CompareThreadData = { ...options, from, to, collections }
      const worker = yield* Effect.acquireRelease(
        Effect.sync(
          () =>
            new Worker(threadUrl("./compareThread.js", import.meta.url), {
              workerData: data,
              name: "compare",
            }),
        ),
        (running) => Effect.promise(() => running.terminate()),
      )
      worker.on("message", (message: CompareMessage) => {
        switch (message._tag) {
          case "Ready":
            Deferred.unsafeDone(ready, Effect.void)
            return
          case "Opened":
            Deferred.unsafeDone(opened, Effect.void)
            return
          case "Compared":
            Deferred.unsafeDone(result, Effect.succeed(message.compared))
            return
          case "Refused": {
            const { code, message: text } = message
            const refusal = new QueryRefused({ code: code as RefusalCode, message: text })
            Deferred.unsafeDone(result, Effect.fail(refusal))
            failed(text)
            return
          }
          case "Failed":
            failed(message.reason)
        }
      })
      worker.on("error", (error) => failed(String(error)))
      worker.on("exit", (code) => failed(`the thread has ended with exit code ${code}`))
      yield* Deferred.await(ready)
      return {
        open: Effect.suspend(() => {
          worker.postMessage("open")
          return Deferred.await(opened)
        }),
        compared: Deferred.await(result),
      }
    })
