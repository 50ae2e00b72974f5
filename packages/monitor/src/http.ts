import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import type { Monitor } from "./Monitor.js"
import { type Told, watcher } from "./watch.js"

/** A listener of `node:http` that notes the requests it hands on. */
export const httpMonitor = (
  monitor: Monitor,
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  told: Told<IncomingMessage> = {},
): RequestListener => {
  const watch = watcher(monitor, told, {
    target: ({ url }) => url,
    address: ({ socket }) => socket.remoteAddress,
  })
  return (request, response) => {
    watch(request, request, response)
    listener(request, response)
  }
}
