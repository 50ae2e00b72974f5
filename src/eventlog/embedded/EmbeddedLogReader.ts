import { existsSync } from "node:fs"
import type { MessagePort } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { EventLog, type EventLogService, type LogError, LogUnavailable } from "../EventLog.js"
import { openFeed, openReader } from "./EmbeddedLog.js"
import { failureOf } from "./Failure.js"
import { filesOf } from "./Files.js"
import { tryLock } from "./Lock.js"
import { inspect } from "./Opening.js"
import { type EmbeddedLogOptions, tuningOf } from "./Options.js"
import { readingOf } from "./Reading.js"

export interface ReaderOptions extends EmbeddedLogOptions {
  /** From `EmbeddedLog.connect()`. Without it a subscription asks the disk ten times a second. */
  readonly feed?: MessagePort
}

export interface EmbeddedLogReader extends EventLogService {
  readonly logId: string
}

/** The log for a thread or a process that only reads, whether a writer runs or not. Appends are refused. */
export const openEmbeddedLogReader = (
  options: ReaderOptions,
): Effect.Effect<EmbeddedLogReader, LogError, Scope.Scope> =>
  Effect.gen(function* () {
    if (options.feed === undefined) {
      const warning = yield* inspectUnlessWritten(options)
      if (warning !== undefined) yield* Effect.logWarning(warning)
    }
    const reader = yield* openReader(options.directory)
    const feed = options.feed === undefined ? undefined : yield* openFeed(options.feed)
    return {
      ...readingOf(reader, feed, tuningOf({ directory: options.directory })),
      append: () =>
        Effect.fail(
          new LogUnavailable({
            reason: "this is a reader of the event log: append through the log's owner",
            refused: true,
          }),
        ),
      logId: reader.logId,
    }
  })

/**
 * While a writer runs it has looked at the files, and they change. Otherwise nobody has: a damaged
 * write-ahead log would only seem shorter.
 */
const inspectUnlessWritten = (options: EmbeddedLogOptions): Effect.Effect<string | undefined, LogError> =>
  Effect.try({
    try: () => {
      const files = filesOf(options.directory)
      if (!existsSync(files.lock)) return undefined
      const lock = tryLock(files.lock, options.directory)
      if (lock === undefined) return undefined
      try {
        return inspect(files, tuningOf(options).checkOnOpenEvents)
      } finally {
        lock.release()
      }
    },
    catch: (cause) => failureOf(cause, options.directory),
  })

export const EmbeddedLogReader = {
  layer: (options: ReaderOptions): Layer.Layer<EventLog, LogError> =>
    Layer.scoped(EventLog, openEmbeddedLogReader(options)),
}
