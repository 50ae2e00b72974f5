import { MessageChannel, type MessagePort } from "node:worker_threads"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import {
  type AppendOutcome,
  EventLog,
  type EventLogService,
  type LogError,
  type LogUnavailable,
} from "../EventLog.js"
import { DiskReader } from "./DiskReader.js"
import { failureOf } from "./Failure.js"
import { LiveFeed } from "./LiveFeed.js"
import { type EmbeddedLogOptions, tuningOf } from "./Options.js"
import { readingOf } from "./Reading.js"
import { WriterClient } from "./WriterClient.js"

export interface EmbeddedLog extends EventLogService {
  /** Made when the log was made: tells one log from another. */
  readonly logId: string
  /** A live feed for another thread: give it to `EmbeddedLogReader` there, with `transferList`. */
  readonly connect: () => MessagePort
  /** Waits until the writer has died, and says why. Every append fails from then on. */
  readonly failure: Effect.Effect<LogUnavailable>
}

/**
 * Opens the log in a directory, making it when there is none; its writer lives in a thread of its own.
 * One process at a time. Fails with LogDamaged, having changed nothing, when stored bytes are not what
 * was written.
 */
export const openEmbeddedLog = (
  options: EmbeddedLogOptions,
): Effect.Effect<EmbeddedLog, LogError, Scope.Scope> =>
  Effect.gen(function* () {
    const tuning = tuningOf(options)
    const died = yield* Deferred.make<LogUnavailable>()
    const writer = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () => WriterClient.open(tuning, (error) => Deferred.unsafeDone(died, Effect.succeed(error))),
        catch: (cause) => failureOf(cause, tuning.directory),
      }),
      (client) => Effect.promise(() => client.close()),
    )
    if (writer.warning !== undefined) yield* Effect.logWarning(writer.warning)
    const reader = yield* openReader(tuning.directory)
    const connect = (): MessagePort => {
      const { port1, port2 } = new MessageChannel()
      writer.connect(port1)
      return port2
    }
    const feed = yield* openFeed(connect())
    return {
      ...readingOf(reader, feed, tuning),
      append: (appends) =>
        appends.length === 0
          ? Effect.succeed([])
          : Effect.async<ReadonlyArray<AppendOutcome>, LogUnavailable>((resume) =>
              writer.append(appends, (result) =>
                resume(result._tag === "Done" ? Effect.succeed(result.outcomes) : Effect.fail(result.error)),
              ),
            ),
      logId: writer.logId,
      connect,
      failure: Deferred.await(died),
    }
  })

export const openReader = (directory: string): Effect.Effect<DiskReader, LogError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({ try: () => new DiskReader(directory), catch: (cause) => failureOf(cause, directory) }),
    (reader) => Effect.sync(() => reader.close()),
  )

export const openFeed = (port: MessagePort): Effect.Effect<LiveFeed, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new LiveFeed(port)),
    (feed) => Effect.sync(() => feed.close()),
  )

export const EmbeddedEventLog = {
  layer: (options: EmbeddedLogOptions): Layer.Layer<EventLog, LogError> =>
    Layer.scoped(EventLog, openEmbeddedLog(options)),
}
