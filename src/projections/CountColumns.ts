import type { Metric } from "../domain/Metrics.js"
import { type Cell, decodeCells, encodeCells } from "./Cells.js"
import { type Counts, FIRST_CURRENCY, PER_CURRENCY, setCount, setMoney } from "./Counts.js"

/**
 * Counts of many names by columns, as `Cells` writes them: one column for each number of `Counts` that any of the
 * names has. A question about one metric reads one column, and makes nothing of the others.
 */
export interface CountColumns {
  readonly [column: string]: string
}

/** Columns of the numbers that are not money, in the order of `Counts`. They are the storage format. */
export const plain = ["e", "v", "s", "b", "m", "p", "r", "u", "g"] as const
/** What follows a currency's code in its columns: payments and their sum, refunds and their sum. */
export const ofMoney = ["p", "g", "r", "f"] as const

/** Where the currency's numbers are in the counts; -1 when there are none. */
const groupOf = (counts: Counts | undefined, currency: string): number => {
  if (counts === undefined) return -1
  for (let at = FIRST_CURRENCY; at < counts.length; at += PER_CURRENCY) if (counts[at] === currency) return at
  return -1
}

const currenciesIn = (rows: ReadonlyArray<Counts | undefined>): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const counts of rows) {
    if (counts === undefined) continue
    for (let at = FIRST_CURRENCY; at < counts.length; at += PER_CURRENCY) found.add(counts[at] as string)
  }
  return [...found].sort()
}

export const packCounts = (rows: ReadonlyArray<Counts | undefined>): CountColumns => {
  const columns: { [column: string]: string } = {}
  const put = (name: string, cellAt: (row: number) => Cell): void => {
    const text = encodeCells(rows.length, cellAt)
    if (text !== "") columns[name] = text
  }
  for (const [index, name] of plain.entries()) put(name, (row) => rows[row]?.[index] ?? 0)
  for (const currency of currenciesIn(rows)) {
    const groups = rows.map((counts) => groupOf(counts, currency))
    ofMoney.forEach((end, index) => {
      put(currency + end, (row) => {
        const group = groups[row] as number
        return group < 0 ? 0 : ((rows[row] as Counts)[group + 1 + index] as Cell)
      })
    })
  }
  return columns
}

/** How a cell of the column is set in counts that have nothing there yet. */
export const setterOf = (column: string): ((counts: Counts, cell: Cell) => void) => {
  const end = column.slice(-1)
  if (column.length === 1) {
    const index = plain.indexOf(end as (typeof plain)[number])
    return (counts, cell) => setCount(counts, index, cell)
  }
  const currency = column.slice(0, -1)
  const index = ofMoney.indexOf(end as (typeof ofMoney)[number])
  return (counts, cell) => setMoney(counts, currency, index, cell)
}

/** Sets what the columns say in the counts of each row that has any, as `at` gives them: empty at first. */
export const unpackCounts = (columns: CountColumns, at: (row: number) => Counts): void => {
  for (const column in columns) {
    const set = setterOf(column)
    decodeCells(columns[column] as string, (row, cell) => set(at(row), cell))
  }
}

/** The columns that a metric is made of, in a currency. */
export const columnsOf = (metric: Exclude<Metric, "VISITORS">, currency: string): ReadonlyArray<string> => {
  switch (metric) {
    case "EVENTS":
      return ["e"]
    case "PAGEVIEWS":
      return ["v"]
    case "SESSIONS":
      return ["s"]
    case "BOUNCE_RATE":
      return ["s", "b"]
    case "SESSION_SECONDS":
      return ["s", "m"]
    case "PAYMENTS":
      return ["p"]
    case "REFUNDS":
      return ["r"]
    case "POINTS_USED":
      return ["u"]
    case "POINTS_EARNED":
      return ["g"]
    case "GROSS_VOLUME":
    case "AVERAGE_ORDER_VALUE":
      return [`${currency}p`, `${currency}g`]
    case "REFUND_VOLUME":
      return [`${currency}r`, `${currency}f`]
    case "NET_VOLUME":
      return [`${currency}p`, `${currency}g`, `${currency}r`, `${currency}f`]
  }
}
