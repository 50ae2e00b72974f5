import { Written } from "../readmodels/DocText.js"
import { noCounts } from "./Counts.js"
import type { Slot, Slots } from "./Layout.js"

/** As it is stored, or as folds have it. */
export type StoredFineSlots = FineSlots | Slots<Slot>

/**
 * A document of buckets that expire, to be changed in place. As an object each would have a shape of its own, since
 * hardly two of them have the same minutes in the same order, and V8 would take longer to make it than to count.
 */
export class FineSlots extends Written {
  private readonly slots = new Map<string, Slot>()

  static of(stored: StoredFineSlots | undefined): FineSlots {
    if (stored instanceof FineSlots) return stored
    const fine = new FineSlots()
    for (const name in stored) fine.slots.set(name, stored[name] as Slot)
    return fine
  }

  /** `name`: as `slotOf` gives it. */
  at(name: string): Slot {
    let slot = this.slots.get(name)
    if (slot === undefined) {
      slot = [noCounts()]
      this.slots.set(name, slot)
    }
    return slot
  }

  toText(): string {
    let text = ""
    for (const [name, [counts, visitors]] of this.slots) {
      // A set's text has nothing in it that JSON would write in another way.
      const set =
        visitors === undefined ? "" : `,"${typeof visitors === "string" ? visitors : visitors.toJSON()}"`
      text += `,"${name}":[${JSON.stringify(counts)}${set}]`
    }
    return `{${text.slice(1)}}`
  }
}
