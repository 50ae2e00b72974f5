import { decodeCells, encodeCells } from "./Cells.js"
import { type CountColumns, packCounts, unpackCounts } from "./CountColumns.js"
import { type Counts, noCounts } from "./Counts.js"
import type { Slots } from "./Layout.js"

/** Counts of a day's hours as they are stored, by columns: most questions read the day and none of its hours. */
export interface PackedDayHours {
  /** Seconds of the hours from the day's start, in order, each one too high. */
  readonly t: string
  readonly c: CountColumns
}

/** Counts of a day's hours, to be changed in place. */
export class DayHours {
  /** As it is stored, while nothing has changed: a day's document is written far more often than its hours change. */
  private packed: PackedDayHours | undefined

  private constructor(readonly slots: Slots<Counts>) {}

  static of(stored: StoredHours | undefined): DayHours {
    return stored instanceof DayHours ? stored : new DayHours({ ...hoursIn(stored) })
  }

  /** Of an hour, to be changed at once. */
  at(slot: string): Counts {
    this.packed = undefined
    let counts = this.slots[slot]
    if (counts === undefined) {
      counts = noCounts()
      this.slots[slot] = counts
    }
    return counts
  }

  toJSON(): PackedDayHours {
    this.packed ??= this.pack()
    return this.packed
  }

  private pack(): PackedDayHours {
    const seconds = Object.keys(this.slots)
      .map((slot) => Number(slot.slice(1)))
      .sort((a, b) => a - b)
    return {
      t: encodeCells(seconds.length, (index) => (seconds[index] as number) + 1),
      c: packCounts(seconds.map((second) => this.slots[`t${second}`])),
    }
  }
}

/** By slots as former versions of the projection stored them, and as folds have them. */
export type StoredHours = DayHours | PackedDayHours | Slots<Counts>

const isPacked = (stored: PackedDayHours | Slots<Counts>): stored is PackedDayHours => "c" in stored

/** Counts by slot, for reading only. */
export const hoursIn = (stored: StoredHours | undefined): Slots<Counts> => {
  if (stored === undefined) return {}
  if (stored instanceof DayHours) return stored.slots
  if (!isPacked(stored)) return stored
  const slots: Slots<Counts> = {}
  const rows: Array<Counts> = []
  decodeCells(stored.t, (_, cell) => {
    const counts = noCounts()
    rows.push(counts)
    slots[`t${(cell as number) - 1}`] = counts
  })
  unpackCounts(stored.c, (row) => rows[row] as Counts)
  return slots
}
