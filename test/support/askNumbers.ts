import type { Filter, Oracle, Range } from "./oracle.js"
import type { Interval } from "./oracleClock.js"
import { type Dimension, METRICS, type Metric } from "./oracleEvents.js"
import { patience } from "./stores.js"
import type { TidemarkProcess } from "./TidemarkProcess.js"
import { until } from "./until.js"

/** What narrows a question. */
export interface Narrowing {
  readonly currency?: string
  readonly filter?: Filter
}

/** One field of a merchant, and what it must answer. */
export interface Question {
  readonly what: string
  readonly field: string
  /** What the limit on complexity may count for it. */
  readonly cost: number
  readonly expected: () => unknown
  // biome-ignore lint/suspicious/noExplicitAny: the shape follows the field
  readonly read: (answer: any) => unknown
}

export const MAX_ROWS = 200

/** GraphQL's notation: JSON without quotes around names and enum values. */
const literal = (value: unknown, name = ""): string => {
  if (Array.isArray(value)) return `[${value.map((one) => literal(one)).join(" ")}]`
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).map(([key, inner]) => `${key}: ${literal(inner, key)}`)
    return `{${fields.join(" ")}}`
  }
  return name === "dimension" ? String(value) : JSON.stringify(value)
}

const iso = (at: number): string => new Date(at).toISOString()
const rangeText = ({ from, to }: Range): string => `{from: "${iso(from)}" to: "${iso(to)}"}`
const narrowingText = ({ currency, filter }: Narrowing): string =>
  `${currency === undefined ? "" : ` currency: "${currency}"`}${filter === undefined ? "" : ` filter: ${literal(filter)}`}`

/** Ratios are compared to 12 digits: how a mean is divided is not part of its definition. */
const rounded = (value: number | null): number | null =>
  value === null || Number.isInteger(value) ? value : Number(value.toPrecision(12))

const effective = (range: { from: string; to: string }): Range => ({
  from: Date.parse(range.from),
  to: Date.parse(range.to),
})

export const askTotals = (oracle: Oracle, range: Range, narrowing: Narrowing = {}): Question => {
  const field = `totals(range: ${rangeText(range)}${narrowingText(narrowing)}) { values { metric value } range { from to } }`
  return {
    what: field,
    field,
    cost: 300,
    expected: () => ({
      range: oracle.range("HOUR", range),
      values: Object.fromEntries(
        Object.entries(oracle.totals(range, narrowing.currency, narrowing.filter)).map(([metric, value]) => [
          metric,
          rounded(value),
        ]),
      ),
    }),
    read: (answer: {
      values: Array<{ metric: string; value: number | null }>
      range: { from: string; to: string }
    }) => ({
      range: effective(answer.range),
      values: Object.fromEntries(
        METRICS.map((metric) => [
          metric,
          rounded(answer.values.find((one) => one.metric === metric)?.value ?? null),
        ]),
      ),
    }),
  }
}

export const askSeries = (
  oracle: Oracle,
  metric: Metric,
  range: Range,
  interval: Interval,
  narrowing: Narrowing = {},
): Question => {
  const field = `series(metric: ${metric} range: ${rangeText(range)} interval: ${interval}${narrowingText(narrowing)}) { points { at value } range { from to } }`
  const whole = oracle.range(interval, range)
  const lengths = { MINUTE: 60_000, TEN_MINUTES: 600_000, HOUR: 3_600_000, DAY: 0, WEEK: 0, MONTH: 0 }
  return {
    what: field,
    field,
    cost: 300 + (4 * (whole.to - whole.from)) / (lengths[interval] || 86_400_000),
    expected: () => ({
      range: whole,
      points: oracle
        .series(metric, range, interval, narrowing.currency, narrowing.filter)
        .map(({ at, value }) => `${iso(at)} ${rounded(value)}`),
    }),
    read: (answer: {
      points: Array<{ at: string; value: number | null }>
      range: { from: string; to: string }
    }) => ({
      range: effective(answer.range),
      points: answer.points.map(({ at, value }) => `${iso(Date.parse(at))} ${rounded(value)}`),
    }),
  }
}

type Rows = ReadonlyArray<{ readonly key: string; readonly value: number | null }>

