import { LogUnavailable } from "../EventLog.js"

/**
 * What an error of the client means. `Passing`: try again, the outcome is not known. `Wrong`: another
 * revision is expected. `TooLarge`, `Deleted`: nothing was stored, and repeating changes nothing.
 * `Denied`: nobody but a person can change it.
 */
export type Trouble =
  | { readonly _tag: "Passing"; readonly reason: string; readonly cause: unknown }
  | { readonly _tag: "Wrong"; readonly actual: number }
  | { readonly _tag: "TooLarge" }
  | { readonly _tag: "Deleted" }
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Denied" }

const fieldOf = (cause: unknown, name: string): unknown =>
  typeof cause === "object" && cause !== null ? Reflect.get(cause, name) : undefined

const PERMISSION_DENIED = 7
const UNAUTHENTICATED = 16

/**
 * By `type`, as the names say nothing and classes differ between copies of the client; an error of gRPC
 * itself has only a `code`.
 */
export const troubleOf = (cause: unknown): Trouble => {
  switch (fieldOf(cause, "type")) {
    case "wrong-expected-version": {
      const actual = fieldOf(cause, "actualVersion")
      return { _tag: "Wrong", actual: typeof actual === "bigint" ? Number(actual) : -1 }
    }
    case "maximum-append-size-exceeded":
      return { _tag: "TooLarge" }
    case "stream-deleted":
      return { _tag: "Deleted" }
    case "stream-not-found":
      return { _tag: "Missing" }
    case "access-denied":
      return { _tag: "Denied" }
  }
  const code = fieldOf(cause, "code")
  if (code === PERMISSION_DENIED || code === UNAUTHENTICATED) return { _tag: "Denied" }
  const message = cause instanceof Error ? cause.message : String(cause)
  return { _tag: "Passing", reason: message === "" ? `gRPC code ${String(code)}` : message, cause }
}

export const DENIED =
  "EventStoreDB denies access: check the user and the password in the connection, and the stream's access list"

export const unavailable = (trouble: Trouble): LogUnavailable => {
  switch (trouble._tag) {
    case "Passing":
      return new LogUnavailable({ reason: `EventStoreDB: ${trouble.reason}`, cause: trouble.cause })
    case "Denied":
      return new LogUnavailable({ reason: DENIED })
    default:
      return new LogUnavailable({ reason: `EventStoreDB answers ${trouble._tag}` })
  }
}
