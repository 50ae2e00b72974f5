import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { ExecutionArgs, GraphQLError } from "graphql"
import { CloseCode, handleProtocols, makeServer, type SubscribePayload } from "graphql-ws"
import type { YogaServerInstance } from "graphql-yoga"
import { type WebSocket, WebSocketServer } from "ws"
import type { Context, Services } from "./Context.js"
import { maskError, shownError } from "./Errors.js"
import { MAX_BODY } from "./Http.js"

/** Operations that one connection may have under way. */
export const MAX_OPERATIONS = 100
/** Bytes that wait for one client to read them: past this it is cut off. */
const MAX_WAITING = 4 * 1024 * 1024
const PING_MS = 12_000

interface Extra extends Record<PropertyKey, unknown> {
  readonly request: IncomingMessage
  authorization?: string | undefined
}

type Params = { readonly authorization?: unknown }

const authorizationOf = (params: Params | undefined, request: IncomingMessage): string | undefined => {
  const sent = params?.authorization
  return typeof sent === "string" ? sent : request.headers.authorization
}

/** `graphql-transport-ws` over `ws`, on the same plugins, limits and masks as HTTP. */
export const makeWebSockets = (yoga: YogaServerInstance<Context, object>, services: Services) => {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_BODY, handleProtocols })

  const contextOf = async (extra: Extra): Promise<Context | undefined> => {
    const principal = await services.access.principal(extra.authorization)
    return principal === undefined ? undefined : { services, principal, authorization: extra.authorization }
  }

  const prepare = async (
    context: Context,
    payload: SubscribePayload,
  ): Promise<ExecutionArgs | ReadonlyArray<GraphQLError>> => {
    const enveloped = yoga.getEnveloped({ ...context, params: payload })
    try {
      const document = enveloped.parse(payload.query)
      const errors = enveloped.validate(enveloped.schema, document) as ReadonlyArray<GraphQLError>
      if (errors.length > 0) return errors.map(maskError)
      const args = {
        schema: enveloped.schema,
        document,
        operationName: payload.operationName,
        variableValues: payload.variables,
        contextValue: await enveloped.contextFactory(),
      }
      return { ...args, rootValue: { execute: enveloped.execute, subscribe: enveloped.subscribe } }
    } catch (error) {
      return [maskError(error)]
    }
  }

  interface Root {
    readonly execute: (args: ExecutionArgs) => never
    readonly subscribe: (args: ExecutionArgs) => never
  }

  const server = makeServer<Params, Extra>({
    execute: (args) => (args.rootValue as Root).execute(args),
    subscribe: (args) => (args.rootValue as Root).subscribe(args),
    onConnect: async (connection) => {
      const { extra } = connection
      extra.authorization = authorizationOf(connection.connectionParams, extra.request)
      return (await contextOf(extra)) !== undefined
    },
    onSubscribe: async (connection, _id, payload) => {
      if (Object.keys(connection.subscriptions).length > MAX_OPERATIONS) {
        const message = `one connection may have ${MAX_OPERATIONS} operations under way`
        return [shownError("TOO_MANY_OPERATIONS", message, { limit: MAX_OPERATIONS })]
      }
      const context = await contextOf(connection.extra)
      if (context === undefined) {
        return [shownError("UNAUTHENTICATED", "The key of this connection is not valid any more.")]
      }
      return prepare(context, payload)
    },
  })

  const serve = (socket: WebSocket, request: IncomingMessage): void => {
    let answered = true
    const pings = setInterval(() => {
      if (!answered) return socket.terminate()
      answered = false
      socket.ping()
    }, PING_MS)
    socket.on("pong", () => {
      answered = true
    })
    // `ws` closes with the code that fits; there is nothing to add.
    socket.on("error", () => {})
    const closed = server.opened(
      {
        protocol: socket.protocol,
        send: (data) =>
          new Promise((resolve, reject) => {
            if (socket.readyState !== socket.OPEN) return resolve()
            if (socket.bufferedAmount > MAX_WAITING) {
              socket.terminate()
              return resolve()
            }
            socket.send(data, (error) => (error ? reject(error) : resolve()))
          }),
        close: (code, reason) => {
          const isKey = code === CloseCode.Forbidden
          socket.close(isKey ? CloseCode.Unauthorized : code, isKey ? "UNAUTHENTICATED" : reason)
        },
        onMessage: (handle) => {
          socket.on("message", (data) => {
            handle(String(data)).catch((error: unknown) => {
              if (socket.readyState !== socket.OPEN) return
              Effect.runFork(
                Effect.logError("graphql: a WebSocket message could not be handled", Cause.die(error)),
              )
              socket.close(CloseCode.InternalServerError, "Internal server error")
            })
          })
        },
      },
      { request },
    )
    socket.once("close", (code, reason) => {
      clearInterval(pings)
      closed(code, String(reason)).catch(() => {})
    })
  }

  return {
    upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      sockets.handleUpgrade(request, socket, head, (opened) => serve(opened, request))
    },
    close: (): void => {
      for (const socket of sockets.clients) socket.close(1001, "Going away")
      sockets.close()
    },
    /** Cuts off who did not answer the goodbye. */
    terminate: (): void => {
      for (const socket of sockets.clients) socket.terminate()
    },
  }
}
