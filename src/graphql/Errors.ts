import { randomUUID } from "node:crypto"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { GraphQLError } from "graphql"
import type { InvalidCursor, QuarantineUnavailable } from "../collect/Quarantine.js"
import type { CommandRefused } from "../processors/Commands.js"
import type { QueryError } from "../queries/QueryError.js"
import type { Context } from "./Context.js"

/**
 * An error that is shown as it is. Every one has a code. `status` is that of HTTP when nothing was answered,
 * for clients that accept `application/graphql-response+json`; the older media type says 200.
 */
export const shownError = (
  code: string,
  message: string,
  extra: Readonly<Record<string, unknown>> = {},
  status?: number,
): GraphQLError =>
  new GraphQLError(message, {
    extensions: { code, ...extra, ...(status === undefined ? {} : { http: { status, spec: true } }) },
  })

export const unauthenticated = (): GraphQLError =>
  shownError(
    "UNAUTHENTICATED",
    "Send an API key as `Authorization: Bearer KEY`; over WebSocket as `authorization` in connectionParams. This request has none, or one that is not valid.",
    {},
    401,
  )

const forbidden = (): GraphQLError =>
  shownError("FORBIDDEN", "This field needs an administrator's key, and yours is a merchant's.")

export const requireAdministrator = ({ principal }: Context): void => {
  if (principal._tag !== "Administrator") throw forbidden()
}

type Failure = QueryError | QuarantineUnavailable | InvalidCursor | CommandRefused

const unavailable = (reason: string): GraphQLError =>
  shownError("UNAVAILABLE", `${reason} Nothing is lost: ask again in a moment.`, { retryable: true })

/** What the read service refuses is said; what fails inside is logged by its cause and not shown. */
const toGraphQL = (failure: Failure): GraphQLError | undefined => {
  switch (failure._tag) {
    case "CommandRefused":
      return shownError(failure.code, failure.message)
    case "QueryRefused":
      return shownError(failure.code, failure.message, failure.details)
    case "InvalidCursor":
      return shownError("INVALID_CURSOR", "after is not a cursor of this list: take it from pageInfo")
    case "NotServed":
      return unavailable("The read models are being set up.")
    case "ReadModelsUnavailable":
      return unavailable("The read models can't be reached now.")
    case "LogUnavailable":
      return unavailable("The event log can't be reached now.")
    case "KeyStoreUnavailable":
      return unavailable("The key store can't be reached now.")
    case "QuarantineUnavailable":
      return unavailable("The quarantine can't be reached now.")
    default:
      return undefined
  }
}

/** The value of an effect; a failure becomes an error with a code, a defect one that is masked. */
export const run = async <A>(effect: Effect.Effect<A, Failure>): Promise<A> => {
  const exit = await Effect.runPromiseExit(effect)
  if (Exit.isSuccess(exit)) return exit.value
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  const shown = failure === undefined ? undefined : toGraphQL(failure)
  if (shown === undefined) throw Cause.squash(exit.cause)
  if (
    failure?._tag !== "QueryRefused" &&
    failure?._tag !== "CommandRefused" &&
    failure?._tag !== "InvalidCursor"
  ) {
    Effect.runFork(Effect.logWarning("graphql: a store could not be reached", failure))
  }
  throw shown
}

const knownCode = (error: GraphQLError): string => {
  if (typeof error.extensions.code === "string") return error.extensions.code
  if (error.message.startsWith("Syntax Error")) return "GRAPHQL_PARSE_FAILED"
  return "BAD_USER_INPUT"
}

/** The error that was thrown, under the wrappings of the executor. */
const originOf = (error: unknown): unknown =>
  error instanceof GraphQLError && error.originalError !== undefined ? originOf(error.originalError) : error

/**
 * Errors as outsiders see them: those of GraphQL and of this schema as they are, with a code; anything
 * else under a correlation id, which stands in the log with what really happened.
 */
export const maskError = (error: unknown): GraphQLError => {
  const origin = originOf(error)
  if (error instanceof GraphQLError && origin instanceof GraphQLError) {
    const code = origin.extensions.code ?? knownCode(error)
    if (error.extensions.code === code) return error
    const { nodes, source, positions, path } = error
    return new GraphQLError(error.message, {
      ...{ nodes: nodes ?? null, source: source ?? null, positions: positions ?? null, path: path ?? null },
      extensions: { ...error.extensions, ...origin.extensions, code },
    })
  }
  const correlationId = randomUUID()
  Effect.runFork(
    Effect.logError("graphql: unexpected error", Cause.die(origin)).pipe(
      Effect.annotateLogs({ correlationId }),
    ),
  )
  const wrapped = error instanceof GraphQLError ? error : undefined
  return new GraphQLError(`Something went wrong here. It is in the log as ${correlationId}.`, {
    nodes: wrapped?.nodes ?? null,
    path: wrapped?.path ?? null,
    extensions: { code: "INTERNAL", correlationId, http: { status: 500, spec: true } },
  })
}
