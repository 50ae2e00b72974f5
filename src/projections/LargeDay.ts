import { bucketDimensions } from "../domain/Metrics.js"
import { type Cut, cut } from "../domain/TimeBuckets.js"
import type { Docs } from "../processors/Projection.js"
import { addCounts, type Counts, changeSessions, countRow, noCounts, type SessionChange } from "./Counts.js"
import { DayHours } from "./DayHours.js"
import { DayValues } from "./DayValues.js"
import type { Values } from "./Dimensions.js"
import type { Columns } from "./Facts.js"
import { FineBuckets } from "./FineBuckets.js"
import { collections, type DayDoc, slotOf, timeKey, type VisitorsDoc } from "./Layout.js"
import { NO_MEMBER, TailRows } from "./TailRows.js"
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

  constructor(
    private readonly docs: Docs,
    private readonly is: Large,
    doc: DayDoc,
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

  /** Counts facts of the day that were recorded up to `now`, epoch ms. */
  countFacts(columns: Columns, now: number): void {
    const tail = new TailRows(columns, this.is.zone)
    for (const [start, rows] of tail.byHour()) {
      const slot = this.slot(start)
      const counts = noCounts()
      for (const row of rows) countRow(counts, columns, row)
      addCounts(this.counts, counts)
      addCounts(this.hours.at(slot), counts)
      const members = membersOf(tail, rows)
      this.see(start, members)
      const money = tail.money.filter(([row]) => tail.cuts[row]?.hour === start)
      this.values?.countRows(tail, rows, { slot, counts, members, money })
    }
    for (let row = 0; row < tail.size; row++) {
      const member = tail.memberOf[row] as number
      const isSeen = member !== NO_MEMBER && !this.is.isTogether
      this.fine.countRow(columns, row, tail.cuts[row] as Cut, isSeen ? tail.members[member] : undefined, now)
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

/** The visitors of the rows, each once. */
const membersOf = (tail: TailRows, rows: ReadonlyArray<number>): ReadonlyArray<number> => {
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
