import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../domain/Event.js"
import { upcast as registered, type Upcast } from "../domain/Upcast.js"
import type { EventLogService, PastOptions, PastPartition } from "./EventLog.js"

/**
 * A log whose events are read in today's form, whatever version they were stored in. Everything that reads goes
 * through here, so that no fold, actor or query ever sees an old one; what is stored stays as it is.
 */
export const upcasting = (log: EventLogService, upcast: Upcast = registered): EventLogService => {
  const bringUp = (recorded: RecordedEvent): RecordedEvent => {
    const event = upcast(recorded.event)
    return event === recorded.event ? recorded : { ...recorded, event }
  }
  /** Mostly there is nothing to do: then the same list goes on. */
  const bringAllUp = (events: ReadonlyArray<RecordedEvent>): ReadonlyArray<RecordedEvent> =>
    events.every((recorded) => upcast(recorded.event) === recorded.event) ? events : events.map(bringUp)
  function* eachUp(events: Iterable<RecordedEvent>): Generator<RecordedEvent> {
    for (const recorded of events) yield bringUp(recorded)
  }
  function* partitionsUp(partitions: Iterable<PastPartition>): Generator<PastPartition> {
    for (const { partition, events } of partitions) yield { partition, events: eachUp(events) }
  }
  const { past } = log
  return {
    ...log,
    ...(past === undefined
      ? {}
      : {
          past: (options: PastOptions) =>
            Stream.map(past(options), (one) => ({ ...one, partitions: partitionsUp(one.partitions) })),
        }),
    readStream: (stream, options) => Stream.map(log.readStream(stream, options), bringAllUp),
    readAll: (options) => Stream.map(log.readAll(options), bringAllUp),
    subscribe: (options) =>
      Stream.map(log.subscribe(options), (batch) => {
        const events = bringAllUp(batch.events)
        return events === batch.events ? batch : { ...batch, events }
      }),
  }
}
