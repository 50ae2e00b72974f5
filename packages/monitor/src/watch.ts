import type { IncomingMessage, ServerResponse } from "node:http"
import type { Monitor } from "./Monitor.js"
import { messageOf } from "./Report.js"

/** What the application tells of its requests. `R` is a request as its framework gives it. */
export interface Told<R> {
  /** Who made the request. Without it, clients are told apart by address and user agent. */
  readonly clientId?: (request: R) => string | undefined
  /** Whose visitor that is; one for all, or by request. Without it: that of the key, or none. */
  readonly merchantId?: string | ((request: R) => string | undefined)
  /** The client's address, where it is not that of the connection or what the framework makes of it. */
  readonly address?: (request: R) => string | undefined
  /** Requests that are not noted, such as those of health checks. Asked as they arrive; the others when they end. */
  readonly ignore?: (request: R) => boolean
}

/** How a framework says what the request holds. */
export interface Framework<R> {
  readonly target: (request: R) => string | undefined
  readonly address: (request: R) => string | undefined
}

/**
 * Makes what is called as a request arrives: it looks at clock and path, and notes the request when the answer is out,
 * or the connection gone. By then the application knows who it was.
 */
export const watcher = <R>(
  monitor: Monitor,
  told: Told<R>,
  framework: Framework<R>,
): ((request: R, raw: IncomingMessage, response: ServerResponse) => void) => {
  const { clientId, merchantId, ignore } = told
  const address = told.address ?? framework.address
  const merchantOf = typeof merchantId === "string" ? () => merchantId : merchantId
  let said = false
  const failed = (cause: unknown): undefined => {
    monitor.failed()
    if (!said) {
      monitor.report({
        kind: "option",
        message: `a function given to the monitor failed: ${messageOf(cause)}`,
      })
    }
    said = true
    return undefined
  }
  const ask = <A>(given: ((request: R) => A) | undefined, request: R): A | undefined => {
    try {
      return given?.(request)
    } catch (cause) {
      return failed(cause)
    }
  }
  /** Not every application has its types checked: what is no text must not end up as one, or throw later. */
  const askText = (given: ((request: R) => unknown) | undefined, request: R): string | undefined => {
    const value = ask(given, request)
    if (value === undefined || value === null || value === "") return undefined
    if (typeof value === "string") return value
    if (typeof value === "number" || typeof value === "bigint") return String(value)
    return failed(new TypeError(`it gave a value of type ${typeof value}, which is no string`))
  }
  return (request, raw, response) => {
    if (ask(ignore, request) === true) return
    const at = Date.now()
    // Applications change it as they hand a request on.
    const target = framework.target(request)
    // Asked while the connection is there, it is remembered by the socket.
    void raw.socket.remoteAddress
    let noted = false
    // `once` would cost as much as the rest: it makes three objects and takes itself off the list again.
    response.on("close", () => {
      if (noted) return
      noted = true
      monitor.note({
        at,
        method: raw.method,
        target,
        address: askText(address, request),
        agent: raw.headers["user-agent"],
        clientId: askText(clientId, request),
        merchantId: askText(merchantOf, request),
      })
    })
  }
}
