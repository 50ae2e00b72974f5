import { bucketDimensions } from "../domain/Metrics.js"
import type { Position } from "../domain/Position.js"
import type { Docs } from "../processors/Projection.js"
import { key, partsOf } from "../readmodels/Key.js"
import type { Row, Scan } from "../readmodels/ReadModels.js"
import type { Values } from "./Dimensions.js"
import { editTable, entryName, rowEntries, tableEntries, tableEntry, tableScan } from "./Table.js"
import { timeOf, timePart } from "./TimePart.js"

/**
 * Sessions: runs of one client's events with no gap of 30 minutes or more between two, by activity time.
 * A late event may make one longer at either end, or join two. They follow from the events alone, not
 * from their order.
 *
 * `sessions` merchant, UTC day → a table by client: `s`, the sessions that start on the day, in order;
 * `b`, the start of the one that began on an earlier day and has an event on this one.
 *
 * As neighbours in a session are less than 30 minutes apart, it has an event on every day that it spans,
 * and every event finds its neighbours on its own day, or on the next one within 30 minutes of midnight.
 */
export const SESSIONS = "sessions"

/** A shorter pause than this does not end a session, in ms. */
export const SESSION_GAP = 30 * 60_000

const DAY = 86_400_000

/** All instants are activity times, epoch ms. */
export interface Session {
  readonly start: number
  readonly end: number
  readonly events: number
  readonly pageViews: number
  /** Id and position of its earliest event. */
  readonly id: string
  readonly position: Position
  /** The zone in which the earliest event's bucket was cut. */
  readonly zone: string
  /** The dimensions of the earliest event. */
  readonly values: Values
}

/** What sessions need to know of a client's event. */
export interface SessionEvent {
  readonly merchantId: string
  /** The client key. */
  readonly visitor: string
  readonly activity: number
  readonly id: string
  readonly pageView: boolean
  readonly position: Position
  readonly zone: string
  readonly values: Values
}

/**
 * A session as stored, short as there are very many: start in ms since the day began, length in ms,
 * events, page views, id, position, zone, and the values up to the last that is not null; 0 for null.
 */
type Stored = Array<number | string>

const VALUES = 7

interface Entry {
  s: Array<Stored>
  b?: number
}

const newEntry = (): Entry => ({ s: [] })

const dayOf = (at: number): number => Math.floor(at / DAY) * DAY

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

const encode = ({ start, end, events, pageViews, id, position, zone, values }: Session): Stored => {
  const stored: Stored = [start - dayOf(start), end - start, events, pageViews, id, position, zone]
  let count = values.length
  while (count > 0 && values[count - 1] === null) count--
  for (let i = 0; i < count; i++) stored.push(values[i] ?? 0)
  return stored
}

const startOf = (day: number, stored: Stored): number => day + (stored[0] as number)

const decode = (day: number, stored: Stored): Session => {
  const start = startOf(day, stored)
  const values: Array<string | null> = []
  for (let at = VALUES; at < VALUES + bucketDimensions.length; at++) {
    const value = stored[at]
    values.push(typeof value === "string" ? value : null)
  }
  return {
    start,
    end: start + (stored[1] as number),
    events: stored[2] as number,
    pageViews: stored[3] as number,
    id: stored[4] as string,
    position: stored[5] as Position,
    zone: stored[6] as string,
    values,
  }
}

/** Which of two events at one instant comes first must not depend on when they were recorded. */
const comesBefore = (id: string, other: string): boolean =>
  id.length === other.length ? id < other : id.length < other.length

/** The sessions that the event is less than 30 minutes from: none, one, or the two that it joins, in order. */
const touched = (docs: Docs, { merchantId, visitor, activity }: SessionEvent): ReadonlyArray<Session> => {
  const found: Array<Session> = []
  const entryOn = (day: number): Entry | undefined =>
    tableEntry<Entry>(docs, SESSIONS, tableOf(merchantId, day), visitor)
  const take = (day: number, stored: Stored): void => {
    const start = startOf(day, stored)
    const end = start + (stored[1] as number)
    if (activity <= start - SESSION_GAP || activity >= end + SESSION_GAP) return
    // One that reaches over midnight is met on both days.
    if (found.every((session) => session.start !== start)) found.push(decode(day, stored))
  }
  const look = (day: number): void => {
    const entry = entryOn(day)
    if (entry === undefined) return
    for (const stored of entry.s) take(day, stored)
    if (entry.b === undefined) return
    const began = dayOf(entry.b)
    for (const stored of entryOn(began)?.s ?? []) {
      if (startOf(began, stored) === entry.b) take(began, stored)
    }
  }
  const day = dayOf(activity)
  look(day)
  if (activity - day < SESSION_GAP) look(day - DAY)
  if (day + DAY - activity < SESSION_GAP) look(day + DAY)
  return found.sort((a, b) => a.start - b.start)
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
  return isFirst
    ? { start: activity, end, events, pageViews, id, position, zone, values }
    : { ...first, end, events, pageViews }
}

