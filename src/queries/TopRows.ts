/** One value of a dimension, and a metric's value for it. */
export interface BreakdownRow {
  readonly key: string
  readonly value: number
}

/** What may become a row. */
export interface Candidate {
  readonly key: string
  /** Its value is not above this. */
  readonly atMost: number
  /** Undefined when there is nothing to show. May be dear: it is asked for only while it may matter. */
  readonly value: () => number | undefined
}

const byValueThenKey = (a: BreakdownRow, b: BreakdownRow): number =>
  b.value - a.value || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

const byLimit = (a: Candidate, b: Candidate): number => (a.atMost === b.atMost ? 0 : b.atMost - a.atMost)

/** Puts the row where it belongs among rows in order. */
const insert = (rows: Array<BreakdownRow>, row: BreakdownRow): void => {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (byValueThenKey(rows[middle] as BreakdownRow, row) <= 0) low = middle + 1
    else high = middle
  }
  rows.splice(low, 0, row)
}

/** The first so many rows, greatest first and equal ones by key, at the cost of few more of them. */
export const topRows = (candidates: ReadonlyArray<Candidate>, count: number): ReadonlyArray<BreakdownRow> => {
  const rows: Array<BreakdownRow> = []
  if (count === 0) return rows
  for (const { key, atMost, value } of candidates.toSorted(byLimit)) {
    const last = rows.length < count ? undefined : (rows[count - 1] as BreakdownRow)
    if (last !== undefined && atMost < last.value) break
    const found = value()
    if (found === undefined) continue
    const row = { key, value: found }
    if (last !== undefined && byValueThenKey(last, row) <= 0) continue
    insert(rows, row)
    if (rows.length > count) rows.pop()
  }
  return rows
}
