import type { MessagePort } from "node:worker_threads"

/**
 * What the threads say to each other. Flat arrays of strings and numbers, because the cost of a message
 * between threads is in its objects, not in its bytes.
 */

/** All appends of one turn of the main thread. `counts[i]` events of append i follow each other. */
export interface AppendMessage {
  readonly tag: "append"
  readonly id: number
  readonly streams: Array<string>
  readonly expected: Array<number>
  readonly counts: Array<number>
  readonly ids: Array<string>
  readonly events: Array<string>
  /** Event i has `metadata[about[i]]`: events that came together share theirs. */
  readonly about: Array<number>
  readonly metadata: Array<string>
}

export type ToWriter =
  | AppendMessage
  | { readonly tag: "connect"; readonly port: MessagePort }
  | { readonly tag: "close" }

/** For append i: sequence of its last event, or 0 when `revisions[i]` is the actual revision it ran into. */
export interface AppendedMessage {
  readonly tag: "appended"
  readonly id: number
  readonly revisions: Array<number>
  readonly sequences: Array<number>
}

export type PlainError =
  | { readonly _tag: "LogDamaged"; readonly place: string; readonly reason: string }
  | { readonly _tag: "LogUnavailable"; readonly reason: string }

export type FromWriter =
  | AppendedMessage
  | { readonly tag: "failed"; readonly ids: ReadonlyArray<number>; readonly reason: string }
  | { readonly tag: "opened"; readonly logId: string; readonly warning: string | undefined }
  | { readonly tag: "refused"; readonly error: PlainError }
  | { readonly tag: "closed" }

/**
 * Committed events in log order: event i has sequence `first + i`, is of `streams[of[i]]` and has
 * `metadata[about[i]]`.
 */
export interface EventsMessage {
  readonly tag: "events"
  readonly first: number
  readonly of: Array<number>
  readonly streams: Array<string>
  readonly revisions: Array<number>
  readonly ids: Array<string>
  readonly events: Array<string>
  readonly about: Array<number>
  readonly metadata: Array<string>
  readonly chars: number
}

/** `listening`: everything beyond `head` will be handed over, until the next `listening`. */
export type FromFeed =
  | EventsMessage
  | { readonly tag: "listening"; readonly head: number }
  /** Nothing more is handed over until all of it is acknowledged. */
  | { readonly tag: "full" }

/** `ack` says how much of what was handed over has been taken. */
export type ToFeed =
  | { readonly tag: "listen" }
  | { readonly tag: "unlisten" }
  | { readonly tag: "ack"; readonly events: number; readonly chars: number }
