import { bucketDimensions } from "../domain/Metrics.js"
import type { Position } from "../domain/Position.js"
import type { Values } from "./Dimensions.js"

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

const DAY = 86_400_000

/** The first instant of the UTC day, epoch ms. */
export const dayOf = (at: number): number => Math.floor(at / DAY) * DAY

/** Begins the line, the first, of a session that began earlier. */
const BEFORE = "<"

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

/** What a session has from its earliest event. */
export type Origin = Pick<Session, "id" | "position" | "zone" | "values">

const originOf = (text: string): Origin => {
  const [position, zone, id, ...values] = text.split("\t")
  return {
    id: textOf(id) as string,
    position: position as Position,
    zone: zone as string,
    values: bucketDimensions.map((_, index) => textOf(values[index])),
  }
}

const originText = ({ id, position, zone, values }: Origin): string => {
  const fields: Array<string> = [position, zone, field(id)]
  let count = values.length
  while (count > 0 && values[count - 1] === null) count--
  for (let i = 0; i < count; i++) fields.push(field(values[i] ?? null))
  return fields.join("\t")
}

/**
 * A session in memory. What it has from its earliest event stays text until it is asked for: most events only make
 * a session longer.
 */
export class OpenSession implements Session {
  constructor(
    readonly start: number,
    public end: number,
    public events: number,
    public pageViews: number,
    private text: string | undefined,
    private known: Origin | undefined,
  ) {}

  static of({ start, end, events, pageViews, id, position, zone, values }: Session): OpenSession {
    return new OpenSession(start, end, events, pageViews, undefined, { id, position, zone, values })
  }

  /** Of one event, from which it has what it has from its earliest one. */
  static begin(at: number, pageView: boolean, event: Origin): OpenSession {
    return new OpenSession(at, at, 1, pageView ? 1 : 0, undefined, event)
  }

  /** From its line among those that start on the day. */
  static decode(day: number, line: string): OpenSession {
    const first = line.indexOf("\t")
    const second = line.indexOf("\t", first + 1)
    const third = line.indexOf("\t", second + 1)
    const fourth = line.indexOf("\t", third + 1)
    const start = day + Number(line.slice(0, first))
    return new OpenSession(
      start,
      start + Number(line.slice(first + 1, second)),
      Number(line.slice(second + 1, third)),
      Number(line.slice(third + 1, fourth)),
      line.slice(fourth + 1),
      undefined,
    )
  }

  /**
   * A line: start (ms since the day began), length in ms, events, page views, position, zone, id, and the values up
   * to the last that is not null. Fields are apart by tabs.
   */
  encode(): string {
    this.text ??= originText(this.origin)
    const { start, end, events, pageViews, text } = this
    return `${start - dayOf(start)}\t${end - start}\t${events}\t${pageViews}\t${text}`
  }

  private get origin(): Origin {
    this.known ??= originOf(this.text as string)
    return this.known
  }

  get id(): string {
    return this.origin.id
  }

  get position(): Position {
    return this.origin.position
  }

  get zone(): string {
    return this.origin.zone
  }

  get values(): Values {
    return this.origin.values
  }
}

/** What a client's entry says, in memory. */
interface Opened {
  /** Sessions that start on the day, in order. */
  readonly sessions: Array<OpenSession>
  /** Start, epoch ms, of one that began earlier. */
  before: number | undefined
}

const opened = (day: number, text: string): Opened => {
  if (text === "") return { sessions: [], before: undefined }
  const lines = text.split("\n")
  const before = text.startsWith(BEFORE) ? Number((lines.shift() as string).slice(1)) : undefined
  return { sessions: lines.map((line) => OpenSession.decode(day, line)), before }
}

/**
 * A client's sessions on a day, as a fold has them between two commits: taken apart with the first event that
 * changes them, and put together again when they are written.
 */
export class ClientDay {
  private now: Opened | undefined

  constructor(
    private readonly day: number,
    private text: string | undefined,
  ) {}

  private get open(): Opened {
    this.now ??= opened(this.day, this.text ?? "")
    return this.now
  }

  get sessions(): ReadonlyArray<OpenSession> {
    return this.open.sessions
  }

  get before(): number | undefined {
    return this.open.before
  }

  /** To be changed. */
  edit(): Opened {
    const { open } = this
    this.text = undefined
    return open
  }

  /** As stored. What is stored need not be kept apart: few clients come again before the next commit. */
  encode(): string {
    if (this.text === undefined) {
      const { sessions, before } = this.open
      let text = before === undefined ? "" : `${BEFORE}${before}`
      for (const session of sessions) text += text === "" ? session.encode() : `\n${session.encode()}`
      this.text = text
    }
    this.now = undefined
    return this.text
  }
}
