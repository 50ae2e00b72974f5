import { isSystemType, type RecordedEvent, SystemType } from "../../src/domain/Event.js"
import {
  idlePeriods,
  type OracleChange,
  type OracleEvent,
  type OracleGroup,
  type OraclePeriod,
  SYSTEM,
} from "./idleOracle.js"

/** A period as the log tells it. */
export interface StoredPeriod extends Omit<OraclePeriod, "reported"> {
  readonly reportedAt: number
}

const nameOf = ({
  merchant,
  client,
  lastActivityAt,
}: Pick<OraclePeriod, "merchant" | "client" | "lastActivityAt">) => `${merchant} ${client} ${lastActivityAt}`

/** The periods that the facts of a log tell. Throws when a client becomes idle twice, or returns twice. */
export const storedPeriods = (log: ReadonlyArray<RecordedEvent>): ReadonlyArray<StoredPeriod> => {
  const found = new Map<string, StoredPeriod>()
  const open = new Map<string, StoredPeriod>()
  for (const { event, metadata } of log) {
    const { merchantId: merchant, clientKey: client = "", silence, return: ended } = event.data
    const name = `${merchant} ${client}`
    if (event.type === SystemType.ClientBecameIdle && silence !== undefined) {
      const { lastActivityAt, idleSince, historical } = silence
      const period = {
        merchant,
        client,
        lastActivityAt,
        idleSince,
        historical,
        returnedAt: null,
        reportedAt: metadata.recordedAt,
      }
      if (open.has(name)) throw new Error(`${name} became idle while it was idle`)
      if (found.has(nameOf(period))) throw new Error(`${nameOf(period)} was reported twice`)
      open.set(name, period)
      found.set(nameOf(period), period)
    } else if (event.type === SystemType.ClientReturned && ended !== undefined) {
      const period = open.get(name)
      if (period === undefined) throw new Error(`${name} returned and was not idle`)
      open.delete(name)
      found.set(nameOf(period), { ...period, returnedAt: ended.returnedAt })
    }
  }
  return [...found.values()]
}

interface WrittenGroup extends Omit<OracleGroup, "idleAfterMs"> {
  readonly idleAfterSeconds: number
}

/** What the oracle needs of a log: what was sent, and changes of idle times. */
export const rawOf = (
  log: ReadonlyArray<RecordedEvent>,
): { readonly events: ReadonlyArray<OracleEvent>; readonly changes: ReadonlyArray<OracleChange> } => {
  const events: Array<OracleEvent> = []
  const changes: Array<OracleChange> = []
  let system = ""
  for (const { event, metadata } of log) {
    const { merchantId, clientKey: client, settings, address, country } = event.data
    const { recordedAt } = metadata
    const isSystem = event.type === SystemType.SystemSettingsChanged
    const { idleAfterSeconds: seconds, idleGroups } = settings ?? {}
    const said = JSON.stringify([events.length, seconds, idleGroups])
    // Every partition has it; they are told at the same place here, as nothing else is sent meanwhile.
    const isKnown = isSystem && said === system
    if (isSystem) system = said
    if (!isKnown && (seconds !== undefined || idleGroups !== undefined)) {
      const groups = (idleGroups as ReadonlyArray<WrittenGroup> | undefined)?.map(
        ({ idleAfterSeconds, ...group }) => ({ ...group, idleAfterMs: idleAfterSeconds * 1000 }),
      )
      changes.push({
        ...{ before: events.length, merchant: isSystem ? SYSTEM : merchantId, recordedAt },
        ...(typeof seconds === "number" ? { idleAfterMs: seconds * 1000 } : {}),
        ...(groups === undefined ? {} : { groups }),
      })
    }
    if (client === undefined || isSystemType(event.type)) continue
    events.push({ merchant: merchantId, client, at: event.at, recordedAt, address, country })
  }
  return { events, changes }
}

export interface Difference {
  readonly what: string
  readonly stored?: StoredPeriod | undefined
  readonly expected?: OraclePeriod | undefined
}

/**
 * Where the log's facts and the oracle differ; and when each report was due and made. `end`: where the recording
 * clock stands. `slackMs`: what is due so short before the end needs not be reported yet.
 */
export const compareWithOracle = (
  log: ReadonlyArray<RecordedEvent>,
  options: {
    readonly idleAfterMs: number
    readonly end: number
    readonly slackMs?: number
    /** When the program was started with another idle time. */
    readonly starts?: ReadonlyArray<OracleChange>
  },
): {
  readonly differences: ReadonlyArray<Difference>
  readonly reports: ReadonlyArray<{ readonly dueAt: number; readonly reportedAt: number }>
  readonly periods: number
} => {
  const { idleAfterMs, end, slackMs = 0, starts = [] } = options
  const { events, changes: set } = rawOf(log)
  const changes = [...set, ...starts].sort((a, b) => a.before - b.before)
  const stored = new Map(storedPeriods(log).map((period) => [nameOf(period), period]))
  const differences: Array<Difference> = []
  const reports: Array<{ readonly dueAt: number; readonly reportedAt: number }> = []
  const expected = idlePeriods(events, { idleAfterMs, end, changes })
  for (const period of expected) {
    const own = stored.get(nameOf(period))
    stored.delete(nameOf(period))
    if (own === undefined) {
      if (end - period.reported.at > slackMs) differences.push({ what: "not reported", expected: period })
      continue
    }
    const wrong = (["idleSince", "returnedAt", "historical"] as const).find(
      (name) => own[name] !== period[name],
    )
    if (wrong !== undefined) differences.push({ what: wrong, stored: own, expected: period })
    if (own.reportedAt < period.reported.at)
      differences.push({ what: "early", stored: own, expected: period })
    if (period.reported.by === "event" && own.reportedAt !== period.reported.at) {
      differences.push({ what: "not with its event", stored: own, expected: period })
    }
    reports.push({ dueAt: period.reported.at, reportedAt: own.reportedAt })
  }
  for (const period of stored.values()) differences.push({ what: "reported for nothing", stored: period })
  return { differences, reports, periods: expected.length }
}
