import * as Effect from "effect/Effect"
import type { RecordedEvent } from "../domain/Event.js"
import { clientScan, decodeClient, PROJECTION } from "../projections/clients.js"
import type { ReadModelsService, Ref } from "../readmodels/ReadModels.js"
import type { Freshness } from "./Freshness.js"
import type { Profiles } from "./Profiles.js"
import type { QueryError } from "./QueryError.js"

export interface ListedEvent {
  readonly recorded: RecordedEvent
  /** Null for an event without a client, and for a client that is not known yet. */
  readonly clientId: string | null
}

/** Where a client's document is. */
export const clientRef = (merchantId: string, clientKey: string): Ref => {
  const { collection, from } = clientScan(merchantId, clientKey)
  return { collection, key: from }
}

/** The events with the ids of their clients, all looked up at once. */
export const nameClients = (
  deps: {
    readonly readModels: ReadModelsService
    readonly freshness: Freshness
    readonly profiles: Profiles
  },
  events: ReadonlyArray<RecordedEvent>,
): Effect.Effect<ReadonlyArray<ListedEvent>, QueryError> =>
  Effect.gen(function* () {
    const refs = new Map<string, Map<string, Ref>>()
    for (const { event } of events) {
      const { merchantId, clientKey } = event.data
      if (clientKey === undefined) continue
      const own = refs.get(merchantId) ?? new Map<string, Ref>()
      refs.set(merchantId, own.set(clientKey, clientRef(merchantId, clientKey)))
    }
    const found = yield* Effect.forEach(refs, ([merchantId, own]) =>
      Effect.gen(function* () {
        const build = yield* deps.freshness.serving(PROJECTION, merchantId)
        const docs = yield* deps.readModels.load(build.id, [...own.values()])
        return [...own.values()].flatMap(({ key }, index) => {
          const doc = docs[index]
          return doc === undefined ? [] : decodeClient(key, doc)
        })
      }),
    )
    const known = found.flat()
    const opened = yield* deps.profiles.open(known)
    const names = new Map(known.map(({ clientKey }, index) => [clientKey, opened[index]?.clientId]))
    return events.map((recorded) => {
      const { clientKey } = recorded.event.data
      return { recorded, clientId: (clientKey === undefined ? undefined : names.get(clientKey)) ?? null }
    })
  })
