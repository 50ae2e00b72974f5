import { STORED_VERSION, type StoredEvent, SystemType } from "../domain/Event.js"
import type { Incoming } from "./Recorder.js"

export { clientStream as streamName } from "../domain/Partition.js"

// Events: ClientSeen (the encrypted profile, always the stream's first event unless the client was
// forgotten before), and the requests that the client was seen making.

export interface Client {
  /** The profile is in the log, or never will be because the client was forgotten. */
  readonly seen: boolean
}

export const initial: Client = { seen: false }
export const known: Client = { seen: true }

/** Whatever is in the stream came after the profile. */
export const evolve = (_state: Client, _event: StoredEvent): Client => known

export type Command =
  /** `personal` is the sealed profile; undefined for a client that was forgotten. */
  | { readonly _tag: "Meet"; readonly incoming: Incoming; readonly personal: string | undefined }
  | { readonly _tag: "Record"; readonly incoming: Incoming }

export interface At {
  /** Epoch milliseconds. */
  readonly now: number
}

export const decide = (state: Client, command: Command, at: At): ReadonlyArray<StoredEvent> => {
  const { type, at: happened, data } = command.incoming
  if (command._tag === "Record") return [{ v: STORED_VERSION, type, at: happened, data }]
  if (state.seen || command.personal === undefined || data.clientKey === undefined) return []
  return [
    {
      v: STORED_VERSION,
      type: SystemType.ClientSeen,
      at: Math.min(happened, at.now),
      data: { id: "profile", merchantId: data.merchantId, clientKey: data.clientKey },
      personal: command.personal,
    },
  ]
}
