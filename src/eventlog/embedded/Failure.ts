import { LogDamaged, type LogError, LogUnavailable } from "../EventLog.js"
import type { PlainError } from "./Protocol.js"

const ERROR = 1
const CORRUPT = 11
const FORMAT = 24
const NOT_A_DATABASE = 26

/** The statements are fixed: when one does not even fit the tables, the file is not what was written. */
const damage = new Set([ERROR, CORRUPT, FORMAT, NOT_A_DATABASE])

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Some of the binding's errors carry SQLite's words without its code. */
const words: ReadonlyArray<readonly [RegExp, number]> = [
  [/malformed/, CORRUPT],
  [/not a database/, NOT_A_DATABASE],
  [/unsupported file format|no such (table|column)|SQL logic error/, ERROR],
]

const codeOf = (cause: unknown): number => {
  if (
    typeof cause === "object" &&
    cause !== null &&
    "sqliteCode" in cause &&
    typeof cause.sqliteCode === "number"
  )
    return cause.sqliteCode & 0xff
  const message = messageOf(cause)
  return words.find(([pattern]) => pattern.test(message))?.[1] ?? 0
}

/** What SQLite threw, as an error of the log. `place` is said when it means damage. */
export const failureOf = (cause: unknown, place: string): LogError => {
  if (cause instanceof LogDamaged || cause instanceof LogUnavailable) return cause
  return damage.has(codeOf(cause))
    ? new LogDamaged({ place, reason: `${messageOf(cause)}. Restore it from a backup` })
    : new LogUnavailable({ reason: `${messageOf(cause)} (${place})`, cause })
}

/** The same for a transaction: nothing of it was stored, and a later one may go well. */
export const writeFailureOf = (cause: unknown, place: string): LogError =>
  codeOf(cause) === ERROR
    ? new LogUnavailable({ reason: `${messageOf(cause)} (${place})`, cause })
    : failureOf(cause, place)

/** Errors lose their class between threads. */
export const plain = (error: LogError): PlainError =>
  error._tag === "LogDamaged"
    ? { _tag: "LogDamaged", place: error.place, reason: error.reason }
    : { _tag: "LogUnavailable", reason: error.reason }

export const revive = (error: PlainError): LogError =>
  error._tag === "LogDamaged" ? new LogDamaged(error) : new LogUnavailable({ reason: error.reason })
