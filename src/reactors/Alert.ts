import { type RecordedEvent, SystemType } from "../domain/Event.js"

/** What an alert can be about. The names are those of settings and of what is sent. */
export const alertKinds = ["client-idle", "client-returned", "merchant-silent", "merchant-resumed"] as const

export type AlertKind = (typeof alertKinds)[number]

/** A client or a merchant went silent, or is heard again. Instants in epoch ms. */
export interface Alert {
  readonly kind: AlertKind
  /** `_system` of clients that belong to no merchant. */
  readonly merchantId: string
  /** The client's pseudonym; of alerts about clients. */
  readonly clientKey?: string
  /** As it is kept: truncated. Of clients that went idle. */
  readonly address?: string
  readonly lastActivityAt: number
  readonly idleSince: number
  /** Silence after which it is reported, ms. Of those that went silent. */
  readonly afterMs?: number
  readonly returnedAt?: number
  readonly reportedAt: number
}

const kindOf: Readonly<Record<string, AlertKind>> = {
  [SystemType.ClientBecameIdle]: "client-idle",
  [SystemType.ClientReturned]: "client-returned",
  [SystemType.MerchantFellSilent]: "merchant-silent",
  [SystemType.MerchantResumed]: "merchant-resumed",
}

/** The alert that an event gives; none for what is history, or not asked for. */
export const alertOf = (
  { event, metadata }: Pick<RecordedEvent, "event" | "metadata">,
  asked: ReadonlySet<AlertKind>,
): Alert | undefined => {
  const kind = kindOf[event.type]
  const { merchantId, clientKey, silence, return: back } = event.data
  const told = silence ?? back
  if (kind === undefined || told === undefined || told.historical || !asked.has(kind)) return undefined
  return {
    ...{ kind, merchantId },
    ...(clientKey === undefined ? {} : { clientKey }),
    ...(silence?.address === undefined ? {} : { address: silence.address }),
    ...{ lastActivityAt: told.lastActivityAt, idleSince: told.idleSince },
    ...(silence === undefined ? {} : { afterMs: silence.afterMs }),
    ...(back === undefined ? {} : { returnedAt: back.returnedAt }),
    reportedAt: metadata.recordedAt,
  }
}

const lasting = (ms: number): string => {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 120) return `${seconds} s`
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`
}

const instant = (ms: number): string => new Date(ms).toISOString()

/** One sentence for people. */
export const sentenceOf = (alert: Alert): string => {
  const { kind, merchantId, clientKey, lastActivityAt, reportedAt, returnedAt = reportedAt } = alert
  const who = kind.startsWith("client") ? `client ${clientKey} of ${merchantId}` : `merchant ${merchantId}`
  const since = `since ${instant(lastActivityAt)}`
  switch (kind) {
    case "client-idle":
      return `${who} is idle: nothing for ${lasting(reportedAt - lastActivityAt)}, ${since}`
    case "merchant-silent":
      return `${who} fell silent: nothing for ${lasting(reportedAt - lastActivityAt)}, ${since}`
    case "client-returned":
      return `${who} is back after ${lasting(returnedAt - lastActivityAt)}`
    case "merchant-resumed":
      return `${who} is heard again after ${lasting(returnedAt - lastActivityAt)}`
  }
}

/** As it is sent and logged: instants in ISO 8601, spans in seconds. */
export const wireForm = (id: string, alert: Alert): Readonly<Record<string, string | number>> => {
  const { kind, merchantId, clientKey, address, lastActivityAt, idleSince, afterMs, returnedAt, reportedAt } =
    alert
  return {
    ...{ id, kind, text: sentenceOf(alert), merchantId },
    ...(clientKey === undefined ? {} : { clientKey }),
    ...(address === undefined ? {} : { address }),
    ...{ lastActivityAt: instant(lastActivityAt), idleSince: instant(idleSince) },
    ...(afterMs === undefined ? {} : { idleAfterSeconds: afterMs / 1_000 }),
    ...(returnedAt === undefined ? {} : { returnedAt: instant(returnedAt) }),
    ...{
      reportedAt: instant(reportedAt),
      silentForSeconds: ((returnedAt ?? reportedAt) - lastActivityAt) / 1_000,
    },
  }
}
