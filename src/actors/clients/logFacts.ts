import { Effect } from "effect"
import { type NewEvent, SystemType } from "../../domain/Event.js"

/** One line for each client that became idle; for imported history at level debug, as it was over long ago. */
export const logFacts = (facts: ReadonlyArray<NewEvent>): Effect.Effect<void> =>
  Effect.forEach(
    facts,
    ({ event, metadata }) => {
      const { silence, clientKey = "", merchantId } = event.data
      if (event.type !== SystemType.ClientBecameIdle || silence === undefined) return Effect.void
      const line = silence.historical
        ? Effect.logDebug("client was idle")
        : Effect.logInfo("client became idle")
      return Effect.annotateLogs(line, {
        merchant: merchantId,
        client: clientKey,
        ...(silence.address === undefined ? {} : { address: silence.address }),
        lastSeen: new Date(silence.lastActivityAt).toISOString(),
        idleForSeconds: Math.round((metadata.recordedAt - silence.lastActivityAt) / 1000),
      })
    },
    { discard: true },
  )
