import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../../src/domain/Event.js"
import { compare, type Position, start } from "../../src/domain/Position.js"
import { type EventLogService, LogUnavailable } from "../../src/eventlog/EventLog.js"

/** Index of the first event beyond the position. */
const beyond = (events: ReadonlyArray<RecordedEvent>, position: Position): number => {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compare((events[middle] as RecordedEvent).position, position) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

/** The reading half of a log that has these events, in the order of their positions. */
export const listLog = (events: ReadonlyArray<RecordedEvent>): EventLogService => {
  const streams = new Map<string, Array<RecordedEvent>>()
  for (const event of events) {
    const own = streams.get(event.stream)
    if (own === undefined) streams.set(event.stream, [event])
    else own.push(event)
  }
  const refused = new LogUnavailable({ reason: "this log is a list of a test", refused: true })
  return {
    append: () => Effect.fail(refused),
    subscribe: () => Stream.fail(refused),
    head: Effect.sync(() => events.at(-1)?.position ?? start),
    readStream: (stream, { direction, from, limit = Number.POSITIVE_INFINITY }) => {
      const own = streams.get(stream) ?? []
      const found =
        direction === "forwards"
          ? own.slice(from ?? 0, (from ?? 0) + limit)
          : own
              .slice(0, (from ?? own.length) + 1)
              .toReversed()
              .slice(0, limit)
      return Stream.make(found)
    },
    readAll: ({ direction, from, prefixes, limit = Number.POSITIVE_INFINITY }) => {
      const found: Array<RecordedEvent> = []
      const isForwards = direction === "forwards"
      const place = from === undefined ? (isForwards ? 0 : events.length) : beyond(events, from)
      const isAt = !isForwards && from !== undefined && events[place - 1]?.position === from
      const step = isForwards ? 1 : -1
      for (let i = isForwards ? place : place - (isAt ? 2 : 1); found.length < limit; i += step) {
        const event = events[i]
        if (event === undefined) break
        if (prefixes?.some((prefix) => event.stream.startsWith(prefix)) ?? true) found.push(event)
      }
      return Stream.make(found)
    },
  }
}
