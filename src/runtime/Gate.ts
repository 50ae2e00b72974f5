import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { type Handler, type Routes, sendJson } from "./HttpServer.js"

/** What stands in the way of traffic. */
type State =
  | { readonly _tag: "Starting" }
  | { readonly _tag: "Ready"; readonly routes: Routes }
  | { readonly _tag: "Broken"; readonly reason: string; readonly routes: Routes }
  | { readonly _tag: "Stopping" }

const reasons: Readonly<Record<Exclude<State["_tag"], "Ready" | "Broken">, string>> = {
  Starting: "Tidemark is starting: it opens its stores and recovers its actors.",
  Stopping: "Tidemark is stopping.",
}

/**
 * Stands before everything that needs the stores: the port is open, and health is answered, before they
 * are. `/healthz` says that the process lives, `/readyz` whether it takes traffic, and why not.
 */
export class Gate {
  private state: State = { _tag: "Starting" }
  /** Why a store can't be used now, while that is so: it may come back. */
  private trouble: string | undefined

  open(routes: Routes): void {
    if (this.state._tag === "Starting") this.state = { _tag: "Ready", routes }
  }

  /** Something that traffic needs is gone for good: what still works goes on, but no balancer sends more. */
  broken(reason: string): void {
    if (this.state._tag === "Ready") this.state = { _tag: "Broken", reason, routes: this.state.routes }
  }

  /** A store can't be used, or (undefined) can again. What doesn't need it goes on. */
  away(reason: string | undefined): void {
    this.trouble = reason
  }

  stop(): void {
    this.state = { _tag: "Stopping" }
  }

  private get reason(): string | undefined {
    switch (this.state._tag) {
      case "Ready":
        return this.trouble
      case "Starting":
        return this.trouble === undefined ? reasons.Starting : `${reasons.Starting} ${this.trouble}`
      case "Broken":
        return this.state.reason
      default:
        return reasons[this.state._tag]
    }
  }

  /** The routes that the server listens with from the start; `paths` are those that open later. */
  routes(paths: ReadonlyArray<string>): Routes {
    const later = (path: string): Handler => {
      return (req, res) => {
        const state = this.state
        if (state._tag === "Ready" || state._tag === "Broken") {
          state.routes.handlers[path]?.(req, res)
          return
        }
        req.resume()
        res.setHeader("retry-after", "1")
        if (state._tag === "Stopping") res.setHeader("connection", "close")
        sendJson(res, 503, {
          error: { code: "UNAVAILABLE", message: reasons[state._tag], retryable: true },
        })
      }
    }
    return {
      handlers: {
        "/healthz": (req, res) => {
          req.resume()
          sendJson(res, 200, { status: "alive" })
        },
        "/readyz": (req, res) => {
          req.resume()
          const reason = this.reason
          sendJson(
            res,
            reason === undefined ? 200 : 503,
            reason === undefined ? { status: "ready" } : { status: "not ready", reason },
          )
        },
        ...Object.fromEntries(paths.map((path) => [path, later(path)])),
      },
      upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => {
        const state = this.state
        if (state._tag === "Ready" || state._tag === "Broken") state.routes.upgrade(req, socket, head)
        else socket.end("HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\r\n")
      },
    }
  }
}
