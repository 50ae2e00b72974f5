import type { Metadata } from "../../domain/Event.js"
import { type Append, type AppendOutcome, LogUnavailable } from "../EventLog.js"
import type { AppendMessage } from "./Protocol.js"

export type AppendResult =
  | { readonly _tag: "Done"; readonly outcomes: ReadonlyArray<AppendOutcome> }
  | { readonly _tag: "Failed"; readonly error: LogUnavailable }

/** One caller's appends within a message, answered once: by the writer, a deadline or the writer's death. */
export class Call {
  #done: ((result: AppendResult) => void) | undefined

  constructor(
    readonly appends: ReadonlyArray<Append>,
    readonly deadline: number,
    done: (result: AppendResult) => void,
  ) {
    this.#done = done
  }

  settle(result: AppendResult): void {
    const done = this.#done
    this.#done = undefined
    done?.(result)
  }
}

const LONGEST_NAME = 1_000
const plainName = /^[\x21-\x7e]+$/
const unfit = /\p{Surrogate}|\0/u

const refused = (reason: string, cause?: unknown) => new LogUnavailable({ reason, refused: true, cause })

const isName = (text: string): boolean =>
  text.length > 0 && text.length <= LONGEST_NAME && (plainName.test(text) || !unfit.test(text))

/** A message to the writer that is being filled. */
export class Outgoing {
  readonly message: AppendMessage
  readonly calls: Array<Call> = []
  chars = 0
  /** The metadata that was written last: mostly the next event has the same. */
  #written: Metadata | undefined

  constructor(id: number) {
    this.message = {
      tag: "append",
      id,
      streams: [],
      expected: [],
      counts: [],
      ids: [],
      events: [],
      about: [],
      metadata: [],
    }
  }

  get eventCount(): number {
    return this.message.ids.length
  }

  /** Takes all of a call or, when something in it can't be stored, nothing: then it says why. */
  add(
    appends: ReadonlyArray<Append>,
    deadline: number,
    done: (result: AppendResult) => void,
  ): LogUnavailable | undefined {
    const { message } = this
    const [streams, events, texts, chars] = [
      message.streams.length,
      message.ids.length,
      message.metadata.length,
      this.chars,
    ]
    const refusal = this.#write(appends)
    if (refusal === undefined) {
      this.calls.push(new Call(appends, deadline, done))
      return undefined
    }
    for (const column of [message.streams, message.expected, message.counts]) column.length = streams
    for (const column of [message.ids, message.events, message.about]) column.length = events
    message.metadata.length = texts
    this.#written = undefined
    this.chars = chars
    return refusal
  }

  #write(appends: ReadonlyArray<Append>): LogUnavailable | undefined {
    const { streams, expected, counts, ids, events, about, metadata } = this.message
    for (const append of appends) {
      const { stream } = append
      if (append.events.length === 0) return refused(`an append to ${stream} without events`)
      if (!isName(stream)) return refused(`${JSON.stringify(stream)} can't be the name of a stream`)
      streams.push(stream)
      expected.push(append.expectedRevision)
      counts.push(append.events.length)
      for (const { eventId, event, metadata: said } of append.events) {
        if (!isName(eventId))
          return refused(`${JSON.stringify(eventId)} can't be the id of an event (${stream})`)
        let text: string | undefined
        let other: string | undefined
        try {
          text = JSON.stringify(event)
          if (said === undefined || said !== this.#written) other = JSON.stringify(said) ?? ""
        } catch (cause) {
          const why = cause instanceof Error ? cause.message : String(cause)
          return refused(`event ${eventId} for ${stream} can't be written as JSON: ${why}`, cause)
        }
        if (text === undefined || other === "")
          return refused(`event ${eventId} for ${stream} can't be written as JSON: it has no value`)
        ids.push(eventId)
        events.push(text)
        if (other !== undefined) {
          this.#written = said
          if (other !== metadata[metadata.length - 1]) metadata.push(other)
        }
        about.push(metadata.length - 1)
        this.chars += text.length + (metadata[metadata.length - 1] ?? "").length
      }
    }
    return undefined
  }
}
