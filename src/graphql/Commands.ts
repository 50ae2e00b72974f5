import * as Effect from "effect/Effect"
import type { GraphQLError } from "graphql"
import type {
  ApiKeyCommand,
  Origin,
  SettingsCommand,
  SettingsResult,
  SystemCommand,
} from "../actors/Recorder.js"
import type { Context } from "./Context.js"
import { run, shownError } from "./Errors.js"

/** How long a mutation waits until what it changed can be read. */
const READABLE_MS = 5_000

const originOf = ({ principal }: Context): Origin => ({
  source: "graphql",
  key: principal.keyId,
  mayCreateMerchants: principal._tag === "Administrator",
})

const unavailable = (seconds: number): GraphQLError =>
  shownError(
    "UNAVAILABLE",
    `The change could not be recorded, or it is not known whether it was. Repeat it in ${seconds} s.`,
    { retryable: true, retryAfterSeconds: seconds },
  )

export type Done = Exclude<SettingsResult, { readonly _tag: "Unavailable" }>

/** Records a command, and waits until the read models include it; past 5 s it answers without them. */
const recorded = async (
  { services }: Context,
  send: (done: (result: SettingsResult) => void) => void,
  merchantId?: string,
): Promise<Done> => {
  const result = await new Promise<SettingsResult>(send)
  if (result._tag === "Unavailable") throw unavailable(result.retryAfterSeconds)
  if (result._tag === "Saved") {
    await run(
      services.queries
        .settled(result.position, READABLE_MS, merchantId)
        .pipe(Effect.catchTag("QueryRefused", () => Effect.void)),
    )
  }
  return result
}

export const changeSettings = (context: Context, command: Omit<SettingsCommand, "origin">): Promise<Done> =>
  recorded(
    context,
    (done) => context.services.recorder.changeSettings({ ...command, origin: originOf(context) }, done),
    command.merchantId,
  )

export const changeSystem = (context: Context, command: Omit<SystemCommand, "origin">): Promise<Done> =>
  recorded(context, (done) =>
    context.services.recorder.changeSystem({ ...command, origin: originOf(context) }, done),
  )

export const changeApiKey = (context: Context, command: Omit<ApiKeyCommand, "origin">): Promise<Done> =>
  recorded(context, (done) =>
    context.services.recorder.changeApiKey({ ...command, origin: originOf(context) }, done),
  )
