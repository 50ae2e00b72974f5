import { bucketDimensions } from "../domain/Metrics.js"
import type { Position } from "../domain/Position.js"
import type { Docs } from "../processors/Projection.js"
import { key, partsOf } from "../readmodels/Key.js"
import type { Row, Scan } from "../readmodels/ReadModels.js"
import type { Values } from "./Dimensions.js"
import { editTable, entryName, rowEntries, tableEntries, tableEntry, tableScan, tablesIn } from "./Table.js"
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

/** Chunks are small: each event rewrites one. */
const inSessions = tablesIn(SESSIONS, { inline: 16, perChunk: 12 })

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
 * A session as stored: a line of start (ms since the day began), length in ms, events, page views, position,
 * zone, id, and the values up to the last that is not null. Fields are apart by tabs.
 */
type Line = string

const FIELDS = { length: 1, events: 2, pageViews: 3, position: 4, zone: 5, id: 6, values: 7 } as const

interface Entry {
  /** Sessions that start on the day. */
  readonly lines: Array<Line>
  /** Start, epoch ms, of one that began earlier. */
  before: number | undefined
}

/** Begins the line, the first, of a session that began earlier. */
const BEFORE = "<"

const entryOf = (text: string | undefined): Entry => {
  if (text === undefined || text === "") return { lines: [], before: undefined }
  const lines = text.split("\n")
  if (!text.startsWith(BEFORE)) return { lines, before: undefined }
  return { before: Number((lines.shift() as string).slice(1)), lines }
}

const entryText = ({ lines, before }: Entry): string =>
  (before === undefined ? lines : [`${BEFORE}${before}`, ...lines]).join("\n")

const newEntry = (): string => ""

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n" }
const unescapes: Readonly<Record<string, string>> = { "\\": "\\", t: "\t", n: "\n", e: "" }

/** A text as a field: no field is none. */
const field = (text: string | null): string => {
  if (text === null) return ""
  if (text === "") return "\\e"
  return text.search(/[\\\t\n]/) < 0 ? text : text.replaceAll(/[\\\t\n]/g, (one) => escapes[one] as string)
}

const textOf = (field: string | undefined): string | null => {
  if (field === undefined || field === "") return null
  return field.includes("\\") ? field.replaceAll(/\\(.)/g, (_, one) => unescapes[one] as string) : field
}

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

const encode = ({ start, end, events, pageViews, id, position, zone, values }: Session): Line => {
  let line = `${start - dayOf(start)}\t${end - start}\t${events}\t${pageViews}\t${position}\t${zone}\t${field(id)}`
  let count = values.length
  while (count > 0 && values[count - 1] === null) count--
  for (let i = 0; i < count; i++) line += `\t${field(values[i] ?? null)}`
  return line
}

const startOf = (day: number, line: Line): number => day + Number.parseInt(line, 10)

const decode = (day: number, line: Line): Session => {
  const fields = line.split("\t")
  const start = day + Number(fields[0])
  return {
    start,
    end: start + Number(fields[FIELDS.length]),
    events: Number(fields[FIELDS.events]),
    pageViews: Number(fields[FIELDS.pageViews]),
    id: textOf(fields[FIELDS.id]) as string,
    position: fields[FIELDS.position] as Position,
    zone: fields[FIELDS.zone] as string,
    values: bucketDimensions.map((_, index) => textOf(fields[FIELDS.values + index])),
  }
}

/** Which of two events at one instant comes first must not depend on when they were recorded. */
export const comesBefore = (id: string, other: string): boolean =>
  id.length === other.length ? id < other : id.length < other.length

const entryIn = (docs: Docs, merchantId: string, day: number, visitor: string): Entry =>
  entryOf(tableEntry<string>(docs, inSessions, tableOf(merchantId, day), visitor))

const editEntry = (
  docs: Docs,
  { merchantId, visitor }: SessionEvent,
  day: number,
  change: (entry: Entry) => void,
): void => {
  const entries = editTable<string>(docs, inSessions, tableOf(merchantId, day), visitor, newEntry)
  const own = entryName(visitor)
  const entry = entryOf(entries[own])
  change(entry)
  entries[own] = entryText(entry)
}

/** The sessions that the event is less than 30 minutes from: none, one, or the two that it joins, in order. */
const touched = (docs: Docs, { merchantId, visitor, activity }: SessionEvent): ReadonlyArray<Session> => {
  const found: Array<Session> = []
  const entryOn = (day: number): Entry => entryIn(docs, merchantId, day, visitor)
  const take = (day: number, line: Line): void => {
    const start = startOf(day, line)
    if (activity <= start - SESSION_GAP) return
    const session = decode(day, line)
    if (activity >= session.end + SESSION_GAP) return
    // One that reaches over midnight is met on both days.
    if (found.every((one) => one.start !== start)) found.push(session)
  }
  const look = (day: number): void => {
    const { lines, before } = entryOn(day)
    for (const line of lines) take(day, line)
    if (before === undefined) return
    const began = dayOf(before)
    for (const line of entryOn(began).lines) if (startOf(began, line) === before) take(began, line)
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
  event: SessionEvent,
  day: number,
  from: number | undefined,
  session: Session | undefined,
): void => {
  editEntry(docs, event, day, ({ lines }) => {
    let at = 0
    while (at < lines.length && startOf(day, lines[at] as Line) < (from ?? session?.start ?? 0)) at++
    lines.splice(at, from === undefined ? 0 : 1, ...(session === undefined ? [] : [encode(session)]))
  })
}

/** Says that the session that starts at `start` reaches into a later day. */
const reachInto = (docs: Docs, event: SessionEvent, day: number, start: number): void => {
  if (entryIn(docs, event.merchantId, day, event.visitor).before === start) return
  editEntry(docs, event, day, (entry) => {
    entry.before = start
  })
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
    for (const [, entry] of tableEntries<string>(docs, inSessions, tableOf(merchantId, day))) {
      yield* within(entry, day, from, to)
    }
  }
}

function* within(entry: string, day: number, from: number, to: number): Generator<Session> {
  for (const line of entryOf(entry).lines) {
    const start = startOf(day, line)
    if (start >= from && start < to) yield decode(day, line)
  }
}

/** The scan that finds the sessions of a merchant that start in a range. Read its rows with `sessionsOf`. */
export const sessionsScan = (merchantId: string, from: number, to: number): Scan =>
  tableScan(inSessions, tableOf(merchantId, dayOf(from)), tableOf(merchantId, dayOf(to - 1) + DAY))

/** Those that start from `from`, included, to `to`, excluded, in no order; with their client keys. */
export function* sessionsOf(
  rows: ReadonlyArray<Row>,
  from: number,
  to: number,
): Generator<Session & { visitor: string }> {
  for (const row of rows) {
    const day = timeOf(partsOf(row.key)[1] as string)
    for (const [visitor, entry] of rowEntries<string>(row, 2)) {
      for (const session of within(entry, day, from, to)) yield { ...session, visitor }
    }
  }
}
