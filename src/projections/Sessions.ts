import { whole } from "../domain/whole.js"
import type { Docs } from "../processors/Projection.js"
import { key, partsOf } from "../readmodels/Key.js"
import type { Row, Scan } from "../readmodels/ReadModels.js"
import { ClientDay, dayOf, OpenSession, type Origin, type Session } from "./ClientDay.js"
import { bounces, longerSession, type SessionChange } from "./Counts.js"
import { GrowingTable } from "./GrowingTable.js"
import { type NamedPart, namedParts } from "./NamedPart.js"
import { hashOf, rowEntries, tableScan, tablesIn } from "./Table.js"
import { timeOf, timePart } from "./TimePart.js"

/**
 * Sessions: runs of one client's events with no gap of 30 minutes or more between two, by activity time.
 * A late event may make one longer at either end, or join two. They follow from the events alone, not
 * from their order.
 *
 * `sessions` merchant, UTC day → a table by client: the sessions that start on the day, in order, and the
 * start of the one that began on an earlier day and has an event on this one. An entry is one text, as there
 * are very many, and one that is read for a single event must cost little.
 *
 * As neighbours in a session are less than 30 minutes apart, it has an event on every day that it spans,
 * and every event finds its neighbours on its own day, or on the next one within 30 minutes of midnight.
 */
export const SESSIONS = "sessions"

export type { Session } from "./ClientDay.js"

/** Chunks are small: each event rewrites one. */
const inSessions = tablesIn(SESSIONS, { inline: 16, perChunk: 12 })

/** A shorter pause than this does not end a session, in ms. */
export const SESSION_GAP = 30 * 60_000

const DAY = 86_400_000

/** What sessions need to know of a client's event. */
export interface SessionEvent extends Origin {
  /** The client key. */
  readonly visitor: string
  readonly activity: number
  readonly pageView: boolean
}

type Clients = NamedPart<ClientDay, string>

/** The sessions of a merchant that start on a day, epoch ms, by client. */
const openTable = (docs: Docs, merchantId: string, day: number): GrowingTable<Clients> => {
  const parts = namedParts<ClientDay, string>(inSessions, {
    create: () => new ClientDay(day, ""),
    decode: (text) => new ClientDay(day, text),
    textOf: (client) => JSON.stringify(client.encode()),
    textOfStored: JSON.stringify,
  })
  return new GrowingTable(docs, parts, tableOf(merchantId, day))
}

/** Those of one day, between two commits. */
interface DaySessions {
  readonly table: GrowingTable<Clients>
  /** Those that will be written. */
  readonly edited: Map<string, ClientDay>
}

// Most events are of the same day as the one before.
let lastDay = 0
let lastPart = timePart(lastDay)

const tableOf = (merchantId: string, day: number): string => {
  if (day !== lastDay) {
    lastDay = day
    lastPart = timePart(day)
  }
  return key(merchantId, lastPart)
}

/** Which of two events at one instant comes first must not depend on when they were recorded. */
export const comesBefore = (id: string, other: string): boolean =>
  id.length === other.length ? id < other : id.length < other.length

/**
 * What an event did to sessions. `before` are those that are no more (0, 1 or 2), `after` is the one that holds the
 * event now; but `longer`, if it is given, is all that happened to `after`, which was there before.
 */
export interface Recorded {
  readonly before: ReadonlyArray<Session>
  readonly after: OpenSession
  readonly longer?: SessionChange
}

const none: ReadonlyArray<Session> = []

/** The sessions of one merchant, between two commits. */
export class SessionFold {
  private readonly days = new Map<number, DaySessions>()
  private day = Number.NaN
  private last: DaySessions | undefined

  constructor(
    private readonly docs: Docs,
    private readonly merchantId: string,
  ) {}

  /** Folds an event in. What it costs does not grow with a session's length, unless its start moves. */
  record(event: SessionEvent): Recorded {
    const { activity } = event
    const day = dayOf(activity)
    const client = this.edit(day, event.visitor)
    // Within 30 minutes of midnight it may be near a session of the neighbouring day.
    const isWithin = activity - day >= SESSION_GAP && day + DAY - activity >= SESSION_GAP
    if (!isWithin || client.before !== undefined) return this.recordAnywhere(event)
    const { sessions } = client
    const last = sessions[sessions.length - 1]
    if (last === undefined || activity >= last.end + SESSION_GAP) {
      const after = OpenSession.begin(activity, event.pageView, event)
      client.edit().sessions.push(after)
      return { before: none, after }
    }
    if (activity <= last.start) return this.recordAnywhere(event)
    client.edit()
    const bounced = bounces(last)
    const { end } = last
    last.events++
    if (event.pageView) last.pageViews++
    if (activity > end) last.end = activity
    const longer = { sessions: 0, bounces: bounces(last) - bounced, milliseconds: whole(last.end - end) }
    return { before: none, after: last, longer }
  }

  private recordAnywhere(event: SessionEvent): Recorded {
    const before = this.touched(event)
    const after = extended(event, before)
    const startDay = dayOf(after.start)
    let open: OpenSession | undefined
    const [only, second] = before
    if (only !== undefined && second === undefined && only.id === after.id && only.start === after.start) {
      const longer = longerSession(only, after)
      const { sessions } = this.edit(startDay, event.visitor).edit()
      open = sessions.find(({ start }) => start === after.start) as OpenSession
      open.end = after.end
      open.events = after.events
      open.pageViews = after.pageViews
      this.reach(event, after, [])
      return { before: none, after: open, longer }
    }
    for (const { start } of before) {
      const day = dayOf(start)
      const isPlace = day === startDay && open === undefined
      const placed = isPlace ? OpenSession.of(after) : undefined
      this.replace(event, day, start, placed)
      open ??= placed
    }
    if (open === undefined) {
      open = OpenSession.of(after)
      this.replace(event, startDay, undefined, open)
    }
    this.reach(event, after, before)
    return { before, after: open }
  }

