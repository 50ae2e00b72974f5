import type { AppendOutcome, LogUnavailable } from "../EventLog.js"
import type { Part } from "./Encoding.js"

/** One part of an append on its way to the server. */
export interface Job {
  readonly part: Part
  readonly call: Call
  /** What came before it for the same stream and had no outcome yet; cut when both are over. */
  before: Job | undefined
  /** Of the same append: it is sent only when that is stored. */
  readonly continues: boolean
  /** Undefined until it was sent first. */
  firstSentAt: number | undefined
  sentAt: number
  /** Counts what was sent, so that the answer to what was given up is not taken for the latest. */
  attempt: number
  waitsUntil: number
  inFlight: boolean
  outcome: AppendOutcome | undefined
  /** What went wrong last, while nothing better is known. */
  trouble: LogUnavailable | undefined
}

/** One call of `append`: it answers when every job has an outcome, or fails as a whole. */
export interface Call {
  readonly jobs: Array<Job>
  readonly begunAt: number
  open: number
  over: boolean
  readonly done: (error: LogUnavailable | undefined) => void
}
