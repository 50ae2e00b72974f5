import type { MessagePort } from "node:worker_threads"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { OWN_STREAMS } from "../domain/Partition.js"
import { EventLog, type EventLogService, type LogError } from "../eventlog/EventLog.js"
import { openEmbeddedLog } from "../eventlog/embedded/EmbeddedLog.js"
import { EmbeddedLogReader } from "../eventlog/embedded/EmbeddedLogReader.js"
import type { MalformedConnection } from "../eventlog/eventstoredb/Connection.js"
import { EventStoreEventLog, openEventStoreLog } from "../eventlog/eventstoredb/EventStoreLog.js"
import { upcasting } from "../eventlog/Upcasting.js"

/** Which event log: what TIDEMARK_EVENT_LOG says. */
export type EventLogChoice =
  | { readonly _tag: "Embedded" }
  | {
      readonly _tag: "EventStoreDB"
      readonly connection: Redacted.Redacted
      /** In front of the name of every stream; may be empty. */
      readonly prefix: string
    }

/** How another thread gets at the same log: it goes through `workerData`. */
export type LogForThread =
  | { readonly _tag: "Embedded"; readonly directory: string; readonly feed: MessagePort }
  | { readonly _tag: "EventStoreDB"; readonly connection: string; readonly prefix: string }

export interface OpenedLog {
  readonly log: EventLogService
  /** For one other thread. */
  readonly forThread: () => LogForThread
}

export interface OpenOptions {
  /** Of the embedded log. */
  readonly directory: string
  readonly slowdownMs: number
  /** The embedded log's writer has died: nothing can be appended any more. */
  readonly onDied: (reason: string) => void
  /** Why the server can't be used; undefined when it can again. */
  readonly onTrouble: (reason: string | undefined) => void
}

const openEmbedded = (options: OpenOptions): Effect.Effect<OpenedLog, LogError, Scope.Scope> =>
  Effect.gen(function* () {
    const { directory } = options
    const log = yield* openEmbeddedLog({ directory, slowdownMs: options.slowdownMs })
    yield* log.failure.pipe(
      Effect.tap(({ reason }) => options.onDied(reason)),
      Effect.forkScoped,
    )
    return { log: upcasting(log), forThread: () => ({ _tag: "Embedded", directory, feed: log.connect() }) }
  })

/** The log for appending and reading, in the thread that owns it. */
export const openLog = (
  choice: EventLogChoice,
  options: OpenOptions,
): Effect.Effect<OpenedLog, MalformedConnection | LogError, Scope.Scope> => {
  if (choice._tag === "Embedded") return openEmbedded(options)
  const { prefix } = choice
  const connection = Redacted.value(choice.connection)
  return Effect.map(
    openEventStoreLog({ connection, prefix, streams: OWN_STREAMS, onTrouble: options.onTrouble }),
    (log) => ({ log: upcasting(log), forThread: () => ({ _tag: "EventStoreDB", connection, prefix }) }),
  )
}

/** Events of all versions come as those of today, from whichever log: see `Upcasting`. */
const inTodaysForm = <E>(layer: Layer.Layer<EventLog, E>): Layer.Layer<EventLog, E> =>
  Layer.map(layer, (context) => Context.make(EventLog, upcasting(Context.get(context, EventLog))))

/** The same log in another thread. Each thread has connections of its own. */
export const layerInThread = (log: LogForThread): Layer.Layer<EventLog, MalformedConnection | LogError> =>
  inTodaysForm(
    log._tag === "Embedded"
      ? EmbeddedLogReader.layer({ directory: log.directory, feed: log.feed })
      : EventStoreEventLog.layer({ connection: log.connection, prefix: log.prefix, streams: OWN_STREAMS }),
  )

/** The log for a process that only reads, beside a server that runs or without one. */
export const layerToRead = (
  choice: EventLogChoice,
  directory: string,
): Layer.Layer<EventLog, MalformedConnection | LogError> =>
  inTodaysForm(
    choice._tag === "Embedded"
      ? EmbeddedLogReader.layer({ directory })
      : EventStoreEventLog.layer({
          connection: Redacted.value(choice.connection),
          prefix: choice.prefix,
          streams: OWN_STREAMS,
        }),
  )
