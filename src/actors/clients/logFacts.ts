import * as Effect from "effect/Effect"
import { type NewEvent, SystemType } from "../../domain/Event.js"

/** One line for each client that became idle; for imported history at level debug, as it was over long ago. */
export const logFacts = (facts: ReadonlyArray<NewEvent>): Effect.Effect<void> =>
  Effect.forEach(
    facts,
    ({ event, metadata }) => {
      const { silence, clientKey = "", merchantId } = event.data
      if (silence === undefined) return Effect.void
      const isClient = event.type === SystemType.ClientBecameIdle
      const what = isClient ? "client became idle" : "merchant fell silent"
      const line = silence.historical ? Effect.logDebug(`${what} in the past`) : Effect.logInfo(what)
      return Effect.annotateLogs(line, {
        merchant: merchantId,
        ...(isClient ? { client: clientKey } : {}),
        ...(silence.address === undefined ? {} : { address: silence.address }),
        lastSeen: new Date(silence.lastActivityAt).toISOString(),
        idleForSeconds: Math.round((metadata.recordedAt - silence.lastActivityAt) / 1000),
      })
    },
    { discard: true },
  )
