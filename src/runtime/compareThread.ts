/**
 * A thread that compares two builds. When told "open" it opens both as they are then, and says so; then it compares
 * them, and says what it has found. It ends by itself.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parentPort, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { type Compared, compareBuilds } from "../queries/compare/CompareBuilds.js"
import { type Build, ReadModels } from "../readmodels/ReadModels.js"
import { yieldToRequests } from "../threads/yieldToRequests.js"
import { type ReadModelsData, snapshotLayer } from "./ReadModelStore.js"

export interface CompareThreadData {
  readonly readModels: ReadModelsData
  readonly from: Build
  readonly to: Build
  readonly collections: ReadonlyArray<string>
}

export type CompareMessage =
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Opened" }
  | { readonly _tag: "Compared"; readonly compared: Compared }
  | { readonly _tag: "Refused"; readonly code: string; readonly message: string }
  | { readonly _tag: "Failed"; readonly reason: string }

const port = parentPort
if (port === null) throw new Error("compareThread has to be started as a thread")
const data = workerData as CompareThreadData
yieldToRequests("last")
const say = (message: CompareMessage): void => port.postMessage(message)

const reasonOf = (error: { readonly message?: string; readonly reason?: string }): string =>
  error.message ?? error.reason ?? String(error)

const run = Effect.gen(function* () {
  const temporary = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "tidemark-compare-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
  )
  const context = yield* Layer.build(snapshotLayer(data.readModels, temporary, [data.from.id, data.to.id]))
  say({ _tag: "Opened" })
  const readModels = yield* Effect.provide(ReadModels, context)
  return yield* compareBuilds(readModels, data.from, data.to, data.collections)
}).pipe(
  Effect.scoped,
  Effect.map((compared) => say({ _tag: "Compared", compared })),
  Effect.catchAll((error) =>
    Effect.sync(() => {
      if (error._tag === "QueryRefused") say({ _tag: "Refused", code: error.code, message: error.message })
      else say({ _tag: "Failed", reason: reasonOf(error) })
    }),
  ),
)

port.once("message", () => {
  Effect.runPromiseExit(run).then((exit) => {
    if (Exit.isFailure(exit)) say({ _tag: "Failed", reason: String(exit.cause) })
    port.close()
  })
})
say({ _tag: "Ready" })
