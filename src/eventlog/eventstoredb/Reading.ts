import type { ResolvedEvent } from "@eventstore/db-client"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../../domain/Event.js"
import { compare, type Position } from "../../domain/Position.js"
import type { LogError, ReadAllOptions, ReadStreamOptions } from "../EventLog.js"
import { fromClient } from "./Encoding.js"
import type { Lanes } from "./Lanes.js"
import { placeOf, positionOf } from "./Places.js"
import { type Events, type Plan, readBy } from "./Read.js"

/** Events of a call that wait in this process at most: one has up to 64 KiB. */
const BUFFERED = { highWaterMark: 256 }

/** Events that are asked for at first where few are wanted, and at most where most of them are others'. */
const FIRST_PAGE = 16
const LARGEST_PAGE = 4_096

const UNLIMITED = Number.MAX_SAFE_INTEGER

/** Which streams a reader wants: those of the log, of them those with one of the prefixes. */
export const wantedStreams = (
  streams: ReadonlyArray<string> | undefined,
  prefixes: ReadonlyArray<string> | undefined,
): ReadonlyArray<string> | undefined => {
  if (streams === undefined || prefixes === undefined) return prefixes ?? streams
  return prefixes.flatMap((prefix) =>
    streams.flatMap((own) => (prefix.startsWith(own) ? [prefix] : own.startsWith(prefix) ? [own] : [])),
  )
}

export const isWanted = (stream: string, wanted: ReadonlyArray<string> | undefined): boolean =>
  wanted === undefined ? !stream.startsWith("$") : wanted.some((prefix) => stream.startsWith(prefix))

export const readStream = (
  lanes: Lanes,
  deadlineMs: number,
  stream: string,
  { direction, from, limit = UNLIMITED }: ReadStreamOptions,
): Stream.Stream<Events, LogError> => {
  if (limit <= 0 || (from !== undefined && from < 0)) return Stream.empty
  const step = direction === "forwards" ? 1 : -1
  return readBy(lanes, deadlineMs, (): Plan => {
    let next = from
    let left = limit
    let asked = 0
    let got = 0
    let whole = false
    return {
      open: (client) => {
        if (whole || (next !== undefined && next < 0)) return undefined
        asked = left
        got = 0
        const fromRevision =
          next !== undefined ? BigInt(next) : step > 0 ? ("start" as const) : ("end" as const)
        return client.readStream(
          stream,
          { direction, fromRevision, maxCount: left, requiresLeader: true },
          BUFFERED,
        )
      },
      keep: (items) => {
        const events: Array<RecordedEvent> = []
        got += items.length
        for (const item of items) {
          const event = fromClient(item)
          next = Number(item.event?.revision ?? 0) + step
          if (event !== undefined) events.push(event)
        }
        left -= events.length
        return events
      },
      isDone: () => left <= 0,
      ended: () => {
        whole = got < asked
      },
    }
  })
}

interface AllOptions extends Omit<ReadAllOptions, "prefixes"> {
  /** Where the read ends: forwards the last position, backwards the first that is not read any more. */
  readonly bound?: Position
  /** Not even one page: the first event, wanted or not, ends it. */
  readonly onlyFirst?: boolean
  /** Called with the position of each event, wanted or not. */
  readonly seen?: (position: Position) => void
}

/**
 * The server gives all streams, its own too: what is not wanted is left out here. With a limit it is asked
 * for pages, so that it does not send what nobody takes.
 */
export const readAll = (
  lanes: Lanes,
  deadlineMs: number,
  wanted: ReadonlyArray<string> | undefined,
  { direction, from, limit = UNLIMITED, bound, onlyFirst = false, seen }: AllOptions,
): Stream.Stream<Events, LogError> => {
  if (limit <= 0 || wanted?.length === 0) return Stream.empty
  const forwards = direction === "forwards"
  /** Forwards from a position includes what lies there, backwards does not: neither is wanted. */
  const isBeyond = (position: Position, at: Position): boolean =>
    forwards ? compare(position, at) > 0 : compare(position, at) < 0
  return readBy(lanes, deadlineMs, (): Plan => {
    let at = from
    let left = limit
    let page = onlyFirst
      ? 2
      : limit === UNLIMITED
        ? UNLIMITED
        : Math.max(FIRST_PAGE, Math.min(limit + 1, LARGEST_PAGE))
    let got = 0
    let whole = false
    const take = (item: ResolvedEvent, events: Array<RecordedEvent>): void => {
      const { event } = item
      const position = positionOf(event?.position)
      if (event === undefined || position === undefined) return
      if (left <= 0 || (at !== undefined && !isBeyond(position, at))) return
      if (bound !== undefined && (forwards ? isBeyond(position, bound) : !isBeyond(bound, position))) {
        left = 0
        return
      }
      at = position
      seen?.(position)
      if (onlyFirst) left = 0
      if (!isWanted(event.streamId, wanted)) return
      const found = fromClient(item)
      if (found === undefined) return
      events.push(found)
      left--
    }
    return {
      open: (client) => {
        if (whole) return undefined
        got = 0
        const fromPosition = at !== undefined ? placeOf(at) : forwards ? ("start" as const) : ("end" as const)
        return client.readAll({ direction, fromPosition, maxCount: page, requiresLeader: true }, BUFFERED)
      },
      keep: (items) => {
        const events: Array<RecordedEvent> = []
        got += items.length
        for (const item of items) take(item, events)
        return events
      },
      isDone: () => left <= 0,
      ended: () => {
        whole = got < page
        if (page < LARGEST_PAGE) page = Math.min(page * 4, LARGEST_PAGE)
      },
    }
  })
}