/** Removes the session that starts at `from`, and puts in the one that starts on this day, if one is given. */
const replace = (
  docs: Docs,
  { merchantId, visitor }: SessionEvent,
  day: number,
  from: number | undefined,
  session: Session | undefined,
): void => {
  const entries = editTable<Entry>(docs, SESSIONS, tableOf(merchantId, day), visitor, newEntry)
  const { s } = entries[entryName(visitor)] as Entry
  let at = 0
  while (at < s.length && startOf(day, s[at] as Stored) < (from ?? session?.start ?? 0)) at++
  s.splice(at, from === undefined ? 0 : 1, ...(session === undefined ? [] : [encode(session)]))
}

/** Says that the session that starts at `start` reaches into a later day. */
const reachInto = (docs: Docs, { merchantId, visitor }: SessionEvent, day: number, start: number): void => {
  const table = tableOf(merchantId, day)
  if (tableEntry<Entry>(docs, SESSIONS, table, visitor)?.b === start) return
  const entry = editTable<Entry>(docs, SESSIONS, table, visitor, newEntry)[entryName(visitor)] as Entry
  entry.b = start
}

/**
 * Folds an event in. `before` are the sessions that are no more (0, 1 or 2), `after` is the one that holds
 * the event now. What it costs does not grow with a session's length, unless its start moves.
 */
export const recordSession = (
  docs: Docs,
  event: SessionEvent,
): { readonly before: ReadonlyArray<Session>; readonly after: Session } => {
  const before = touched(docs, event)
  const after = extended(event, before)
  const startDay = dayOf(after.start)
  let isPlaced = false
  for (const { start } of before) {
    const day = dayOf(start)
    const isPlace: boolean = day === startDay && !isPlaced
    replace(docs, event, day, start, isPlace ? after : undefined)
    isPlaced ||= isPlace
  }
  if (!isPlaced) replace(docs, event, startDay, undefined, after)
  const day = dayOf(event.activity)
  if (day > startDay) reachInto(docs, event, day, after.start)
  for (const { start, end } of before) {
    if (start === after.start) continue
    for (let later = Math.max(dayOf(start), startDay + DAY); later <= dayOf(end); later += DAY) {
      reachInto(docs, event, later, after.start)
    }
  }
  return { before, after }
}

/** The sessions of a merchant that start from `from`, included, to `to`, excluded, in no order; for folds. */
export function* sessionsStarting(
  docs: Docs,
  merchantId: string,
  from: number,
  to: number,
): Generator<Session> {
  for (let day = dayOf(from); day < to; day += DAY) {
    for (const [, entry] of tableEntries<Entry>(docs, SESSIONS, tableOf(merchantId, day))) {
      yield* within(entry, day, from, to)
    }
  }
}

function* within(entry: Entry, day: number, from: number, to: number): Generator<Session> {
  for (const stored of entry.s) {
    const start = startOf(day, stored)
    if (start >= from && start < to) yield decode(day, stored)
  }
}

/** The scan that finds the sessions of a merchant that start in a range. Read its rows with `sessionsOf`. */
export const sessionsScan = (merchantId: string, from: number, to: number): Scan =>
  tableScan(SESSIONS, tableOf(merchantId, dayOf(from)), tableOf(merchantId, dayOf(to - 1) + DAY))

/** Those that start from `from`, included, to `to`, excluded, in no order; with their client keys. */
export function* sessionsOf(
  rows: ReadonlyArray<Row>,
  from: number,
  to: number,
): Generator<Session & { visitor: string }> {
  for (const row of rows) {
    const day = timeOf(partsOf(row.key)[1] as string)
    for (const [visitor, entry] of rowEntries<Entry>(row, 2)) {
      for (const session of within(entry, day, from, to)) yield { ...session, visitor }
    }
  }
}