/** By key, and whether they come in order: means that are equal but for rounding may stand either way. */
const rowsText = (rows: Rows): unknown => ({
  rows: Object.fromEntries(rows.map(({ key, value }) => [key, rounded(value)])),
  unordered: rows.filter(({ key, value }, index) => {
    const next = rows[index + 1]
    if (next === undefined || value === null || next.value === null) return false
    return value < next.value || (value === next.value && key > next.key)
  }),
})

export const askBreakdown = (
  oracle: Oracle,
  metric: Metric,
  by: Dimension,
  range: Range,
  narrowing: Narrowing & { readonly property?: string } = {},
): Question => {
  const { property } = narrowing
  const name = property === undefined ? "" : ` property: "${property}"`
  const field = `breakdown(metric: ${metric} by: ${by}${name} range: ${rangeText(range)} first: ${MAX_ROWS}${narrowingText(narrowing)}) { rows { key value } range { from to } }`
  return {
    what: field,
    field,
    cost: 300 + 4 * MAX_ROWS,
    expected: () => ({
      range: oracle.range("HOUR", range),
      ...(rowsText(oracle.breakdown(metric, by, range, narrowing).slice(0, MAX_ROWS)) as object),
    }),
    read: (answer: { rows: Rows; range: { from: string; to: string } }) => ({
      range: effective(answer.range),
      ...(rowsText(answer.rows) as object),
    }),
  }
}

/** The questions in requests that stay within the limits of one. */
const packed = (questions: ReadonlyArray<Question>): ReadonlyArray<ReadonlyArray<Question>> => {
  const packs: Array<Array<Question>> = []
  let cost = Number.POSITIVE_INFINITY
  for (const question of questions) {
    if (cost + question.cost > 30_000 || (packs.at(-1)?.length ?? 0) >= 40) {
      packs.push([])
      cost = 0
    }
    packs.at(-1)?.push(question)
    cost += question.cost
  }
  return packs
}

/** Waits until everything up to a position is counted; `longer` as `patience`. */
export const counted = async (
  tidemark: TidemarkProcess,
  id: string,
  position: string,
  longer = patience,
): Promise<void> => {
  const answered = async (): Promise<boolean> => {
    const { body } = await tidemark.request("POST", "/graphql", {
      body: JSON.stringify({
        query: `query ($id: ID!, $at: Position!) { merchant(id: $id) { totals(range: {from: "2020-01-01", to: "2020-01-02"}, atLeast: $at) { asOf { position } } } }`,
        variables: { id, at: position },
      }),
      headers: { "content-type": "application/json" },
    })
    const errors: ReadonlyArray<{ extensions?: { code?: string } }> = body?.errors ?? []
    if (errors.some(({ extensions }) => extensions?.code !== "NOT_YET"))
      throw new Error(JSON.stringify(errors))
    // A merchant that is not folded yet is not there.
    return errors.length === 0 && body.data.merchant !== null
  }
  await until(`position ${position} is counted`, 30_000 * longer, answered)
}

/** Asks all of them; describes each answer that is not what it must be. */
export const differences = async (
  tidemark: TidemarkProcess,
  id: string,
  questions: ReadonlyArray<Question>,
): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  for (const pack of packed(questions)) {
    const fields = pack.map(({ field }, index) => `q${index}: ${field}`)
    const { merchant } = await tidemark.graphql(`{ merchant(id: "${id}") { ${fields.join("\n")} } }`)
    pack.forEach(({ what, expected, read }, index) => {
      const wanted = flat(expected())
      const got = flat(read(merchant[`q${index}`]))
      const lines = [...new Set([...wanted, ...got])].filter((line) => !wanted.has(line) || !got.has(line))
      if (lines.length === 0) return
      const shown = lines
        .slice(0, 12)
        .map((line) => `  ${wanted.has(line) ? "expected" : "answered"} ${line}`)
      found.push(
        `${id}: ${what}\n${shown.join("\n")}${lines.length > 12 ? `\n  and ${lines.length - 12} more` : ""}`,
      )
    })
  }
  return found
}

/** One line for each leaf, so that differences can be shown alone. */
const flat = (value: unknown, path = ""): ReadonlySet<string> => {
  if (typeof value !== "object" || value === null) return new Set([`${path} = ${value}`])
  const leaves = Object.entries(value).flatMap(([key, inner]) => [...flat(inner, `${path} ${key}`)])
  return new Set(leaves)
}
