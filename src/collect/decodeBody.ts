import { jsonFault, placeOf } from "./jsonFault.js"
import { Rejection } from "./Rejection.js"

/** A body that can't be read as events at all. */
export class Unreadable {
  constructor(
    readonly status: 400 | 413,
    readonly code: string,
    readonly message: string,
  ) {}
}

/** The events of a body, in order. A line that is not JSON stands as the `Rejection` it gets. */
export type Decoded = ReadonlyArray<unknown> | Unreadable

export interface DecodeLimits {
  readonly maxEvents: number
  readonly maxEventBytes: number
}

const invalidJson = (text: string): Unreadable => {
  const offset = jsonFault(text)
  const { line, column } = placeOf(text, offset)
  const what = offset >= text.length ? "ends too early" : "is not JSON"
  return new Unreadable(400, "INVALID_JSON", `The body ${what} at line ${line}, column ${column}.`)
}

const noEvents = (): Unreadable =>
  new Unreadable(
    400,
    "NO_EVENTS",
    'The body holds no event. Send one event, an array, {"events":[…]}, or one event a line.',
  )

const tooMany = (limits: DecodeLimits): Unreadable =>
  new Unreadable(
    413,
    "TOO_MANY_EVENTS",
    `One request takes at most ${limits.maxEvents} events: send them in several requests. Nothing was stored.`,
  )

const tooLarge = (limits: DecodeLimits): Rejection =>
  new Rejection(
    "EVENT_TOO_LARGE",
    undefined,
    `An event may have ${limits.maxEventBytes} bytes, as JSON without spaces.`,
  )

const notObject = (): Rejection =>
  new Rejection("INVALID_EVENT", undefined, "An event must be a JSON object.")

const isTooLarge = (event: unknown, limits: DecodeLimits): boolean => {
  try {
    return Buffer.byteLength(JSON.stringify(event)) > limits.maxEventBytes
  } catch {
    // It nests deeper than the stack is high: the parser names that fault.
    return false
  }
}

/** A body no larger than one event may be can't hold one that is too large. */
const withinSize = (events: unknown[], bytes: number, limits: DecodeLimits): unknown[] => {
  if (bytes > limits.maxEventBytes) {
    for (let index = 0; index < events.length; index += 1) {
      const event = events[index]
      if (!(event instanceof Rejection) && isTooLarge(event, limits)) events[index] = tooLarge(limits)
    }
  }
  return events
}

const decodeLines = (text: string, bytes: number, limits: DecodeLimits): Decoded => {
  const events: unknown[] = []
  let line = 0
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf("\n", from)
    const content = text.slice(from, end < 0 ? text.length : end).trim()
    from = end < 0 ? text.length : end + 1
    line += 1
    if (content === "") continue
    if (events.length >= limits.maxEvents) return tooMany(limits)
    try {
      const event: unknown = JSON.parse(content)
      events.push(typeof event === "object" && event !== null ? event : notObject())
    } catch {
      const column = jsonFault(content) + 1
      events.push(
        new Rejection(
          "INVALID_JSON",
          undefined,
          `Line ${line} is not JSON at column ${column} of its content.`,
        ),
      )
    }
  }
  return events.length === 0 ? noEvents() : withinSize(events, bytes, limits)
}

/** Several lines of which the first is a whole JSON object are NDJSON, whatever the content type said. */
const looksLikeLines = (text: string): boolean => {
  const content = text.trimStart()
  const end = content.indexOf("\n")
  if (end < 0 || content.slice(end).trim() === "") return false
  try {
    const first: unknown = JSON.parse(content.slice(0, end))
    return typeof first === "object" && first !== null && !Array.isArray(first)
  } catch {
    return false
  }
}

const eventsOf = (body: unknown): unknown[] | Unreadable => {
  if (Array.isArray(body)) return body
  if (typeof body !== "object" || body === null) {
    return new Unreadable(
      400,
      "INVALID_BODY",
      'The body must be an event, an array of events, or {"events":[…]}.',
    )
  }
  const { events, type } = body as { readonly events?: unknown; readonly type?: unknown }
  // An event may have an unknown field named `events`; what holds events has no type.
  if (events === undefined || type !== undefined) return [body]
  return Array.isArray(events)
    ? events
    : new Unreadable(400, "INVALID_BODY", "events must be an array of events.")
}

/**
 * @param bytes length of the text in UTF-8
 * @param lines the content type says that every line is an event
 */
export const decodeBody = (text: string, bytes: number, lines: boolean, limits: DecodeLimits): Decoded => {
  const content = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  if (lines) return decodeLines(content, bytes, limits)
  let body: unknown
  try {
    body = JSON.parse(content)
  } catch {
    if (looksLikeLines(content)) return decodeLines(content, bytes, limits)
    return content.trim() === "" ? noEvents() : invalidJson(content)
  }
  const events = eventsOf(body)
  if (events instanceof Unreadable) return events
  if (events.length === 0) return noEvents()
  if (events.length > limits.maxEvents) return tooMany(limits)
  return withinSize(events, bytes, limits)
}
