import type { Parts } from "./GrowingTable.js"
import { type Slots, tables } from "./Layout.js"
import { type NamedPart, namedParts } from "./NamedPart.js"
import { VisitorSet } from "./VisitorSet.js"

/** Sets of visitors by name. */
export type SetPart = NamedPart<VisitorSet, string>

/** The sets of one name by hour. Those that nobody has asked for stay the texts that they were read as. */
export class HourSets {
  private readonly sets = new Map<string, VisitorSet>()
  private slot = ""
  private set: VisitorSet | undefined

  constructor(private readonly slots: Slots<string>) {}

  /** To be added to. `slot`: the hour, as `slotOf` its day names it. */
  at(slot: string): VisitorSet {
    if (this.set !== undefined && this.slot === slot) return this.set
    let set = this.sets.get(slot)
    if (set === undefined) {
      set = VisitorSet.of(this.slots[slot])
      this.sets.set(slot, set)
    }
    this.slot = slot
    this.set = set
    return set
  }

  /** As stored. */
  toStored(): Slots<string> {
    for (const [slot, set] of this.sets) this.slots[slot] = set.toJSON()
    return this.slots
  }
}

/** As `SetPart`, by name and hour. */
export type HourSetPart = NamedPart<HourSets, Slots<string>>

/** The text of a set has nothing in it that JSON would write in another way. */
const quoted = (set: string): string => `"${set}"`

export const dayVisitorParts: Parts<SetPart> = namedParts<VisitorSet, string>(tables.valueVisitors, {
  create: () => VisitorSet.of(undefined),
  decode: VisitorSet.decode,
  textOf: (set) => quoted(set.toJSON()),
  textOfStored: quoted,
})

export const hourVisitorParts: Parts<HourSetPart> = namedParts<HourSets, Slots<string>>(
  tables.valueHourVisitors,
  {
    create: () => new HourSets({}),
    decode: (stored) => new HourSets(stored),
    textOf: (sets) => JSON.stringify(sets.toStored()),
    textOfStored: JSON.stringify,
    // Hours that are over get no more visitors, mostly.
    rest: (sets) => sets.toStored(),
  },
)
