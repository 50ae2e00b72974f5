import { type BucketDimension, bucketDimensions, NONE, OTHER } from "../domain/Metrics.js"
import { type Cut, cut } from "../domain/TimeBuckets.js"
import type { Docs } from "../processors/Projection.js"
import { clean } from "../readmodels/Key.js"
import { type Counts, changeSessions, countFact, noCounts, type SessionChange } from "./Counts.js"
import { dimensionCode, dimensionTable, type Values } from "./Dimensions.js"
import { rememberExpiring } from "./Expiry.js"
import type { Fact } from "./Facts.js"
import {
  collections,
  type DayDoc,
  MINUTE_KEPT,
  type Slot,
  type Slots,
  type StoredVisitors,
  slotOf,
  TEN_MINUTES_KEPT,
  timeKey,
  type VisitorsDoc,
  valuesKey,
} from "./Layout.js"
import type { Session } from "./Sessions.js"
import { editTable, entryName, tableEntry } from "./Table.js"
import { VisitorSet } from "./VisitorSet.js"

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

const addVisitor = (slot: Slot, visitor: string): void => {
  const visitors = VisitorSet.of(slot[1])
  slot[1] = visitors
  visitors.add(visitor)
}

const addTo = (slots: Slots<StoredVisitors>, name: string, visitor: string): void => {
  const visitors = VisitorSet.of(slots[name])
  slots[name] = visitors
  visitors.add(visitor)
}

const countsIn = (slots: Slots<Counts>, name: string): Counts => {
  const known = slots[name]
  if (known !== undefined) return known
  const counts = noCounts()
  slots[name] = counts
  return counts
}

const slotIn = (slots: Slots<Slot>, name: string): Slot => {
  const known = slots[name]
  if (known !== undefined) return known
  const slot = newSlot()
  slots[name] = slot
  return slot
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
 * that most events are counted without looking a document up: it lives until the next commit.
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
    doc.h ??= {}
    doc.c ??= {}
    this.counted = doc.c
    this.counts = doc.d
    this.hours = doc.h
    this.values = is.isTogether ? [] : bucketDimensions.map(() => new Map())
  }

  /** Adds a client, or a merchant in its place, to those of the day and the hour alone. */
  seen(visitor: string, { hour }: Cut): void {
    this.all ??= this.visitorsAt(collections.visitors, this.is.day)
    this.all.add(visitor)
    let visitors = this.hourVisitors.get(hour)
    if (visitors === undefined) {
      visitors = this.visitorsAt(collections.hourVisitors, hour)
      this.hourVisitors.set(hour, visitors)
    }
    visitors.add(visitor)
  }

  /** `now`: when the event was recorded, epoch ms. `at`: the buckets of the fact's time. */
  count(fact: Fact, visitor: string | null, at: Cut, now: number): void {
    const hour = slotOf(this.is.day, at.hour)
    countFact(this.counts, fact)
    countFact(countsIn(this.hours, hour), fact)
    if (visitor !== null) this.seen(visitor, at)
    for (const slot of this.fineSlots(at, now)) {
      countFact(slot[0], fact)
      if (visitor !== null && !this.is.isTogether) addVisitor(slot, visitor)
    }
    for (let i = 0; i < this.values.length; i++) {
      const value = this.value(i, fact.values)
      countFact(value.counts, fact)
      countFact(countsIn(value.hours, hour), fact)
      if (visitor === null) continue
      value.visitors ??= this.visitorsOf(i, value.name)
      value.visitors.add(visitor)
      value.hourVisitors ??= this.hourVisitorsOf(i, value.name)
      addTo(value.hourVisitors, hour, visitor)
    }
  }

  /** Counts a change of a session that starts on the day. */
  changeSession({ start, values }: Session, change: SessionChange, now: number): void {
    const at = cut(this.is.zone, start)
    const hour = slotOf(this.is.day, at.hour)
    changeSessions(this.counts, change)
    changeSessions(countsIn(this.hours, hour), change)
    for (const slot of this.fineSlots(at, now)) changeSessions(slot[0], change)
    for (let i = 0; i < this.values.length; i++) {
      const value = this.value(i, values)
      changeSessions(value.counts, change)
      changeSessions(countsIn(value.hours, hour), change)
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
    if (at.tenMinutes >= now - TEN_MINUTES_KEPT) {
      slots.push(slotIn(this.fineDoc("tens", this.is.day, now), slotOf(this.is.day, at.tenMinutes)))
    }
    if (at.minute >= now - MINUTE_KEPT) {
      slots.push(slotIn(this.fineDoc("minutes", at.hour, now), slotOf(at.hour, at.minute)))
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

  private value(index: number, values: Values): Value {
    const raw = values[index] ?? null
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
      counts: editTable(docs, collections.values, key, name, noCounts)[own] as Counts,
      hours: editTable<Slots<Counts>>(docs, collections.valueHours, key, name, newSlots)[
        own
      ] as Slots<Counts>,
      visitors: undefined,
      hourVisitors: undefined,
    }
  }

  /** The name of the value's entry, or of `(other)` when no more are counted apart. */
  private nameFor(index: number, key: string, wanted: string): string {
    const code = dimensionCode[bucketDimensions[index] as BucketDimension]
    const name = code + wanted
    if (wanted === NONE || wanted === OTHER) return name
    if (tableEntry(this.docs, collections.values, key, name) !== undefined) return name
    const counted = this.counted[code] ?? 0
    if (counted >= this.is.maxValues) return code + OTHER
    this.counted[code] = counted + 1
    return name
  }

  private visitorsOf(index: number, name: string): VisitorSet {
    const key = this.valuesKey(index)
    const entries = editTable<StoredVisitors>(this.docs, collections.valueVisitors, key, name, () =>
      VisitorSet.of(undefined),
    )
    const own = entryName(name)
    const visitors = VisitorSet.decode(entries[own] as StoredVisitors)
    entries[own] = visitors
    return visitors
  }

  private hourVisitorsOf(index: number, name: string): Slots<StoredVisitors> {
    const key = this.valuesKey(index)
    const { valueHourVisitors } = collections
    const entries = editTable<Slots<StoredVisitors>>(this.docs, valueHourVisitors, key, name, newSlots)
    return entries[entryName(name)] as Slots<StoredVisitors>
  }

  private valuesKey(index: number): string {
    const { merchantId, zone, day } = this.is
    return valuesKey(merchantId, zone, dimensionTable(bucketDimensions[index] as BucketDimension), day)
  }
}
