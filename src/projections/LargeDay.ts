import { type BucketDimension, bucketDimensions, NONE, OTHER } from "../domain/Metrics.js"
import { type Cut, cut } from "../domain/TimeBuckets.js"
import type { Docs } from "../processors/Projection.js"
import { clean } from "../readmodels/Key.js"
import { addCounts, type Counts, changeSessions, countRow, noCounts, type SessionChange } from "./Counts.js"
import { DayHours } from "./DayHours.js"
import { dimensionCode, dimensionTable, type Values } from "./Dimensions.js"
import { rememberExpiring } from "./Expiry.js"
import type { Columns } from "./Facts.js"
import {
  collections,
  type DayDoc,
  MINUTE_KEPT,
  type Slot,
  type Slots,
  type StoredVisitors,
  slotOf,
  TEN_MINUTES_KEPT,
  tables,
  timeKey,
  type VisitorsDoc,
  valuesKey,
} from "./Layout.js"
import { editTable, entryName, tableEntry } from "./Table.js"
import { memberOf, VisitorSet } from "./VisitorSet.js"

const newSlot = (): Slot => [noCounts()]
const newSlots = <A>(): Slots<A> => ({})

/** One value of a dimension on the day. */
interface Value {
  readonly name: string
  readonly counts: Counts
  readonly hours: Slots<Counts>
  visitors: VisitorSet | undefined
  hourVisitors: Slots<StoredVisitors> | undefined
}

const slotIn = <A>(slots: Slots<A>, name: string, create: () => A): A => {
  const known = slots[name]
  if (known !== undefined) return known
  const slot = create()
  slots[name] = slot
  return slot
}

const addMembers = (visitors: VisitorSet, members: Iterable<string>): void => {
  for (const member of members) visitors.addMember(member)
}

const grouped = <K>(rows: Iterable<number>, of: (row: number) => K): ReadonlyMap<K, Array<number>> => {
  const groups = new Map<K, Array<number>>()
  for (const row of rows) {
    const name = of(row)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [row])
    else group.push(row)
  }
  return groups
}

/** Facts in columns, with what is made of them more than once. */
class Facts {
  private readonly memberByCode: Array<string | undefined> = []

  constructor(readonly columns: Columns) {}

  counts(rows: ReadonlyArray<number>): Counts {
    const counts = noCounts()
    for (const row of rows) countRow(counts, this.columns, row)
    return counts
  }

  member(row: number): string | undefined {
    const code = this.columns.visitorCode(row)
    if (code === 0) return undefined
    this.memberByCode[code] ??= memberOf(this.columns.visitor(row) as string)
    return this.memberByCode[code]
  }

  members(rows: ReadonlyArray<number>): ReadonlySet<string> {
    const members = new Set<string>()
    for (const row of rows) {
      const member = this.member(row)
      if (member !== undefined) members.add(member)
    }
    return members
  }
}

