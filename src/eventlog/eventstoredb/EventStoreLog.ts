import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  type AppendOutcome,
  EventLog,
  type EventLogService,
  type LogError,
  type LogUnavailable,
} from "../EventLog.js"
import { Appender } from "./Appender.js"
import { connect, type MalformedConnection } from "./Connection.js"
import type { Part } from "./Encoding.js"
import { DENIED } from "./Failure.js"
import { follow } from "./Follower.js"
import { Lanes } from "./Lanes.js"
import { type EventStoreLogOptions, tuningOf } from "./Options.js"
import { prefixed } from "./Prefixed.js"
import { readAll, readStream, wantedStreams } from "./Reading.js"
import { Tail } from "./Tail.js"

const LOOK_EVERY = "2 seconds"
const SAY_EVERY_MS = 10_000

/**
 * The log on an EventStoreDB server, or the part of it that `streams` names. It opens when the server
 * answers, however long that takes; fails with MalformedConnection, or when access is denied.
 */
export const openEventStoreLog = (
  options: EventStoreLogOptions,
): Effect.Effect<EventLogService, MalformedConnection | LogError, Scope.Scope> =>
  Effect.gen(function* () {
    const tuning = tuningOf(options)
    const { deadlineMs, streams } = tuning
    const run = Runtime.runFork(yield* Effect.runtime<never>())
    const reading = yield* Effect.acquireRelease(
      Effect.try({
        try: () => connect(tuning.connection),
        catch: (cause) => cause as MalformedConnection,
      }),
      (connection) => Effect.promise(connection.close),
    )
    const lanes = yield* Effect.acquireRelease(
      Effect.sync(() => new Lanes(reading.client, reading.another)),
      (all) => Effect.promise(() => all.close()),
    )
    const tail = new Tail(lanes, deadlineMs, streams)
    const findOwn = (part: Part) => Effect.runPromise(ownOf(lanes, deadlineMs, part))
    const appender = yield* Effect.acquireRelease(
      Effect.sync(() => new Appender(() => connect(tuning.connection), findOwn, tuning)),
      (one) => Effect.promise(() => one.close()),
    )

    let saidAt = Number.NEGATIVE_INFINITY
    const away = (reason: string): void => {
      if (performance.now() - saidAt < SAY_EVERY_MS) return
      saidAt = performance.now()
      run(Effect.logWarning(`the event log: ${reason}`))
    }

    const onTrouble = (reason: string): void => {
      tuning.onTrouble(reason)
      away(reason)
    }
    const look = tail.head.pipe(
      Effect.match({
        onSuccess: () => tuning.onTrouble(undefined),
        onFailure: ({ message }) => onTrouble(message),
      }),
    )
    yield* untilThere(tail.head, onTrouble)
    tuning.onTrouble(undefined)
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(LOOK_EVERY), look)))

    const log: EventLogService = {
      append: (appends) =>
        appends.length === 0
          ? Effect.succeed([])
          : Effect.async<ReadonlyArray<AppendOutcome>, LogUnavailable>((resume) =>
              appender.append(appends, (result) => {
                if (result._tag === "Failed") {
                  resume(Effect.fail(result.error))
                  return
                }
                for (const outcome of result.outcomes)
                  if (outcome._tag === "Appended") tail.saw(outcome.position)
                resume(Effect.succeed(result.outcomes))
              }),
            ),
      readStream: (stream, how) => readStream(lanes, deadlineMs, stream, how),
      readAll: ({ prefixes, ...how }) => readAll(lanes, deadlineMs, wantedStreams(streams, prefixes), how),
      subscribe: ({ after, prefixes }) =>
        follow({ lanes, tail, tuning, away }, wantedStreams(streams, prefixes), after),
      head: tail.head,
    }
    return options.prefix === undefined || options.prefix === "" ? log : prefixed(log, options.prefix)
  })

/** Only a person can change it. */
const isHopeless = (error: LogError): boolean =>
  error._tag === "LogDamaged" || error.reason === DENIED || error.refused === true

/** The server may be starting, too. */
const untilThere = (
  head: Effect.Effect<unknown, LogError>,
  onTrouble: (reason: string) => void,
): Effect.Effect<void, LogError> =>
  head.pipe(
    Effect.asVoid,
    Effect.catchAll((error) => {
      if (isHopeless(error)) return Effect.fail(error)
      onTrouble(`${error.message}; trying again`)
      return Effect.zipRight(Effect.sleep("500 millis"), untilThere(head, onTrouble))
    }),
  )

/** The outcome of a part whose events the stream has, exactly where it would have put them. */
const ownOf = (lanes: Lanes, deadlineMs: number, { stream, expectedRevision, events }: Part) =>
  readStream(lanes, deadlineMs, stream, {
    direction: "forwards",
    from: expectedRevision + 1,
    limit: events.length,
  }).pipe(
    Stream.mapConcat((found) => found),
    Stream.zipWithIndex,
    Stream.takeWhile(([found, index]) => found.eventId === events[index]?.eventId),
    Stream.runFold(
      { count: 0, last: Option.none<{ revision: number; position: string }>() },
      (state, [found]) => ({
        count: state.count + 1,
        last: Option.some(found),
      }),
    ),
    Effect.map(({ count, last }) => {
      const found = Option.getOrUndefined(last)
      return found === undefined || count < events.length
        ? undefined
        : ({ _tag: "Appended", revision: found.revision, position: found.position } as AppendOutcome & {
            readonly _tag: "Appended"
          })
    }),
  )

export const EventStoreEventLog = {
  layer: (options: EventStoreLogOptions): Layer.Layer<EventLog, MalformedConnection | LogError> =>
    Layer.scoped(EventLog, openEventStoreLog(options)),
}
