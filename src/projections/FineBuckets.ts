import type { Cut } from "../domain/TimeBuckets.js"
import type { Docs } from "../processors/Projection.js"
import { changeSessions, countRow, noCounts, type SessionChange } from "./Counts.js"
import { rememberExpiring } from "./Expiry.js"
import type { CountedRows } from "./Facts.js"
import type { Large } from "./LargeDay.js"
import { MINUTE_KEPT, type Slot, type Slots, slotOf, TEN_MINUTES_KEPT, timeKey } from "./Layout.js"
import { VisitorSet } from "./VisitorSet.js"

/** The slots of one collection that were looked up, by the instants at which their buckets begin. */
class Known {
  private readonly slots = new Map<number, Slot>()
  private readonly docs = new Map<number, Slots<Slot>>()
  private start = Number.NaN
  private slot: Slot | undefined

  /** `parent`: the instant at which the document begins. */
  at(start: number, parent: number, open: (parent: number) => Slots<Slot>): Slot {
    if (this.slot !== undefined && start === this.start) return this.slot
    let slot = this.slots.get(start)
    if (slot === undefined) {
      let doc = this.docs.get(parent)
      if (doc === undefined) {
        doc = open(parent)
        this.docs.set(parent, doc)
      }
      const name = slotOf(parent, start)
      slot = doc[name] ?? [noCounts()]
      doc[name] = slot
      this.slots.set(start, slot)
    }
    this.start = start
    this.slot = slot
    return slot
  }
}

const count = (slot: Slot, columns: CountedRows, row: number, member: number | undefined): void => {
  countRow(slot[0], columns, row)
  if (member === undefined) return
  const visitors = VisitorSet.of(slot[1])
  slot[1] = visitors
  visitors.addMember(member)
}

/** The buckets of a day that expire, those left out that have. */
export class FineBuckets {
  private readonly tens = new Known()
  private readonly minutes = new Known()
  private now = 0

  constructor(
    private readonly docs: Docs,
    private readonly is: Pick<Large, "merchantId" | "zone" | "day">,
  ) {}

  /** `member`: the fact's visitor, where visitors are kept. */
  countRow(columns: CountedRows, row: number, at: Cut, member: number | undefined, now: number): void {
    this.now = now
    if (at.tenMinutes >= now - TEN_MINUTES_KEPT) count(this.tenMinutes(at), columns, row, member)
    if (at.minute >= now - MINUTE_KEPT) count(this.minute(at), columns, row, member)
  }

  changeSession(at: Cut, change: SessionChange, now: number): void {
    this.now = now
    if (at.tenMinutes >= now - TEN_MINUTES_KEPT) changeSessions(this.tenMinutes(at)[0], change)
    if (at.minute >= now - MINUTE_KEPT) changeSessions(this.minute(at)[0], change)
  }

  private tenMinutes({ tenMinutes }: Cut): Slot {
    return this.tens.at(tenMinutes, this.is.day, this.openTens)
  }

  private minute({ minute, hour }: Cut): Slot {
    return this.minutes.at(minute, hour, this.openMinutes)
  }

  private readonly openTens = (day: number): Slots<Slot> => this.open("tens", day)
  private readonly openMinutes = (hour: number): Slots<Slot> => this.open("minutes", hour)

  private open(collection: "tens" | "minutes", start: number): Slots<Slot> {
    const { merchantId, zone } = this.is
    const key = timeKey(merchantId, zone, start)
    let added = false
    const slots = this.docs.edit<Slots<Slot>>(collection, key, () => {
      added = true
      return {}
    })
    if (added) rememberExpiring(this.docs, merchantId, collection, key, this.now)
    return slots
  }
}
