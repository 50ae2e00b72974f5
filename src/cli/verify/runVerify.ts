import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Position } from "../../domain/Position.js"
import { EventLog } from "../../eventlog/EventLog.js"
import { CannotVerify } from "../../processors/CannotVerify.js"
import { stateOf } from "../../processors/Reactor.js"
import { type VerifyReport, verify } from "../../processors/Verify.js"
import { optional, projections } from "../../projections/index.js"
import * as EmbeddedReadModels from "../../readmodels/embedded/EmbeddedReadModels.js"
import { ReadModels } from "../../readmodels/ReadModels.js"
import { type EventLogChoice, layerToRead } from "../../runtime/EventLogs.js"
import { reactorsHere } from "../../runtime/Reactors.js"
import { type ReadModelsData, snapshotLayer } from "../../runtime/ReadModelStore.js"

export interface VerifyStores {
  /** Directory of the log. */
  readonly log: string
  readonly eventLog: EventLogChoice
  readonly readModels: ReadModelsData
}

/** Compares the read models with a fresh fold of the log, beside a server that runs or without one. */
export const runVerify = (
  stores: VerifyStores,
  onProgress: (at: Position, end: Position) => void,
): Effect.Effect<VerifyReport, CannotVerify> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { readModels, eventLog } = stores
      const needed = [
        ...(eventLog._tag === "Embedded" ? [stores.log] : []),
        ...(readModels.url === undefined ? [readModels.directory] : []),
      ]
      for (const directory of needed) {
        if (!existsSync(directory))
          return yield* new CannotVerify({ reason: `there is no directory ${directory}` })
      }
      const temporary = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "tidemark-verify-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
      )
      // The snapshot comes first: whatever it holds is in the log by then.
      const stored = yield* Layer.build(snapshotLayer(readModels, join(temporary, "stored")))
      const scratch = yield* Layer.build(EmbeddedReadModels.layer({ directory: join(temporary, "fresh") }))
      const log = yield* Layer.build(layerToRead(eventLog, stores.log))
      return yield* verify({
        log: yield* Effect.provide(EventLog, log),
        stored: yield* Effect.provide(ReadModels, stored),
        scratch: yield* Effect.provide(ReadModels, scratch),
        projections: [...projections, ...optional, ...reactorsHere().map(stateOf)],
        onProgress,
      })
    }),
  ).pipe(
    Effect.mapError((error) =>
      error._tag === "CannotVerify"
        ? error
        : new CannotVerify({ reason: error._tag === "ReadModelsUnavailable" ? error.reason : error.message }),
    ),
  )
