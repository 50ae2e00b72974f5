import { SESSION_GAP } from "../../projections/metrics.js"

/** A session as found among events. All instants are activity times, epoch ms. */
export interface FoundSession {
  readonly start: number
  readonly end: number
  readonly events: number
  readonly pageViews: number
  /** The rows of the events at its first instant: one of them is its earliest. */
  readonly first: ReadonlyArray<number>
}

/** One event of a client, as sessions need it. */
export interface SessionRow {
  /** The client key. */
  readonly visitor: string
  readonly activity: number
  readonly isPageView: boolean
  /** In the merchant's stream. */
  readonly revision: number
  /** What is asked of a session's earliest event, as a number that its reader chose. */
  readonly what: number
}

/** Events of many clients in columns, to be cut into sessions: a million of them take 30 MB. */
export class SessionRows {
  private readonly codes = new Map<string, number>()
  private readonly visitors: Array<number> = []
  private readonly activities: Array<number> = []
  private readonly pageViews: Array<boolean> = []
  private readonly revisions: Array<number> = []
  private readonly whats: Array<number> = []

  add({ visitor, activity, isPageView, revision, what }: SessionRow): void {
    let code = this.codes.get(visitor)
    if (code === undefined) {
      code = this.codes.size
      this.codes.set(visitor, code)
    }
    this.visitors.push(code)
    this.activities.push(activity)
    this.pageViews.push(isPageView)
    this.revisions.push(revision)
    this.whats.push(what)
  }

  revision(row: number): number {
    return this.revisions[row] as number
  }

  what(row: number): number {
    return this.whats[row] as number
  }

  /** For each client, or each of these, by its number: its sessions in order of time. */
  *sessions(only?: ReadonlySet<number>): Generator<[visitor: number, sessions: ReadonlyArray<FoundSession>]> {
    const { starts, rows } = this.byVisitor(only)
    for (const visitor of only ?? this.codes.values()) {
      const own = rows.subarray(starts[visitor] as number, starts[visitor + 1] as number)
      if (own.length > 0) yield [visitor, this.cut(own)]
    }
  }

  /** Rows by client, and where those of each begin: counted first, then put in their places. */
  private byVisitor(only: ReadonlySet<number> | undefined) {
    const starts = new Int32Array(this.codes.size + 1)
    const isWanted = (visitor: number): boolean => only === undefined || only.has(visitor)
    for (const visitor of this.visitors) {
      if (isWanted(visitor)) starts[visitor + 1] = (starts[visitor + 1] as number) + 1
    }
    for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number)
    const rows = new Int32Array(starts.at(-1) ?? 0)
    const next = starts.slice()
    this.visitors.forEach((visitor, row) => {
      if (!isWanted(visitor)) return
      const at = next[visitor] as number
      rows[at] = row
      next[visitor] = at + 1
    })
    return { starts, rows }
  }

  private cut(rows: Int32Array): ReadonlyArray<FoundSession> {
    const { activities } = this
    const at = (row: number): number => activities[row] as number
    // Most events are recorded in the order in which they happened.
    const isSorted = rows.every((row, i) => i === 0 || at(rows[i - 1] as number) <= at(row))
    if (!isSorted) rows.sort((a, b) => at(a) - at(b))
    const found: Array<FoundSession> = []
    let open:
      | { start: number; end: number; events: number; pageViews: number; first: Array<number> }
      | undefined
    for (const row of rows) {
      const activity = at(row)
      if (open === undefined || activity - open.end >= SESSION_GAP) {
        open = { start: activity, end: activity, events: 0, pageViews: 0, first: [] }
        found.push(open)
      }
      open.end = activity
      open.events++
      if (this.pageViews[row] === true) open.pageViews++
      if (activity === open.start) open.first.push(row)
    }
    return found
  }
}
