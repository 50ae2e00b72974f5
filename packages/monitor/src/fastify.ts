import type { IncomingMessage, ServerResponse } from "node:http"
import type { Monitor } from "./Monitor.js"
import { type Told, watcher } from "./watch.js"

/** What is needed of a request of fastify, 4 or 5. `ip` follows the option `trustProxy`. */
export interface FastifyRequestLike {
  readonly raw: IncomingMessage
  readonly originalUrl: string
  readonly ip: string
}

/** A plugin for fastify: `app.register(fastifyMonitor(monitor))`, before the routes. */
export const fastifyMonitor = <R extends FastifyRequestLike>(monitor: Monitor, told: Told<R> = {}) => {
  const watch = watcher<R>(monitor, told, {
    target: ({ originalUrl }) => originalUrl,
    address: ({ ip }) => ip,
  })
  const onRequest = (request: R, reply: { readonly raw: ServerResponse }, done: () => void): void => {
    watch(request, request.raw, reply.raw)
    done()
  }
  const plugin = (
    instance: { addHook(name: "onRequest", hook: typeof onRequest): unknown },
    _options: unknown,
    done: () => void,
  ): void => {
    instance.addHook("onRequest", onRequest)
    done()
  }
  // The hook is for the whole server, not only for what is registered inside the plugin.
  return Object.assign(plugin, { [Symbol.for("skip-override")]: true })
}
