import { type Cell, decodeCells, encodeColumn } from "./Cells.js"
import { type CountColumns, ofMoney, plain } from "./CountColumns.js"
import {
  addSum,
  BOUNCES,
  type Counts,
  EVENTS,
  FIRST_CURRENCY,
  PAGEVIEWS,
  PER_CURRENCY,
  SESSION_MS,
  SESSIONS,
  type SessionChange,
} from "./Counts.js"

/** Numbers of many names, each at the place of its name; what is missing at the end is 0. */
type Column = Array<Cell>

/** Those of a currency, as in `ofMoney`. */
interface Money {
  readonly currency: string
  readonly columns: ReadonlyArray<Column>
}

const newColumns = (count: number): ReadonlyArray<Column> => Array.from({ length: count }, (): Column => [])

const addAt = (column: Column, row: number, by: Cell): void => {
  if (by === 0) return
  if (row < column.length) {
    const sum = column[row] as Cell
    const total = typeof sum === "number" && typeof by === "number" ? sum + by : Number.NaN
    column[row] = Number.isSafeInteger(total) ? total : addSum(sum, by)
  } else {
    while (column.length < row) column.push(0)
    column.push(by)
  }
}

const decodeColumn = (text: string): Column => {
  const column: Column = []
  decodeCells(text, (row, cell) => {
    while (column.length < row) column.push(0)
    column.push(cell)
  })
  return column
}

/**
 * The counts of many names in one bucket of time, by columns as they are stored, and to be added to. What was
 * stored stays as it is until something is added.
 */
export class CountBlock {
  private columns: ReadonlyArray<Column> = []
  private money: Array<Money> = []
  /** What it is stored as; undefined once anything is added. */
  private packed: CountColumns | undefined
  /** How many names it was packed for: with others, they stand in another order. */
  private packedFor = 0
  private isOpen: boolean

  /** `names`: how many there are in what is stored. */
  constructor(stored?: CountColumns, names = 0) {
    this.packed = stored
    this.packedFor = names
    this.isOpen = stored === undefined
    if (this.isOpen) this.columns = newColumns(plain.length)
  }

  /** Adds to one of the numbers that are not money, by its place in `Counts`. */
  add(row: number, index: number, by: Cell): void {
    if (by === 0) return
    this.open()
    this.packed = undefined
    addAt(this.columns[index] as Column, row, by)
  }

  /** Adds to a number of a currency: its place in `ofMoney`. */
  addMoney(row: number, currency: string, index: number, by: Cell): void {
    this.open()
    this.packed = undefined
    addAt(this.moneyIn(currency)[index] as Column, row, by)
  }

  addCounts(row: number, counts: Counts): void {
    this.open()
    this.packed = undefined
    const count = Math.min(FIRST_CURRENCY, counts.length)
    for (let i = 0; i < count; i++) addAt(this.columns[i] as Column, row, counts[i] as Cell)
    for (let i = FIRST_CURRENCY; i < counts.length; i += PER_CURRENCY) {
      for (let j = 0; j < ofMoney.length; j++)
        this.addMoney(row, counts[i] as string, j, counts[i + 1 + j] as Cell)
    }
  }

  addEvents(row: number, events: number, pageViews: number): void {
    this.open()
    this.packed = undefined
    addAt(this.columns[EVENTS] as Column, row, events)
    addAt(this.columns[PAGEVIEWS] as Column, row, pageViews)
  }

  changeSessions(row: number, { sessions, bounces, milliseconds }: SessionChange): void {
    this.open()
    this.packed = undefined
    addAt(this.columns[SESSIONS] as Column, row, sessions)
    addAt(this.columns[BOUNCES] as Column, row, bounces)
    addAt(this.columns[SESSION_MS] as Column, row, milliseconds)
  }

  /** Adds what another block has of a name. */
  addRow(row: number, other: CountBlock, from: number): void {
    other.open()
    other.columns.forEach((column, index) => {
      this.add(row, index, column[from] ?? 0)
    })
    for (const { currency, columns } of other.money) {
      columns.forEach((column, index) => {
        const cell = column[from] ?? 0
        if (cell !== 0) this.addMoney(row, currency, index, cell)
      })
    }
  }

  /** As it is stored. `order`: the places of the names, in their order. */
  pack(order: ReadonlyArray<number>): CountColumns {
    if (this.packed !== undefined && this.packedFor === order.length) return this.packed
    this.open()
    const packed: { [column: string]: string } = {}
    const put = (name: string, column: Column): void => {
      if (column.length === 0) return
      const text = encodeColumn(column, order)
      if (text !== "") packed[name] = text
    }
    for (let i = 0; i < plain.length; i++) put(plain[i] as string, this.columns[i] as Column)
    for (const { currency, columns } of this.money) {
      for (let i = 0; i < ofMoney.length; i++) put(currency + ofMoney[i], columns[i] as Column)
    }
    this.packed = packed
    this.packedFor = order.length
    return packed
  }

  private open(): void {
    if (!this.isOpen) this.decode()
  }

  private decode(): void {
    this.isOpen = true
    const stored = this.packed as CountColumns
    this.columns = plain.map((name) => decodeColumn(stored[name] ?? ""))
    for (const name in stored) {
      if (name.length === 1) continue
      const index = ofMoney.indexOf(name.slice(-1) as (typeof ofMoney)[number])
      this.moneyIn(name.slice(0, -1))[index] = decodeColumn(stored[name] as string)
    }
  }

  /** Currencies lie in order of their codes. */
  private moneyIn(currency: string): Array<Column> {
    let at = 0
    while (at < this.money.length && (this.money[at] as Money).currency < currency) at++
    const known = this.money[at]
    if (known?.currency === currency) return known.columns as Array<Column>
    const columns = newColumns(ofMoney.length) as Array<Column>
    this.money.splice(at, 0, { currency, columns })
    return columns
  }
}
