import type { JSONEventData, JSONType, ResolvedEvent } from "@eventstore/db-client"
import type { Metadata, NewEvent, RecordedEvent, StoredEvent } from "../../domain/Event.js"
import { type Append, LogDamaged, LogUnavailable } from "../EventLog.js"
import { positionOf } from "./Places.js"

/**
 * Bytes of one call's events, counted as the server does: data, metadata and the type at two bytes a
 * character. The server's limit is 1 MiB.
 */
export const CALL_BYTES = 1_000_000

/** A part of an append that fits one call. */
export interface Part {
  readonly stream: string
  readonly expectedRevision: number
  readonly events: ReadonlyArray<NewEvent>
  readonly bytes: number
}

/** The server takes every other name, and an event in a stream of its own would never be read again. */
const mustBeOurs = (stream: string): void => {
  if (stream === "" || stream.startsWith("$"))
    throw new LogUnavailable({ refused: true, reason: `"${stream}" can't be the name of a stream` })
}

/** JSON.stringify gives undefined for what has no JSON, such as a function; the client would store nothing. */
const bytesOf = (event: NewEvent, stream: string): number => {
  try {
    const data: string | undefined = JSON.stringify(event.event)
    const metadata: string | undefined = JSON.stringify(event.metadata)
    if (data === undefined || metadata === undefined) throw new Error("it has no JSON")
    return Buffer.byteLength(data) + Buffer.byteLength(metadata) + 2 * event.event.type.length
  } catch (cause) {
    throw new LogUnavailable({
      refused: true,
      reason: `event ${event.eventId} for ${stream} can't be written as JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    })
  }
}

/**
 * The append in parts that fit a call, one in nearly all cases. Throws LogUnavailable, `refused`, for what
 * the server or its client would not take: the client never settles an append that it can't serialise.
 */
export const partsOf = ({ stream, expectedRevision, events }: Append): ReadonlyArray<Part> => {
  mustBeOurs(stream)
  if (events.length === 0)
    throw new LogUnavailable({ refused: true, reason: `an append to ${stream} has no events` })
  const parts: Array<Part> = []
  let from = 0
  let bytes = 0
  for (let at = 0; at < events.length; at++) {
    const size = bytesOf(events[at] as NewEvent, stream)
    if (size > CALL_BYTES)
      throw new LogUnavailable({
        refused: true,
        reason: `event ${events[at]?.eventId} for ${stream} is larger than ${CALL_BYTES} bytes`,
      })
    if (bytes + size > CALL_BYTES) {
      parts.push({ stream, expectedRevision: expectedRevision + from, events: events.slice(from, at), bytes })
      from = at
      bytes = 0
    }
    bytes += size
  }
  const rest = from === 0 ? events : events.slice(from)
  parts.push({ stream, expectedRevision: expectedRevision + from, events: rest, bytes })
  return parts
}

export const toClient = ({ eventId, event, metadata }: NewEvent): JSONEventData => ({
  id: eventId,
  type: event.type,
  contentType: "application/json",
  data: event as unknown as JSONType,
  metadata: metadata as unknown as JSONType,
})

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * The event as Tidemark knows it; undefined for an event that something else wrote into the server. Throws
 * LogDamaged for data that was JSON when it was written and can't be read.
 */
export const fromClient = ({ event }: ResolvedEvent): RecordedEvent | undefined => {
  if (event === undefined || event.streamId.startsWith("$") || !event.isJson) return undefined
  const revision = Number(event.revision)
  const data: unknown = event.data
  if (typeof data === "string" || event.metadata instanceof Uint8Array)
    throw new LogDamaged({
      place: `${event.streamId}, revision ${revision}`,
      reason: "its JSON can't be read. Restore the log from a backup",
    })
  if (!isObject(data) || typeof data.v !== "number" || !isObject(data.data) || !isObject(event.metadata))
    return undefined
  const position = positionOf(event.position)
  if (position === undefined)
    throw new LogDamaged({
      place: `${event.streamId}, revision ${revision}`,
      reason: "this version of EventStoreDB gives no position with it. Use 23.10",
    })
  return {
    eventId: event.id,
    event: data as unknown as StoredEvent,
    metadata: event.metadata as unknown as Metadata,
    stream: event.streamId,
    revision,
    position,
  }
}
