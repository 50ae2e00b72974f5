import type { MessagePort } from "node:worker_threads"
import { Effect, Layer, type Scope } from "effect"
import { EventLog, type EventLogService, type LogError, LogUnavailable } from "../EventLog.js"
import { openFeed, openReader } from "./EmbeddedLog.js"
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

export const EmbeddedLogReader = {
  layer: (options: ReaderOptions): Layer.Layer<EventLog, LogError> =>
    Layer.scoped(EventLog, openEmbeddedLogReader(options)),
}
