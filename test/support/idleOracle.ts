/**
 * Every idle period of every client, by an implementation that shares nothing with the program's: it knows the raw
 * events in log order, and how long a client may be silent. Written from the sentences of the design:
 *
 * - only events later than all before them count, so a client's history is the list of its records;
 * - between one record and the next there is a period if the recording clock reached the record's recording time and
 *   the idle time, or if the next is an idle time or more later by its own time.
 */
export interface OracleEvent {
  readonly merchant: string
  readonly client: string
  /** The event's own time; epoch ms, as all here. */
  readonly at: number
  readonly recordedAt: number
}

/** From this place in the log on (index into the events) the merchant's clients may be silent for so long. */
export interface OracleChange {
  readonly before: number
  readonly merchant: string
  readonly recordedAt: number
  readonly idleAfterMs: number
}

export interface OraclePeriod {
  readonly merchant: string
  readonly client: string
  readonly lastActivityAt: number
  readonly idleSince: number
  /** `event`: reported by an event, when that was recorded. `clock`: from this time on, never before. */
  readonly reported: { readonly by: "clock" | "event"; readonly at: number }
  readonly returnedAt: number | null
  readonly historical: boolean
}

interface Placed {
  readonly place: number
  readonly at: number
  readonly recordedAt: number
}

/** When, and with which idle time, the clock finds the record overdue, before the place `until` in the log. */
const overdue = (
  record: Placed,
  next: Placed | undefined,
  end: number,
  changes: ReadonlyArray<OracleChange>,
  standard: number,
): { at: number; idleAfterMs: number } | undefined => {
  const later = changes.filter((change) => change.before > record.place)
  const inForce = changes.filter((change) => change.before <= record.place).at(-1)?.idleAfterMs ?? standard
  let idleAfterMs = inForce
  let from = record.recordedAt
  for (const change of [...later, undefined]) {
    const over = change !== undefined && (next === undefined || change.before <= next.place)
    const to = over ? change.recordedAt : (next?.recordedAt ?? end)
    const due = Math.max(from, record.recordedAt + idleAfterMs)
    if (due <= to) return { at: due, idleAfterMs }
    if (!over) return undefined
    from = change.recordedAt
    idleAfterMs = change.idleAfterMs
  }
  return undefined
}

const inForceAt = (place: number, changes: ReadonlyArray<OracleChange>, standard: number): number =>
  changes.filter((change) => change.before <= place).at(-1)?.idleAfterMs ?? standard

export const idlePeriods = (
  events: ReadonlyArray<OracleEvent>,
  options: {
    readonly idleAfterMs: number
    /** Where the recording clock stands in the end. */
    readonly end: number
    readonly changes?: ReadonlyArray<OracleChange>
  },
): ReadonlyArray<OraclePeriod> => {
  const { idleAfterMs: standard, end, changes = [] } = options
  const records = new Map<string, Array<Placed>>()
  const changesOf = new Map<string, Array<OracleChange>>()
  for (const change of changes)
    changesOf.set(change.merchant, [...(changesOf.get(change.merchant) ?? []), change])
  events.forEach(({ merchant, client, at, recordedAt }, place) => {
    const active = Math.min(at, recordedAt)
    const name = `${merchant} ${client}`
    const own = records.get(name)
    if (own === undefined) records.set(name, [{ place, at: active, recordedAt }])
    else if (active > (own.at(-1) as Placed).at) own.push({ place, at: active, recordedAt })
  })
  const periods: Array<OraclePeriod> = []
  for (const [name, own] of records) {
    const [merchant = "", client = ""] = name.split(" ")
    const of = changesOf.get(merchant) ?? []
    own.forEach((record, index) => {
      const next = own[index + 1]
      const due = overdue(record, next, end, of, standard)
      const gap = next === undefined ? undefined : inForceAt(next.place, of, standard)
      const byEvent =
        due === undefined && next !== undefined && gap !== undefined && next.at - record.at >= gap
      if (due === undefined && !byEvent) return
      const idleAfterMs = due?.idleAfterMs ?? (gap as number)
      const idleSince = record.at + idleAfterMs
      periods.push({
        merchant,
        client,
        lastActivityAt: record.at,
        idleSince,
        reported:
          due === undefined ? { by: "event", at: (next as Placed).recordedAt } : { by: "clock", at: due.at },
        returnedAt: next === undefined ? null : Math.max(next.at, idleSince),
        historical: due === undefined || idleSince <= record.recordedAt,
      })
    })
  }
  return periods
}
