import { bucketDimensions } from "../domain/Metrics.js"
import { cut } from "../domain/TimeBuckets.js"
import type { Docs } from "../processors/Projection.js"
import { addCounts, addEvents, type Counts, changeSessions, noCounts, type SessionChange } from "./Counts.js"
import { DayHours } from "./DayHours.js"
import { DayValues } from "./DayValues.js"
import type { Values } from "./Dimensions.js"
import type { Columns, FactRows } from "./Facts.js"
import { FineBuckets } from "./FineBuckets.js"
import { collections, type DayDoc, slotOf, timeKey, type VisitorsDoc } from "./Layout.js"
import { type HourRows, NO_MEMBER, PAGE_VIEW, TailRows } from "./TailRows.js"
import { VisitorSet } from "./VisitorSet.js"

export interface Large {
  readonly merchantId: string
  readonly zone: string
  /** Its first instant, epoch ms. */
  readonly day: number
  /** Numbers of many merchants together have no dimensions, and no clients of less than an hour. */
  readonly isTogether: boolean
  /** Values of a dimension that are counted apart; those that come later are `(other)`. */
  readonly maxValues: number
}

/**
 * The buckets of one day of a merchant, being counted. Keeps references into documents that it edits, so
 * that one settled twice between commits looks no document up again: it lives until the next commit.
 */
export class LargeDay {
  private readonly counts: Counts
  private readonly hours: DayHours
  private readonly fine: FineBuckets
  private readonly values: DayValues | undefined
  private all: VisitorSet | undefined
  private readonly hourVisitors = new Map<number, VisitorSet>()
  private readonly slots = new Map<number, string>()
  private rows: TailRows | undefined

  constructor(
    private readonly docs: Docs,
    private readonly is: Large,
    doc: Pick<DayDoc, "d" | "h" | "c">,
  ) {
    doc.d ??= noCounts()
    const hours = DayHours.of(doc.h)
    doc.h = hours
    doc.c ??= {}
    this.counts = doc.d
    this.hours = hours
    this.fine = new FineBuckets(docs, is)
    this.values = is.isTogether ? undefined : new DayValues(docs, is, doc.c)
  }

  /** Values counted apart of the dimension that has most of them; below 0 where none has any. */
  get mostValues(): number {
    return this.values?.mostValues ?? Number.NEGATIVE_INFINITY
  }

  /** Facts that are taken in and not counted yet. */
  get uncounted(): number {
    return this.rows?.size ?? 0
  }

  /** Takes in facts of the day that were recorded up to `now`, epoch ms, to be counted with `countFacts`. */
  takeFacts(facts: Columns | FactRows, now: number): void {
    const { isTogether, zone } = this.is
    this.rows ??= new TailRows(zone, !isTogether)
    const { fine } = this
    // At once: which of them expire when depends on their order.
    this.rows.append(facts, (row) => fine.countRow(row, now))
  }

  /** Counts what was taken in: the more at once, the less each costs, as many have the same hours and values. */
  countFacts(): void {
    const { rows } = this
    if (rows === undefined) return
    this.rows = undefined
    for (const [start, hour] of rows.hours) {
      const slot = this.slot(start)
      const counts = countsOf(rows, hour)
      addCounts(this.counts, counts)
      addCounts(this.hours.at(slot), counts)
      const members = membersOf(rows, hour)
      this.see(start, members)
      this.values?.countRows(rows, hour, { slot, counts, members })
    }
  }

  /** Counts a change of a session that starts on the day, at `start`. */
  changeSession(start: number, values: Values, change: SessionChange, now: number): void {
    const at = cut(this.is.zone, start)
    const slot = this.slot(at.hour)
    changeSessions(this.counts, change)
    changeSessions(this.hours.at(slot), change)
    this.fine.changeSession(at, change, now)
    if (this.values === undefined) return
    for (let i = 0; i < bucketDimensions.length; i++)
      this.values.changeSession(i, values[i] ?? null, slot, change)
  }

  private slot(hour: number): string {
    let slot = this.slots.get(hour)
    if (slot === undefined) {
      slot = slotOf(this.is.day, hour)
      this.slots.set(hour, slot)
    }
    return slot
  }

  private see(hour: number, members: ReadonlyArray<number>): void {
    if (members.length === 0) return
    this.all ??= this.visitorsAt(collections.visitors, this.is.day)
    let visitors = this.hourVisitors.get(hour)
    if (visitors === undefined) {
      visitors = this.visitorsAt(collections.hourVisitors, hour)
      this.hourVisitors.set(hour, visitors)
    }
    for (const member of members) {
      visitors.addMember(member)
      this.all.addMember(member)
    }
  }

  private visitorsAt(collection: string, start: number): VisitorSet {
    const key = timeKey(this.is.merchantId, this.is.zone, start)
    const doc = this.docs.edit<VisitorsDoc>(collection, key, () => ({ v: VisitorSet.of(undefined) }))
    const visitors = VisitorSet.decode(doc.v)
    doc.v = visitors
    return visitors
  }
}

/** What the rows of an hour count. */
const countsOf = ({ kinds }: TailRows, { rows, money }: HourRows): Counts => {
  let pageViews = 0
  for (const row of rows) if (kinds[row] === PAGE_VIEW) pageViews++
  const counts = noCounts()
  addEvents(counts, rows.length - money.length, pageViews)
  for (const [, one] of money) addCounts(counts, one)
  return counts
}

/** The visitors of the rows, each once. */
const membersOf = (tail: TailRows, { rows }: HourRows): ReadonlyArray<number> => {
  const isIn = new Uint8Array(tail.members.length)
  const members: Array<number> = []
  for (const row of rows) {
    const place = tail.memberOf[row] as number
    if (place === NO_MEMBER || isIn[place] === 1) continue
    isIn[place] = 1
    members.push(tail.members[place] as number)
  }
  return members
}
