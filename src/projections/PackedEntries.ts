import { type Cell, decodeCells, encodeCells } from "./Cells.js"
import { type CountColumns, unpackCounts } from "./CountColumns.js"
import { type Counts, noCounts } from "./Counts.js"
import type { Slots } from "./Layout.js"
import type { Packing } from "./Table.js"

/**
 * The names of a table's document, one after the other in order of their code units, and as cells their lengths,
 * each one too high, as cells of 0 are passed over.
 * Where the same names come day after day, the texts are equal, and who reads many days finds the names once.
 */
export interface PackedNames {
  readonly n: string
  readonly l: string
}

/** Counts of each name. */
export interface PackedCounts extends PackedNames {
  readonly c: CountColumns
}

/** Counts of each name in each hour that has any. */
export interface PackedHours extends PackedNames {
  readonly h: Slots<CountColumns>
}

export const packNames = (names: ReadonlyArray<string>): PackedNames => ({
  n: names.join(""),
  l: encodeCells(names.length, (index) => (names[index] as string).length + 1),
})

/** Of a name, from its cell in `l`. */
export const lengthIn = (cell: Cell): number => (cell as number) - 1

export const namesIn = ({ n, l }: PackedNames): ReadonlyArray<string> => {
  const names: Array<string> = []
  let from = 0
  decodeCells(l, (_, cell) => {
    const to = from + lengthIn(cell)
    names.push(n.slice(from, to))
    from = to
  })
  return names
}

export const countsPacking: Packing<Counts> = {
  unpack: (stored) => {
    const { c } = stored as PackedCounts
    const names = namesIn(stored as PackedCounts)
    const entries = names.map(noCounts)
    unpackCounts(c, (row) => entries[row] as Counts)
    return { names, entries }
  },
}

export const hoursPacking: Packing<Slots<Counts>> = {
  unpack: (stored) => {
    const { h } = stored as PackedHours
    const names = namesIn(stored as PackedHours)
    const entries = names.map((): Slots<Counts> => ({}))
    for (const slot in h) {
      unpackCounts(h[slot] as CountColumns, (row) => {
        const hours = entries[row] as Slots<Counts>
        let counts = hours[slot]
        if (counts === undefined) {
          counts = noCounts()
          hours[slot] = counts
        }
        return counts
      })
    }
    return { names, entries }
  },
}
