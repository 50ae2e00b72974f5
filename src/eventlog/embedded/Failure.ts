import { LogDamaged, type LogError, LogUnavailable } from "../EventLog.js"
import type { PlainError } from "./Protocol.js"

const CORRUPT = 11
const NOT_A_DATABASE = 26

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const codeOf = (cause: unknown): number =>
  typeof cause === "object" && cause !== null && "sqliteCode" in cause && typeof cause.sqliteCode === "number"
    ? cause.sqliteCode & 0xff
    : 0

/** What SQLite threw, as an error of the log. `place` is said when it means damage. */
export const failureOf = (cause: unknown, place: string): LogError => {
  if (cause instanceof LogDamaged || cause instanceof LogUnavailable) return cause
  const code = codeOf(cause)
  return code === CORRUPT || code === NOT_A_DATABASE
    ? new LogDamaged({ place, reason: `${messageOf(cause)}. Restore it from a backup` })
    : new LogUnavailable({ reason: `${messageOf(cause)} (${place})`, cause })
}

/** Errors lose their class between threads. */
export const plain = (error: LogError): PlainError =>
  error._tag === "LogDamaged"
    ? { _tag: "LogDamaged", place: error.place, reason: error.reason }
    : { _tag: "LogUnavailable", reason: error.reason }

export const revive = (error: PlainError): LogError =>
  error._tag === "LogDamaged" ? new LogDamaged(error) : new LogUnavailable({ reason: error.reason })
