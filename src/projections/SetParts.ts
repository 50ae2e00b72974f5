import type { Parts } from "./GrowingTable.js"
import { type Slots, tables } from "./Layout.js"
import { type NamedPart, namedParts } from "./NamedPart.js"
import { VisitorSet } from "./VisitorSet.js"

/** Sets of visitors by name. */
export type SetPart = NamedPart<VisitorSet, string>

/** The text of a set, and the name of a slot, have nothing in them that JSON would write in another way. */
const quoted = (set: string): string => `"${set}"`

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

  /** What is stored, as JSON. By hand: the hours of hardly two values are the same. */
  toText(): string {
    const { slots, sets } = this
    let text = ""
    for (const slot in slots) {
      text += `,${quoted(slot)}:${quoted(sets.get(slot)?.toJSON() ?? (slots[slot] as string))}`
    }
    for (const [slot, set] of sets) {
      if (slots[slot] === undefined) text += `,${quoted(slot)}:${quoted(set.toJSON())}`
    }
    return `{${text.slice(1)}}`
  }
}

/** As `SetPart`, by name and hour. */
export type HourSetPart = NamedPart<HourSets, Slots<string>>

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
    textOf: (sets) => sets.toText(),
    textOfStored: JSON.stringify,
    // Hours that are over get no more visitors, mostly.
    rest: (sets) => sets.toStored(),
  },
)