/** What facts of one hour come to. */
interface Portion {
  /** As `slotOf` the day names the hour. */
  readonly hour: string
  readonly counts: Counts
  readonly members: ReadonlySet<string>
}

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
  private readonly counted: { [code: string]: number }
  private readonly hours: Slots<Counts>
  private all: VisitorSet | undefined
  private readonly hourVisitors = new Map<number, VisitorSet>()
  private readonly fine = new Map<string, Slots<Slot>>()
  private readonly values: ReadonlyArray<Map<string | null, Value>>

  constructor(
    private readonly docs: Docs,
    private readonly is: Large,
    doc: DayDoc,
  ) {
    doc.d ??= noCounts()
    const hours = DayHours.of(doc.h)
    doc.h = hours
    doc.c ??= {}
    this.counted = doc.c
    this.counts = doc.d
    this.hours = hours.slots
    this.values = is.isTogether ? [] : bucketDimensions.map(() => new Map())
  }

  /** Counts facts of the day that were recorded up to `now`, epoch ms. */
  countFacts(columns: Columns, now: number): void {
    const facts = new Facts(columns)
    const cuts = Array.from({ length: columns.size }, (_, row) => cut(this.is.zone, columns.at(row)))
    const hours = grouped(cuts.keys(), (row) => (cuts[row] as Cut).hour)
    for (const [start, rows] of hours) {
      const portion: Portion = {
        hour: slotOf(this.is.day, start),
        counts: facts.counts(rows),
        members: facts.members(rows),
      }
      addCounts(this.counts, portion.counts)
      addCounts(slotIn(this.hours, portion.hour, noCounts), portion.counts)
      this.see(start, portion.members)
      for (let i = 0; i < this.values.length; i++) this.countDimension(i, facts, rows, portion)
    }
    for (let row = 0; row < columns.size; row++) this.countFine(facts, row, cuts[row] as Cut, now)
  }

  /** Counts a change of a session that starts on the day, at `start`. */
  changeSession(start: number, values: Values, change: SessionChange, now: number): void {
    const at = cut(this.is.zone, start)
    const hour = slotOf(this.is.day, at.hour)
    changeSessions(this.counts, change)
    changeSessions(slotIn(this.hours, hour, noCounts), change)
    for (const slot of this.fineSlots(at, now)) changeSessions(slot[0], change)
    for (let i = 0; i < this.values.length; i++) {
      const value = this.value(i, values[i] ?? null)
      changeSessions(value.counts, change)
      changeSessions(slotIn(value.hours, hour, noCounts), change)
    }
  }

  private see(hour: number, members: ReadonlySet<string>): void {
    if (members.size === 0) return
    this.all ??= this.visitorsAt(collections.visitors, this.is.day)
    addMembers(this.all, members)
    let visitors = this.hourVisitors.get(hour)
    if (visitors === undefined) {
      visitors = this.visitorsAt(collections.hourVisitors, hour)
      this.hourVisitors.set(hour, visitors)
    }
    addMembers(visitors, members)
  }

  private countDimension(index: number, facts: Facts, rows: ReadonlyArray<number>, whole: Portion): void {
    const { columns } = facts
    if (columns.isUniform(index)) {
      this.countValue(index, columns.value(0, index), whole)
      return
    }
    for (const group of grouped(rows, (row) => columns.code(row, index)).values()) {
      const portion: Portion = {
        hour: whole.hour,
        counts: facts.counts(group),
        members: facts.members(group),
      }
      this.countValue(index, columns.value(group[0] as number, index), portion)
    }
  }

  private countValue(index: number, raw: string | null, { hour, counts, members }: Portion): void {
    const value = this.value(index, raw)
    addCounts(value.counts, counts)
    addCounts(slotIn(value.hours, hour, noCounts), counts)
    if (members.size === 0) return
    value.visitors ??= this.visitorsOf(index, value.name)
    addMembers(value.visitors, members)
    value.hourVisitors ??= this.hourVisitorsOf(index, value.name)
    const visitors = VisitorSet.of(value.hourVisitors[hour])
    value.hourVisitors[hour] = visitors
    addMembers(visitors, members)
  }

  private countFine(facts: Facts, row: number, at: Cut, now: number): void {
    const member = this.is.isTogether ? undefined : facts.member(row)
    for (const slot of this.fineSlots(at, now)) {
      countRow(slot[0], facts.columns, row)
      if (member === undefined) continue
      const visitors = VisitorSet.of(slot[1])
      slot[1] = visitors
      visitors.addMember(member)
    }
  }

  private visitorsAt(collection: string, start: number): VisitorSet {
    const key = timeKey(this.is.merchantId, this.is.zone, start)
    const doc = this.docs.edit<VisitorsDoc>(collection, key, () => ({ v: VisitorSet.of(undefined) }))
    const visitors = VisitorSet.decode(doc.v)
    doc.v = visitors
    return visitors
  }

  /** The slots of buckets that expire, those left out that have. */
  private fineSlots(at: Cut, now: number): ReadonlyArray<Slot> {
    const slots: Array<Slot> = []
    const { day } = this.is
    if (at.tenMinutes >= now - TEN_MINUTES_KEPT) {
      slots.push(slotIn(this.fineDoc("tens", day, now), slotOf(day, at.tenMinutes), newSlot))
    }
    if (at.minute >= now - MINUTE_KEPT) {
      slots.push(slotIn(this.fineDoc("minutes", at.hour, now), slotOf(at.hour, at.minute), newSlot))
    }
    return slots
  }

  private fineDoc(collection: "tens" | "minutes", start: number, now: number): Slots<Slot> {
    const id = `${collection}${start}`
    const known = this.fine.get(id)
    if (known !== undefined) return known
    const { merchantId, zone } = this.is
    const key = timeKey(merchantId, zone, start)
    let added = false
    const slots = this.docs.edit<Slots<Slot>>(collection, key, () => {
      added = true
      return {}
    })
    if (added) rememberExpiring(this.docs, merchantId, collection, key, now)
    this.fine.set(id, slots)
    return slots
  }

  private value(index: number, raw: string | null): Value {
    const seen = this.values[index] as Map<string | null, Value>
    const known = seen.get(raw)
    if (known !== undefined) return known
    const value = this.open(index, raw === null ? NONE : clean(raw))
    seen.set(raw, value)
    return value
  }

  private open(index: number, wanted: string): Value {
    const key = this.valuesKey(index)
    const name = this.nameFor(index, key, wanted)
    const { docs } = this
    const own = entryName(name)
    return {
      name,
      counts: editTable(docs, tables.values, key, name, noCounts)[own] as Counts,
      hours: editTable<Slots<Counts>>(docs, tables.valueHours, key, name, newSlots)[own] as Slots<Counts>,
      visitors: undefined,
      hourVisitors: undefined,
    }
  }

  /** The name of the value's entry, or of `(other)` when no more are counted apart. */
  private nameFor(index: number, key: string, wanted: string): string {
    const code = dimensionCode[bucketDimensions[index] as BucketDimension]
    const name = code + wanted
    if (wanted === NONE || wanted === OTHER) return name
    if (tableEntry(this.docs, tables.values, key, name) !== undefined) return name
    const counted = this.counted[code] ?? 0
    if (counted >= this.is.maxValues) return code + OTHER
    this.counted[code] = counted + 1
    return name
  }

  private visitorsOf(index: number, name: string): VisitorSet {
    const key = this.valuesKey(index)
    const entries = editTable<StoredVisitors>(this.docs, tables.valueVisitors, key, name, () =>
      VisitorSet.of(undefined),
    )
    const own = entryName(name)
    const visitors = VisitorSet.decode(entries[own] as StoredVisitors)
    entries[own] = visitors
    return visitors
  }

  private hourVisitorsOf(index: number, name: string): Slots<StoredVisitors> {
    const key = this.valuesKey(index)
    const entries = editTable<Slots<StoredVisitors>>(this.docs, tables.valueHourVisitors, key, name, newSlots)
    return entries[entryName(name)] as Slots<StoredVisitors>
  }

  private valuesKey(index: number): string {
    const { merchantId, zone, day } = this.is
    return valuesKey(merchantId, zone, dimensionTable(bucketDimensions[index] as BucketDimension), day)
  }
}
