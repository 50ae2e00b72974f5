import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import { createYoga } from "graphql-yoga"
import type { Principal } from "../accounts/Access.js"
import type { Context, Services } from "./Context.js"
import { DocumentCache } from "./DocumentCache.js"
import { maskError, unauthenticated } from "./Errors.js"
import { type Body, MAX_BODY, readBody, sendError, writeResponse } from "./Http.js"
import { limitsPlugin } from "./Limits.js"
import { schema } from "./Schema.js"
import { makeWebSockets } from "./WebSockets.js"

export type { Services } from "./Context.js"

export interface GraphqlServer {
  /** Queries, mutations, and subscriptions as server-sent events. */
  readonly handleHttp: (req: IncomingMessage, res: ServerResponse) => void
  /** Subscriptions, queries and mutations over `graphql-transport-ws`. */
  readonly handleUpgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Says goodbye to every connection and ends every stream. */
  readonly close: () => Promise<void>
}

/** Characters of documents that are kept parsed; a parsed one takes about 50 times its text. */
const CACHED_DOCUMENTS = 500_000

const GOODBYE_MS = 1_000

/** The parameter of a GET that has to be JSON and is not. */
const notJson = (req: IncomingMessage): string | undefined => {
  const query = req.url?.indexOf("?") ?? -1
  if (req.method !== "GET" || query < 0) return undefined
  const parameters = new URLSearchParams(req.url?.slice(query))
  return ["variables", "extensions"].find((name) => {
    const text = parameters.get(name)
    if (text === null || text === "") return false
    try {
      JSON.parse(text)
      return false
    } catch {
      return true
    }
  })
}

export const makeGraphqlServer = (
  services: Services,
  options: { readonly path?: string; readonly development: boolean },
): GraphqlServer => {
  const path = options.path ?? "/graphql"
  const yoga = createYoga<Context>({
    schema,
    graphqlEndpoint: path,
    graphiql: options.development,
    landingPage: false,
    cors: false,
    batching: false,
    multipart: false,
    logging: false,
    parserAndValidationCache: {
      documentCache: new DocumentCache(CACHED_DOCUMENTS),
      errorCache: new DocumentCache(CACHED_DOCUMENTS),
    },
    maskedErrors: { maskError },
    plugins: [limitsPlugin],
  })
  const sockets = makeWebSockets(yoga, services)
  const streams = new Set<ServerResponse>()

  /** The body is read for those only who may ask: strangers must not fill the memory with bodies. */
  const receive = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const wantsPage = req.method === "GET" && (req.headers.accept ?? "").includes("text/html")
    const principal = await services.access.principal(req.headers.authorization)
    if (principal === undefined && !(options.development && wantsPage)) {
      req.resume()
      const { message } = unauthenticated()
      return sendError(res, 401, { code: "UNAUTHENTICATED", message })
    }
    const body = await new Promise<Body>((resolve) => readBody(req, resolve))
    if (body._tag === "Gone") return
    if (body._tag === "TooLarge") {
      const message = `the body is larger than ${MAX_BODY} bytes, which is the limit`
      return sendError(res, 413, { code: "BODY_TOO_LARGE", message, limit: MAX_BODY })
    }
    await answer(req, res, body.bytes, principal)
  }

  const answer = async (
    req: IncomingMessage,
    res: ServerResponse,
    body: Buffer,
    principal: Principal | undefined,
  ): Promise<void> => {
    const wrong = notJson(req)
    if (wrong !== undefined) {
      return sendError(res, 400, { code: "BAD_REQUEST", message: `the parameter ${wrong} is not JSON` })
    }
    const headers = Object.entries(req.headers).flatMap(
      ([name, value]): Array<[string, string]> =>
        value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
    )
    const request = new yoga.fetchAPI.Request(`http://localhost${req.url ?? path}`, {
      method: req.method ?? "GET",
      headers,
      ...(body.length > 0 ? { body: body.toString("utf8") } : {}),
    })
    const context = { services, principal, authorization: req.headers.authorization } as Context
    const response = await yoga.fetch(request, context)
    streams.add(res)
    await writeResponse(response, res).finally(() => streams.delete(res))
  }

  const failed = (res: ServerResponse, error: unknown): void => {
    if (res.headersSent || res.destroyed) {
      res.destroy()
      return
    }
    const { message, extensions } = maskError(error)
    sendError(res, 500, { code: String(extensions.code), message })
  }

  return {
    handleHttp: (req, res) => {
      const encoding = req.headers["content-encoding"]
      if (encoding !== undefined && encoding !== "identity") {
        req.resume()
        const message = `send the body as it is: content-encoding ${encoding.slice(0, 20)} is not taken here`
        return sendError(res, 415, { code: "UNSUPPORTED_ENCODING", message })
      }
      receive(req, res).catch((error: unknown) => failed(res, error))
    },
    handleUpgrade: sockets.upgrade,
    close: async () => {
      sockets.close()
      for (const res of streams) res.end()
      await Effect.runPromise(Effect.sleep(GOODBYE_MS))
      sockets.terminate()
    },
  }
}
