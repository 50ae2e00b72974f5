import {
  type Metadata,
  type Return,
  type Silence,
  STORED_VERSION,
  type StoredEvent,
  SystemType,
} from "../../domain/Event.js"

/** A silence is named by the activity before it, which is greater for each: its facts have the same ids whoever stores them, and whenever. */
export const becameIdle = (merchantId: string, clientKey: string, silence: Silence): StoredEvent => ({
  v: STORED_VERSION,
  type: SystemType.ClientBecameIdle,
  at: silence.idleSince,
  data: { id: `idle-${silence.lastActivityAt}`, merchantId, clientKey, silence },
})

export const returned = (merchantId: string, clientKey: string, ended: Return): StoredEvent => ({
  v: STORED_VERSION,
  type: SystemType.ClientReturned,
  at: ended.returnedAt,
  data: { id: `returned-${ended.lastActivityAt}`, merchantId, clientKey, return: ended },
})

/** Of what Tidemark reports by itself: nobody sent it. */
export const ownMetadata = (recordedAt: number): Metadata => ({ recordedAt, source: "tidemark", key: "" })
