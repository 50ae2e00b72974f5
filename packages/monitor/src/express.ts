import type { IncomingMessage, ServerResponse } from "node:http"
import type { Monitor } from "./Monitor.js"
import { type Told, watcher } from "./watch.js"

/** What is needed of a request of express, 4 or 5. `ip` follows the setting `trust proxy`. */
export interface ExpressRequest extends IncomingMessage {
  readonly originalUrl: string
  readonly ip?: string | undefined
}

/** Middleware for express: `app.use(expressMonitor(monitor))`, before the routes. */
export const expressMonitor = <R extends ExpressRequest>(
  monitor: Monitor,
  told: Told<R> = {},
): ((request: R, response: ServerResponse, next: () => void) => void) => {
  const watch = watcher<R>(monitor, told, {
    target: ({ originalUrl }) => originalUrl,
    address: ({ ip }) => ip,
  })
  return (request, response, next) => {
    watch(request, request, response)
    next()
  }
}
