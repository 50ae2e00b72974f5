import type { Cut } from "../domain/TimeBuckets.js"
import { whole } from "../domain/whole.js"
import type { Docs } from "../processors/Projection.js"
import { addCounts, addEvents, changeSessions, type SessionChange } from "./Counts.js"
import { rememberExpiring } from "./Expiry.js"
import { FineSlots, type StoredFineSlots } from "./FineSlots.js"
import type { Large } from "./LargeDay.js"
import { MINUTE_KEPT, type Slot, slotOf, TEN_MINUTES_KEPT, timeKey } from "./Layout.js"
import { PAGE_VIEW, type TailRow } from "./TailRows.js"
import { VisitorSet } from "./VisitorSet.js"

/** The slots of one collection that were looked up, by the instants at which their buckets begin. */
class Known {
  /** By seconds since the day began: V8 looks up small numbers faster than instants. */
  private readonly slots = new Map<number, Slot>()
  private readonly docs = new Map<number, FineSlots>()
  private start = Number.NaN
  private slot: Slot | undefined

  /** `parent`: the instant at which the document begins. */
  at(start: number, day: number, parent: number, open: (parent: number) => FineSlots): Slot {
    if (this.slot !== undefined && start === this.start) return this.slot
    const seconds = whole((start - day) / 1000)
    let slot = this.slots.get(seconds)
    if (slot === undefined) {
      let doc = this.docs.get(parent)
      if (doc === undefined) {
        doc = open(parent)
        this.docs.set(parent, doc)
      }
      slot = doc.at(slotOf(parent, start))
      this.slots.set(seconds, slot)
    }
    this.start = start
    this.slot = slot
    return slot
  }
}

const count = (slot: Slot, { kind, money }: TailRow, member: number | undefined): void => {
  const [counts, stored] = slot
  if (money === undefined) addEvents(counts, 1, kind === PAGE_VIEW ? 1 : 0)
  else addCounts(counts, money)
  if (member === undefined) return
  const visitors = VisitorSet.of(stored)
  if (visitors !== stored) slot[1] = visitors
  visitors.addMember(member)
}

/** The buckets of a day that expire, those left out that have. */
export class FineBuckets {
  private readonly tens = new Known()
  private readonly minutes = new Known()
  private now = 0

  constructor(
    private readonly docs: Docs,
    private readonly is: Pick<Large, "merchantId" | "zone" | "day" | "isTogether">,
  ) {}

  countRow(row: TailRow, now: number): void {
    this.now = now
    const { at } = row
    const member = this.is.isTogether ? undefined : row.member
    if (at.tenMinutes >= now - TEN_MINUTES_KEPT) count(this.tenMinutes(at), row, member)
    if (at.minute >= now - MINUTE_KEPT) count(this.minute(at), row, member)
  }

  changeSession(at: Cut, change: SessionChange, now: number): void {
    this.now = now
    if (at.tenMinutes >= now - TEN_MINUTES_KEPT) changeSessions(this.tenMinutes(at)[0], change)
    if (at.minute >= now - MINUTE_KEPT) changeSessions(this.minute(at)[0], change)
  }

  private tenMinutes({ tenMinutes }: Cut): Slot {
    const { day } = this.is
    return this.tens.at(tenMinutes, day, day, this.openTens)
  }

  private minute({ minute, hour }: Cut): Slot {
    return this.minutes.at(minute, this.is.day, hour, this.openMinutes)
  }

  private readonly openTens = (day: number): FineSlots => this.open("tens", day)
  private readonly openMinutes = (hour: number): FineSlots => this.open("minutes", hour)

  private open(collection: "tens" | "minutes", start: number): FineSlots {
    const { merchantId, zone } = this.is
    const key = timeKey(merchantId, zone, start)
    const stored = this.docs.get<StoredFineSlots>(collection, key)
    const slots = FineSlots.of(stored)
    this.docs.put(collection, key, slots)
    if (stored === undefined) rememberExpiring(this.docs, merchantId, collection, key, this.now)
    return slots
  }
}
