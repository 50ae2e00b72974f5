import * as Data from "effect/Data"
import type { Position } from "../domain/Position.js"
import type { LogError } from "../eventlog/EventLog.js"
import type { KeyStoreUnavailable } from "../keystore/KeyStore.js"
import type { ReadModelsUnavailable } from "../readmodels/ReadModels.js"

/** Why a question can't be answered as it was asked. The codes are public. */
export type RefusalCode =
  | "BUILD_UNKNOWN"
  | "COMPARISON_UNKNOWN"
  | "INVALID_RANGE"
  | "INVALID_CURRENCY"
  | "INVALID_CURSOR"
  | "INVALID_FILTER"
  | "INVALID_FIRST"
  | "INVALID_POSITION"
  | "INVALID_TYPE"
  | "MERCHANT_REQUIRED"
  | "MERCHANT_UNKNOWN"
  | "NOTHING_TO_COMPARE"
  | "NOT_YET"
  | "POSITION_UNKNOWN"
  | "PROJECTION_UNKNOWN"
  | "PROPERTY_REQUIRED"
  | "RANGE_NOT_KEPT"
  | "STALLED"
  | "TOO_COSTLY"
  | "TOO_MANY_POINTS"
  | "TOO_MANY_SUBSCRIPTIONS"

/**
 * The question was understood and is refused. `message` says what to change; `details` are facts for
 * programs, such as the limit that was passed.
 */
export class QueryRefused extends Data.TaggedError("QueryRefused")<{
  readonly code: RefusalCode
  readonly message: string
  readonly details?: Readonly<Record<string, string | number>>
}> {}

/** No build of the projection serves: nothing has started it yet. */
export class NotServed extends Data.TaggedError("NotServed")<{ readonly projection: string }> {
  override get message(): string {
    return `the projection ${this.projection} has no serving build yet: repeat the question in a moment`
  }
}

export type QueryError = QueryRefused | NotServed | ReadModelsUnavailable | LogError | KeyStoreUnavailable

export const refused = (
  code: RefusalCode,
  message: string,
  details?: Readonly<Record<string, string | number>>,
): QueryRefused => new QueryRefused(details === undefined ? { code, message } : { code, message, details })

/** What is asked for lies behind an event of the merchant that could not be folded. */
export const stalled = (asked: Position, stalledAt: Position, reached: Position): QueryRefused =>
  refused(
    "STALLED",
    `no answer includes position ${asked}: the event at ${stalledAt} could not be folded, and what is later of this merchant waits behind it. Ask without the position; administrators can have it retried`,
    { stalledAt, reached },
  )
