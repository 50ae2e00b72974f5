import {
  type EventData,
  type Metadata,
  type Return,
  type Silence,
  STORED_VERSION,
  type StoredEvent,
  SystemType,
} from "../../domain/Event.js"
import { clientStream, merchantStream, type Partition } from "../../domain/Partition.js"

/** Whose silence is watched, and how it is stored. One rule for clients and merchants. */
export interface Watched {
  readonly becameIdle: string
  readonly returned: string
  /** Whose activity an event is. */
  readonly keyOf: (data: EventData) => string | undefined
  readonly streamOf: (partition: Partition, key: string) => string
  /** Seconds that settings say; 0 for never; undefined when they say nothing. */
  readonly secondsOf: (settings: EventData["settings"]) => number | undefined
  /** Counted from the setting on, where nothing is known of an activity before. */
  readonly fromSetting: boolean
}

const secondsIn =
  (name: string) =>
  (settings: EventData["settings"]): number | undefined => {
    const seconds = settings?.[name]
    return typeof seconds === "number" ? seconds : undefined
  }

export const ofClients: Watched = {
  becameIdle: SystemType.ClientBecameIdle,
  returned: SystemType.ClientReturned,
  keyOf: ({ clientKey }) => clientKey,
  streamOf: clientStream,
  secondsOf: secondsIn("idleAfterSeconds"),
  fromSetting: false,
}

export const ofMerchants: Watched = {
  becameIdle: SystemType.MerchantFellSilent,
  returned: SystemType.MerchantResumed,
  keyOf: ({ merchantId }) => merchantId,
  streamOf: merchantStream,
  secondsOf: secondsIn("silentAfterSeconds"),
  fromSetting: true,
}

const whose = (watched: Watched, merchantId: string, key: string) =>
  watched === ofClients ? { merchantId, clientKey: key } : { merchantId }

/**
 * A silence is named by the activity before it, which is greater for each: its facts have the same ids whoever
 * stores them, and whenever.
 */
export const becameIdle = (
  watched: Watched,
  merchantId: string,
  key: string,
  silence: Silence,
): StoredEvent => ({
  v: STORED_VERSION,
  type: watched.becameIdle,
  at: silence.idleSince,
  data: { id: `idle-${silence.lastActivityAt}`, ...whose(watched, merchantId, key), silence },
})

export const returned = (watched: Watched, merchantId: string, key: string, ended: Return): StoredEvent => ({
  v: STORED_VERSION,
  type: watched.returned,
  at: ended.returnedAt,
  data: { id: `returned-${ended.lastActivityAt}`, ...whose(watched, merchantId, key), return: ended },
})

/** Of what Tidemark reports by itself: nobody sent it. */
export const ownMetadata = (recordedAt: number): Metadata => ({ recordedAt, source: "tidemark", key: "" })
