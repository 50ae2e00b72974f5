import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

export type Handler = (req: IncomingMessage, res: ServerResponse) => void

export interface Routes {
  /** By path without query; a key that ends in `/` takes everything below it. */
  readonly handlers: Readonly<Record<string, Handler>>
  readonly upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void
}

export class CannotListen extends Data.TaggedError("CannotListen")<{
  readonly host: string
  readonly port: number
  readonly cause: NodeJS.ErrnoException
}> {
  override get message(): string {
    return this.cause.code === "EADDRINUSE"
      ? `port ${this.port} on ${this.host} is in use: stop the other program, or set TIDEMARK_PORT`
      : `cannot listen on ${this.host}:${this.port}: ${this.cause.message}`
  }
}

/** A sender gets this long for its headers, and for the whole request. */
const HEADERS_MS = 10_000
const REQUEST_MS = 60_000

export const sendJson = (res: ServerResponse, status: number, body: unknown): void => {
  const text = JSON.stringify(body)
  res.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
  res.end(text)
}

const notFound = (paths: ReadonlyArray<string>): Handler => {
  const message = `There is nothing here. Tidemark answers at ${paths.join(", ")}.`
  return (req, res) => {
    req.resume()
    sendJson(res, 404, { error: { code: "NOT_FOUND", message, retryable: false } })
  }
}

/** Requests that never became one: answered on the bare socket, as there is no response object for them. */
const refusals: Readonly<Record<string, readonly [status: string, code: string, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [
    "408 Request Timeout",
    "REQUEST_TIMEOUT",
    `The request did not arrive in time: headers within ${HEADERS_MS / 1000} s, all of it within ${REQUEST_MS / 1000} s.`,
  ],
  HPE_HEADER_OVERFLOW: [
    "431 Request Header Fields Too Large",
    "HEADERS_TOO_LARGE",
    "The headers are larger than 16 KiB.",
  ],
}

const badRequest = ["400 Bad Request", "BAD_REQUEST", "This is not a well-formed HTTP/1.1 request."] as const

const refuse = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, code, message] = refusals[error.code ?? ""] ?? badRequest
  const body = JSON.stringify({ error: { code, message, retryable: code === "REQUEST_TIMEOUT" } })
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroySoon(),
  )
}

/** Proxies send the whole address (RFC 9112, 3.2.2): a server takes it as the path that it ends with. */
const relative = (target: string): string => {
  if (target.charCodeAt(0) === 47) return target
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "")
  return path.startsWith("/") ? path : `/${path}`
}

/** The path that a request names, without its query. */
export const pathOf = (req: IncomingMessage): string => {
  const target = relative(req.url ?? "/")
  const query = target.indexOf("?")
  return query < 0 ? target : target.slice(0, query)
}

const router = (routes: Routes): Handler => {
  const exact = new Map(Object.entries(routes.handlers))
  const below = [...exact.entries()].filter(([path]) => path.endsWith("/") && path !== "/")
  const missing = notFound([...exact.keys()])
  return (req, res) => {
    req.url = relative(req.url ?? "/")
    const path = pathOf(req)
    const handler = exact.get(path) ?? below.find(([prefix]) => path.startsWith(prefix))?.[1] ?? missing
    handler(req, res)
  }
}

const hopByHop: ReadonlySet<string> = new Set(["upgrade", "http2-settings"])

/** The head of a request as it was sent, without its wish to speak something else. */
const plainHead = ({ method, url, httpVersion, rawHeaders }: IncomingMessage): string => {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    let value = rawHeaders[at + 1] as string
    if (hopByHop.has(name.toLowerCase())) continue
    if (name.toLowerCase() === "connection") {
      value = value
        .split(",")
        .filter((option) => !hopByHop.has(option.trim().toLowerCase()))
        .join(",")
      if (value === "") continue
    }
    head += `${name}: ${value}\r\n`
  }
  return `${head}\r\n`
}

/**
 * Node treats every request that offers to change the protocol as an upgrade, and clients such as Java's
 * offer HTTP/2 with their first request. An offer may be ignored (RFC 9110, 7.8): all but WebSockets go
 * back through the parser as the plain requests that they are as well.
 */
const upgradeOr =
  (server: Server, upgrade: Routes["upgrade"]): Routes["upgrade"] =>
  (req, socket, head) => {
    if (req.headers.upgrade?.toLowerCase() === "websocket") {
      upgrade(req, socket, head)
      return
    }
    socket.unshift(Buffer.concat([Buffer.from(plainHead(req), "latin1"), head]))
    server.emit("connection", socket)
  }

export interface Listening {
  readonly server: Server
  readonly port: number
  /** Takes no new connection, and closes those that have nothing under way. */
  readonly stopAccepting: Effect.Effect<void>
}

/** Listens until the scope ends. */
export const listen = (options: { readonly host: string; readonly port: number; readonly routes: Routes }) =>
  Effect.acquireRelease(
    Effect.async<Listening, CannotListen>((resume) => {
      const server = createServer(
        {
          headersTimeout: HEADERS_MS,
          requestTimeout: REQUEST_MS,
          connectionsCheckingInterval: 1_000,
          keepAliveTimeout: 65_000,
          noDelay: true,
        },
        router(options.routes),
      )
      server.on("clientError", refuse)
      server.on("upgrade", upgradeOr(server, options.routes.upgrade))
      server.once("error", (cause: NodeJS.ErrnoException) =>
        resume(Effect.fail(new CannotListen({ host: options.host, port: options.port, cause }))),
      )
      server.listen({ host: options.host, port: options.port, backlog: 4096 }, () => {
        const stopAccepting = Effect.sync(() => {
          server.close()
          server.closeIdleConnections()
        })
        resume(Effect.succeed({ server, port: (server.address() as AddressInfo).port, stopAccepting }))
      })
    }),
    ({ server }) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  )
