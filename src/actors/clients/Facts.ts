import {
  type EventData,
  type Metadata,
  type Return,
  type Silence,
  STORED_VERSION,
  type StoredEvent,
  SystemType,
} from "../../domain/Event.js"
import type { IdleSettings, Whereabouts } from "../../domain/IdleTimes.js"
import { clientStream, merchantStream, type Partition } from "../../domain/Partition.js"
import { writtenOf } from "./whereabouts.js"

/** Whose silence is watched, and how it is stored. One rule for clients and merchants. */
export interface Watched {
  readonly becameIdle: string
  readonly returned: string
  /** Whose activity an event is. */
  readonly keyOf: (data: EventData) => string | undefined
  readonly streamOf: (partition: Partition, key: string) => string
  /** What settings say about it; undefined when they say nothing. */
  readonly timesIn: (settings: EventData["settings"]) => WatchSettings | undefined
  /** Whether the idle time depends on where an event came from. */
  readonly hasWhereabouts: boolean
}

/** For merchants, also whether the time is learned, and the time zone that hours of the week are counted in. */
export interface WatchSettings extends IdleSettings {
  readonly isLearned?: boolean
  readonly timezone?: string
}

const secondsIn = (name: string, settings: EventData["settings"]): IdleSettings | undefined => {
  const seconds = settings?.[name]
  return typeof seconds === "number" ? { idleAfterSeconds: seconds } : undefined
}

const groupsIn = (settings: EventData["settings"]): IdleSettings | undefined =>
  Array.isArray(settings?.idleGroups) ? { idleGroups: settings.idleGroups } : undefined

export const ofClients: Watched = {
  becameIdle: SystemType.ClientBecameIdle,
  returned: SystemType.ClientReturned,
  keyOf: ({ clientKey }) => clientKey,
  streamOf: clientStream,
  timesIn: (settings) => {
    const seconds = secondsIn("idleAfterSeconds", settings)
    const groups = groupsIn(settings)
    return seconds === undefined && groups === undefined ? undefined : { ...seconds, ...groups }
  },
  hasWhereabouts: true,
}

export const ofMerchants: Watched = {
  becameIdle: SystemType.MerchantFellSilent,
  returned: SystemType.MerchantResumed,
  keyOf: ({ merchantId }) => merchantId,
  streamOf: merchantStream,
  // An event that says anything about the watch says all of it (`Merchant.decide`).
  timesIn: (settings) => {
    const seconds = secondsIn("silentAfterSeconds", settings)
    const zone = typeof settings?.timezone === "string" ? { timezone: settings.timezone } : undefined
    const isNamed = seconds !== undefined || settings?.silentAfter !== undefined
    if (!isNamed) return zone
    return { idleAfterSeconds: 0, ...seconds, ...zone, isLearned: settings?.silentAfter === "LEARNED" }
  },
  hasWhereabouts: false,
}

/** Whether these settings end the watch of a merchant. */
export const endsWatch = (settings: EventData["settings"]): boolean => {
  const times = ofMerchants.timesIn(settings)
  return times?.idleAfterSeconds === 0 && times.isLearned !== true
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
  whereabouts: Whereabouts,
): StoredEvent => ({
  v: STORED_VERSION,
  type: watched.becameIdle,
  at: silence.idleSince,
  data: {
    id: `idle-${silence.lastActivityAt}`,
    ...whose(watched, merchantId, key),
    silence: { ...silence, ...writtenOf(whereabouts) },
  },
})

export const returned = (
  watched: Watched,
  merchantId: string,
  key: string,
  ended: Return,
  whereabouts: Whereabouts,
): StoredEvent => ({
  v: STORED_VERSION,
  type: watched.returned,
  at: ended.returnedAt,
  data: {
    id: `returned-${ended.lastActivityAt}`,
    ...whose(watched, merchantId, key),
    return: { ...ended, ...writtenOf(whereabouts) },
  },
})

/** Of what Tidemark reports by itself: nobody sent it. */
export const ownMetadata = (recordedAt: number): Metadata => ({ recordedAt, source: "tidemark", key: "" })
