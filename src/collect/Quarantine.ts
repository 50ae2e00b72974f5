import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"

/** Something that was refused, as the collecting path hands it over: not yet freed of personal data. */
export interface Refusal {
  /** Time of arrival, epoch ms. */
  readonly at: number
  /** The merchant of the key, or with an administrator's key the one that the event names. */
  readonly merchantId: string | undefined
  readonly keyId: string
  /** Place of the event in its request; undefined when the body as a whole was refused. */
  readonly index: number | undefined
  readonly code: string
  readonly path: string | undefined
  readonly message: string
  /** The event as it was sent; undefined when it could not be read or is too large to keep. */
  readonly event: unknown
  /** Of the body, or this event's share of it, in bytes. */
  readonly size: number
}

/** What is kept of it. */
export interface QuarantineEntry {
  readonly id: string
  readonly at: number
  readonly merchantId?: string
  readonly keyId: string
  readonly index?: number
  readonly code: string
  readonly path?: string
  readonly message: string
  /**
   * The event as JSON without raw client ids, addresses, user agents and query strings (`utm_*` stay):
   * where one stood, its type and length are told.
   */
  readonly event?: unknown
  readonly size: number
}

export interface QuarantinePage {
  /** Newest first. */
  readonly entries: ReadonlyArray<QuarantineEntry>
  /** Give it as `after` for the next page; undefined on the last. */
  readonly next?: string
}

export interface QuarantineStats {
  /** Entries that wait to be written. */
  readonly waiting: number
  readonly written: number
  /** Entries that were left out because too many waited, or because they could not be written. */
  readonly dropped: number
}

export class QuarantineUnavailable extends Data.TaggedError("QuarantineUnavailable")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.reason
  }
}

/** `after` is not a cursor that `list` has given. */
export class InvalidCursor extends Data.TaggedError("InvalidCursor")<{ readonly cursor: string }> {}

export interface QuarantineService {
  /** Takes refused input over and returns at once. It is help for integrators, not a promise: it may drop. */
  readonly put: (refusals: ReadonlyArray<Refusal>) => void
  readonly list: (page: {
    readonly merchantId?: string
    /** Most entries to answer, 1 to 1,000. */
    readonly first: number
    readonly after?: string
  }) => Effect.Effect<QuarantinePage, QuarantineUnavailable | InvalidCursor>
  readonly stats: () => QuarantineStats
}

export class Quarantine extends Context.Tag("tidemark/Quarantine")<Quarantine, QuarantineService>() {}
