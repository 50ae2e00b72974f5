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
  /** Where it came from, as it is kept; when it says so. */
  readonly address?: string | undefined
  readonly country?: string | undefined
}

export interface OracleGroup {
  readonly addresses?: ReadonlyArray<string>
  readonly countries?: ReadonlyArray<string>
  readonly idleAfterMs: number
}

/** From this place in the log on (index into the events) clients may be silent for so long. */
export interface OracleChange {
  readonly before: number
  /** Whose clients: a merchant's; all whose merchant says nothing (`SYSTEM`); all that are left (`STANDARD`). */
  readonly merchant: string
  readonly recordedAt: number
  /** 0 says nothing any more; missing where it stays. */
  readonly idleAfterMs?: number
  /** In place of the groups before; missing where they stay. */
  readonly groups?: ReadonlyArray<OracleGroup>
}

// No merchant's id begins like this.
export const SYSTEM = "*system"
export const STANDARD = "*standard"

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

interface Place {
  readonly address: string | undefined
  readonly country: string | undefined
}

interface Placed {
  readonly place: number
  readonly at: number
  readonly recordedAt: number
  /** What is known of the client from here on. */
  readonly where: Place
}

/** Bits of an address as 0s and 1s. */
const bits = (address: string): string => {
  const binary = (part: string, radix: number, length: number) =>
    Number.parseInt(part === "" ? "0" : part, radix)
      .toString(2)
      .padStart(length, "0")
  if (!address.includes(":"))
    return `4${address
      .split(".")
      .map((part) => binary(part, 10, 8))
      .join("")}`
  const [left = "", right] = address.split("::")
  const parts = left.split(":")
  const tail = right === undefined || right === "" ? [] : right.split(":")
  const middle: Array<string> = new Array(8 - parts.length - tail.length).fill("0")
  return `6${[...parts, ...middle, ...tail].map((part) => binary(part, 16, 16)).join("")}`
}

const isIn = (group: OracleGroup, { address, country }: Place): boolean =>
  (country !== undefined && (group.countries ?? []).includes(country)) ||
  (address !== undefined &&
    (group.addresses ?? []).some((range) => {
      const [network = "", length = "0"] = range.split("/")
      return bits(address).startsWith(bits(network).slice(0, 1 + Number(length)))
    }))

/** The idle time, after these changes, of a client of whom so much is known. */
const inForceAfter = (
  changes: ReadonlyArray<OracleChange>,
  merchant: string,
  where: Place,
  standard: number,
): number => {
  const said = changes.toReversed()
  for (const who of [merchant, SYSTEM, STANDARD]) {
    const own = said.filter((change) => change.merchant === who)
    const groups = own.find((change) => change.groups !== undefined)?.groups ?? []
    const group = groups.find((one) => isIn(one, where))
    if (group !== undefined) return group.idleAfterMs
    const idleAfterMs = own.find((change) => change.idleAfterMs !== undefined)?.idleAfterMs ?? 0
    if (idleAfterMs !== 0) return idleAfterMs
  }
  return standard
}

/** When, and with which idle time, the clock finds the record overdue, before the place `until` in the log. */
const overdue = (
  record: Placed,
  next: Placed | undefined,
  end: number,
  changes: ReadonlyArray<OracleChange>,
  inForce: (changes: ReadonlyArray<OracleChange>) => number,
): { at: number; idleAfterMs: number } | undefined => {
  const past = changes.filter(({ before }) => before <= record.place)
  let idleAfterMs = inForce(past)
  let from = record.recordedAt
  // Several may stand at one place: each is in force until the next, and the clock looks in between.
  for (let said = past.length; said <= changes.length; said++) {
    const change = changes[said]
    const over = change !== undefined && (next === undefined || change.before <= next.place)
    const to = over ? change.recordedAt : (next?.recordedAt ?? end)
    const due = Math.max(from, record.recordedAt + idleAfterMs)
    if (due <= to) return { at: due, idleAfterMs }
    if (!over) return undefined
    from = change.recordedAt
    idleAfterMs = inForce(changes.slice(0, said + 1))
  }
  return undefined
}

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
  const changesOf = new Map<string, ReadonlyArray<OracleChange>>()
  for (const { merchant } of events) {
    if (changesOf.has(merchant)) continue
    const whose = [merchant, SYSTEM, STANDARD]
    changesOf.set(
      merchant,
      changes.filter((change) => whose.includes(change.merchant)),
    )
  }
  events.forEach(({ merchant, client, at, recordedAt, address, country }, place) => {
    const active = Math.min(at, recordedAt)
    const name = `${merchant} ${client}`
    const own = records.get(name)
    const last = own?.at(-1)
    if (last !== undefined && active <= last.at) return
    const where = { address: address ?? last?.where.address, country: country ?? last?.where.country }
    const record = { place, at: active, recordedAt, where }
    if (own === undefined) records.set(name, [record])
    else own.push(record)
  })
  const periods: Array<OraclePeriod> = []
  for (const [name, own] of records) {
    const [merchant = "", client = ""] = name.split(" ")
    const of = changesOf.get(merchant) ?? []
    own.forEach((record, index) => {
      const next = own[index + 1]
      const inForce = (said: ReadonlyArray<OracleChange>) =>
        said.length === 0 ? standard : inForceAfter(said, merchant, record.where, standard)
      const due = overdue(record, next, end, of, inForce)
      const gap = next === undefined ? undefined : inForce(of.filter(({ before }) => before <= next.place))
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