  /** The sessions that the event is less than 30 minutes from: none, one, or the two that it joins, in order. */
  private touched({ visitor, activity }: SessionEvent): ReadonlyArray<Session> {
    const found: Array<Session> = []
    const take = (session: OpenSession): void => {
      if (activity <= session.start - SESSION_GAP || activity >= session.end + SESSION_GAP) return
      // One that reaches over midnight is met on both days.
      if (found.every((one) => one.start !== session.start)) found.push(session)
    }
    const look = (day: number): void => {
      const client = this.read(day, visitor)
      if (client === undefined) return
      for (const session of client.sessions) take(session)
      const { before } = client
      if (before === undefined) return
      const earlier = this.read(dayOf(before), visitor)
      for (const session of earlier?.sessions ?? []) if (session.start === before) take(session)
    }
    const day = dayOf(activity)
    look(day)
    if (activity - day < SESSION_GAP) look(day - DAY)
    if (day + DAY - activity < SESSION_GAP) look(day + DAY)
    return found.sort((a, b) => a.start - b.start)
  }

  /** Removes the session that starts at `from`, and puts in the one that starts on this day, if one is given. */
  private replace(
    { visitor }: SessionEvent,
    day: number,
    from: number | undefined,
    session: OpenSession | undefined,
  ): void {
    const { sessions } = this.edit(day, visitor).edit()
    let at = 0
    while (at < sessions.length && (sessions[at] as OpenSession).start < (from ?? session?.start ?? 0)) at++
    sessions.splice(at, from === undefined ? 0 : 1, ...(session === undefined ? [] : [session]))
  }

  /** Says on later days that the session, or what was another one before, reaches into them. */
  private reach(event: SessionEvent, after: Session, before: ReadonlyArray<Session>): void {
    const startDay = dayOf(after.start)
    const day = dayOf(event.activity)
    if (day > startDay) this.reachInto(event, day, after.start)
    for (const { start, end } of before) {
      if (start === after.start) continue
      for (let later = Math.max(dayOf(start), startDay + DAY); later <= dayOf(end); later += DAY) {
        this.reachInto(event, later, after.start)
      }
    }
  }

  /** Says that the session that starts at `start` reaches into a later day. */
  private reachInto({ visitor }: SessionEvent, day: number, start: number): void {
    if (this.read(day, visitor)?.before === start) return
    this.edit(day, visitor).edit().before = start
  }

  private on(day: number): DaySessions {
    if (this.last !== undefined && day === this.day) return this.last
    let sessions = this.days.get(day)
    if (sessions === undefined) {
      sessions = { table: openTable(this.docs, this.merchantId, day), edited: new Map() }
      this.days.set(day, sessions)
    }
    this.day = day
    this.last = sessions
    return sessions
  }

  /** To be changed: the document that it lies in is written with the next commit. */
  private edit(day: number, visitor: string): ClientDay {
    const { table, edited } = this.on(day)
    let client = edited.get(visitor)
    if (client === undefined) {
      client = table.open(visitor, hashOf(visitor)).at(visitor)
      edited.set(visitor, client)
    }
    return client
  }

  /** For reading only. */
  private read(day: number, visitor: string): ClientDay | undefined {
    const { table, edited } = this.on(day)
    return edited.get(visitor) ?? table.partOf(hashOf(visitor)).read(visitor)
  }
}

const extended = (event: SessionEvent, before: ReadonlyArray<Session>): Session => {
  const { activity, id, position, zone, values } = event
  const first = before[0]
  const isFirst =
    first === undefined || activity < first.start || (activity === first.start && comesBefore(id, first.id))
  let end = activity
  let events = 1
  let pageViews = event.pageView ? 1 : 0
  for (const session of before) {
    end = Math.max(end, session.end)
    events += session.events
    pageViews += session.pageViews
  }
  const own = isFirst ? { start: activity, id, position, zone, values } : first
  return {
    ...{ start: own.start, end, events, pageViews },
    ...{ id: own.id, position: own.position, zone: own.zone, values: own.values },
  }
}

/** The sessions of a merchant that start from `from`, included, to `to`, excluded, in no order; for folds. */
export function* sessionsStarting(
  docs: Docs,
  merchantId: string,
  from: number,
  to: number,
): Generator<Session> {
  for (let day = dayOf(from); day < to; day += DAY) {
    for (const part of openTable(docs, merchantId, day).everyPart()) {
      for (const client of part.readAll()) yield* within(client, from, to)
    }
  }
}

function* within({ sessions }: ClientDay, from: number, to: number): Generator<Session> {
  for (const session of sessions) if (session.start >= from && session.start < to) yield session
}

/** The scan that finds the sessions of a merchant that start in a range. Read its rows with `sessionsOf`. */
export const sessionsScan = (merchantId: string, from: number, to: number): Scan =>
  tableScan(inSessions, tableOf(merchantId, dayOf(from)), tableOf(merchantId, dayOf(to - 1) + DAY))

/** Those that start from `from`, included, to `to`, excluded, in no order; with their client keys. */
export function* sessionsOf(
  rows: ReadonlyArray<Row>,
  from: number,
  to: number,
): Generator<{ readonly session: Session; readonly visitor: string }> {
  for (const row of rows) {
    const day = timeOf(partsOf(row.key)[1] as string)
    for (const [visitor, entry] of rowEntries<string>(row, 2)) {
      for (const session of within(new ClientDay(day, entry), from, to)) yield { session, visitor }
    }
  }
}
