import { clockOf, type Interval } from "./oracleClock.js"
import { type Counted, type Dimension, METRICS, type Metric } from "./oracleEvents.js"

export interface Term {
  readonly dimension: Dimension
  readonly property?: string
  readonly in?: ReadonlyArray<string>
  readonly notIn?: ReadonlyArray<string>
}
export type Filter = { readonly all: ReadonlyArray<Term> }
export interface Range {
  readonly from: number
  /** Excluded. */
  readonly to: number
}

/** A run of one client's events without a gap of 30 minutes; `first` is its earliest event. */
interface Session {
  readonly first: Counted
  last: number
  events: number
  views: number
}

const earlier = (a: Counted, b: Counted): number =>
  a.activity - b.activity || a.id.length - b.id.length || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

const sessionsOf = (events: ReadonlyArray<Counted>): ReadonlyArray<Session> => {
  const byClient = new Map<string, Array<Counted>>()
  for (const event of events) {
    if (event.client === undefined) continue
    const own = byClient.get(event.client)
    if (own === undefined) byClient.set(event.client, [event])
    else own.push(event)
  }
  const sessions: Array<Session> = []
  for (const own of byClient.values()) {
    let open: Session | undefined
    for (const event of own.sort(earlier)) {
      if (open === undefined || event.activity - open.last >= 30 * 60_000) {
        open = { first: event, last: event.activity, events: 0, views: 0 }
        sessions.push(open)
      }
      open.last = event.activity
      open.events += 1
      if (event.type === "pageview") open.views += 1
    }
  }
  return sessions
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, one) => total + one, 0)

/** Events and sessions of one bucket, row or range. */
interface Group {
  readonly events: ReadonlyArray<Counted>
  readonly sessions: ReadonlyArray<Session>
}

/** The metric's value; `counts` says whether it has anything to count there. */
const measure = (
  metric: Metric,
  { events, sessions }: Group,
  currency: string,
): { readonly value: number | null; readonly counts: boolean } => {
  const of = (type: string) => events.filter((event) => event.type === type)
  const money = (type: string) => of(type).filter((event) => event.currency === currency)
  const amounts = (type: string) => sum(money(type).map((event) => event.amount))
  const count = (value: number) => ({ value, counts: value > 0 })
  const ratio = (over: number, under: number) => ({
    value: under === 0 ? null : over / under,
    counts: under > 0,
  })
  switch (metric) {
    case "EVENTS":
      return count(events.length)
    case "PAGEVIEWS":
      return count(of("pageview").length)
    case "PAYMENTS":
      return count(of("payment").length)
    case "REFUNDS":
      return count(of("refund").length)
    case "VISITORS":
      return count(new Set(events.map(({ client }) => client).filter((one) => one !== undefined)).size)
    case "SESSIONS":
      return count(sessions.length)
    case "BOUNCE_RATE":
      return ratio(sessions.filter((one) => one.events === 1 && one.views === 1).length, sessions.length)
    case "SESSION_SECONDS":
      return ratio(sum(sessions.map((one) => one.last - one.first.activity)) / 1000, sessions.length)
    case "GROSS_VOLUME":
      return { value: amounts("payment"), counts: money("payment").length > 0 }
    case "REFUND_VOLUME":
      return { value: amounts("refund"), counts: money("refund").length > 0 }
    case "NET_VOLUME":
      return {
        value: amounts("payment") - amounts("refund"),
        counts: money("payment").length + money("refund").length > 0,
      }
    case "AVERAGE_ORDER_VALUE":
      return ratio(amounts("payment"), money("payment").length)
    case "POINTS_USED":
      return count(sum(of("payment").map((event) => event.pointsUsed)))
    case "POINTS_EARNED":
      return count(sum(of("payment").map((event) => event.pointsEarned)))
  }
}

/** The event's value of a dimension as it is shown. */
export const shownValue = (event: Counted, dimension: Dimension, property = ""): string => {
  const own = Object.hasOwn(event.properties, property) ? event.properties[property] : undefined
  const value = dimension === "PROPERTY" ? own : event.values[dimension]
  return value === undefined || value === null ? "(none)" : String(value)
}

const matches = (event: Counted, filter: Filter | undefined): boolean =>
  (filter?.all ?? []).every((term) => {
    const value = shownValue(event, term.dimension, term.property)
    return (term.in?.includes(value) ?? true) && !(term.notIn?.includes(value) ?? false)
  })

const groupedBy = <K>(group: Group, keys: { event: (at: Counted) => K; session: (of: Session) => K }) => {
  const groups = new Map<K, { events: Array<Counted>; sessions: Array<Session> }>()
  const at = (key: K) => {
    const found = groups.get(key) ?? { events: [], sessions: [] }
    groups.set(key, found)
    return found
  }
  for (const event of group.events) at(keys.event(event)).events.push(event)
  for (const session of group.sessions) at(keys.session(session)).sessions.push(session)
  return groups
}

/** All events of one merchant, asked about in its zone. */
export class Oracle {
  private readonly events: ReadonlyArray<Counted>
  private readonly sessions: ReadonlyArray<Session>

  /** @param events in the order in which they arrived: of those with one id the first counts */
  constructor(
    events: ReadonlyArray<Counted>,
    readonly zone: string,
    readonly currency: string,
  ) {
    const known = new Set<string>()
    this.events = events.filter(({ id, type }) => type !== "request" && !known.has(id) && known.add(id))
    // Sessions are cut from all events of a client, whatever is asked later.
    this.sessions = sessionsOf(this.events)
  }

  private within({ from, to }: Range, filter: Filter | undefined): Group {
    const inside = (at: number) => at >= from && at < to
    return {
      events: this.events.filter((event) => inside(event.at) && matches(event, filter)),
      sessions: this.sessions.filter(({ first }) => inside(first.activity) && matches(first, filter)),
    }
  }

  range(interval: Interval, range: Range): Range {
    return clockOf(this.zone).widen(interval, range)
  }

  totals(range: Range, currency = this.currency, filter?: Filter): Record<Metric, number | null> {
    const group = this.within(this.range("HOUR", range), filter)
    return Object.fromEntries(
      METRICS.map((metric) => [metric, measure(metric, group, currency).value]),
    ) as Record<Metric, number | null>
  }

  series(metric: Metric, range: Range, interval: Interval, currency = this.currency, filter?: Filter) {
    const clock = clockOf(this.zone)
    const whole = clock.widen(interval, range)
    const start = (at: number) => clock.bucket(interval, at).from
    const groups = groupedBy(this.within(whole, filter), {
      event: ({ at }) => start(at),
      session: ({ first }) => start(first.activity),
    })
    return clock.buckets(interval, whole).map((at) => ({
      at,
      value: measure(metric, groups.get(at) ?? { events: [], sessions: [] }, currency).value,
    }))
  }

  breakdown(
    metric: Metric,
    by: Dimension,
    range: Range,
    options: { property?: string; currency?: string; filter?: Filter } = {},
  ): ReadonlyArray<{ readonly key: string; readonly value: number | null }> {
    const { property, currency = this.currency, filter } = options
    const groups = groupedBy(this.within(this.range("HOUR", range), filter), {
      event: (event) => shownValue(event, by, property),
      session: ({ first }) => shownValue(first, by, property),
    })
    return [...groups]
      .map(([key, group]) => ({ key, ...measure(metric, group, currency) }))
      .filter(({ counts }) => counts)
      .map(({ key, value }) => ({ key, value }))
      .sort((a, b) => (b.value ?? 0) - (a.value ?? 0) || (a.key < b.key ? -1 : 1))
  }
}
