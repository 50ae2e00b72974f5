import { type Cell, decodeCells } from "./Cells.js"
import { type CountColumns, setterOf } from "./CountColumns.js"
import { addSum, type Counts, noCounts } from "./Counts.js"
import { lengthIn, type PackedNames } from "./PackedEntries.js"

interface Column {
  readonly name: string
  readonly set: (counts: Counts, cell: Cell) => void
  /** By the value's place. */
  readonly sums: Array<Cell>
}

interface Places extends PackedNames {
  /** Of each name's value; -1 for another dimension's. */
  readonly places: ReadonlyArray<number>
}

/** Adds up packed counts by the values of one dimension: some of their columns, over any number of documents. */
export class Tally {
  private readonly byValue = new Map<string, number>()
  private readonly values: Array<string> = []
  private readonly columns: ReadonlyArray<Column>
  /** The names of the document that was read last, for each of a table's documents. */
  private readonly last = new Map<string, Places>()

  /** `code`: the dimension's, with which its values' names begin. */
  constructor(
    private readonly code: string,
    columns: ReadonlyArray<string>,
  ) {
    this.columns = columns.map((name) => ({ name, set: setterOf(name), sums: [] }))
  }

  /** `chunk`: which of its table's documents it is. On other days the same one mostly has the same names. */
  placesIn(chunk: string, { n, l }: PackedNames): ReadonlyArray<number> {
    const known = this.last.get(chunk)
    if (known !== undefined && known.n === n && known.l === l) return known.places
    const places: Array<number> = []
    let from = 0
    decodeCells(l, (_, cell) => {
      const name = n.slice(from, from + lengthIn(cell))
      from += name.length
      places.push(name.startsWith(this.code) ? this.placeOf(name.slice(1)) : -1)
    })
    this.last.set(chunk, { n, l, places })
    return places
  }

  add(places: ReadonlyArray<number>, counts: CountColumns): void {
    for (const { name, sums } of this.columns) {
      const text = counts[name]
      if (text === undefined) continue
      decodeCells(text, (row, cell) => {
        const place = places[row] as number
        if (place >= 0) sums[place] = addSum(sums[place] as Cell, cell)
      })
    }
  }

  private placeOf(value: string): number {
    const known = this.byValue.get(value)
    if (known !== undefined) return known
    const place = this.values.push(value) - 1
    this.byValue.set(value, place)
    for (const { sums } of this.columns) sums.push(0)
    return place
  }

  /** The values that anything was counted for, with the numbers of these columns alone. */
  *sums(): Generator<readonly [value: string, counts: Counts]> {
    for (const [place, value] of this.values.entries()) {
      const counts = noCounts()
      for (const { set, sums } of this.columns) {
        const sum = sums[place] as Cell
        if (sum !== 0) set(counts, sum)
      }
      if (counts.length > 0) yield [value, counts]
    }
  }
}
