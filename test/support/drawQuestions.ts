import { askBreakdown, askSeries, askTotals, type Narrowing, type Question } from "./askNumbers.js"
import type { Filter, Oracle, Range, Term } from "./oracle.js"
import { shownValue } from "./oracle.js"
import type { Interval } from "./oracleClock.js"
import { type Counted, DIMENSIONS, type Dimension, INTERVALS, METRICS } from "./oracleEvents.js"
import type { Random } from "./Seed.js"

const MINUTE = 60_000
const DAY = 86_400_000

/** How long a bucket is kept, less a day in which the test may run. */
const kept: Readonly<Record<Interval, number>> = {
  MINUTE: 6 * DAY,
  TEN_MINUTES: 88 * DAY,
  HOUR: Number.POSITIVE_INFINITY,
  DAY: Number.POSITIVE_INFINITY,
  WEEK: Number.POSITIVE_INFINITY,
  MONTH: Number.POSITIVE_INFINITY,
}
/** Longer ones have more points than a series may, or than it takes to find a fault. */
const longest: Readonly<Record<Interval, number>> = {
  MINUTE: 2 * DAY,
  TEN_MINUTES: 10 * DAY,
  HOUR: 30 * DAY,
  DAY: 700 * DAY,
  WEEK: 1_000 * DAY,
  MONTH: 1_000 * DAY,
}

/** A range that touches the events: all of them, from one to another, one bucket, or hours around one. */
export const drawRange = (random: Random, events: ReadonlyArray<Counted>): Range => {
  const times = events.map(({ at }) => at)
  const at = random.pick(times)
  const other = random.pick(times)
  switch (random.integer(5)) {
    case 0:
      return { from: Math.min(...times) - DAY, to: Math.max(...times) + 1 }
    case 1:
      return { from: Math.min(at, other), to: Math.max(at, other) + 1 }
    case 2:
      return { from: at, to: at + 1 }
    case 3:
      return { from: at - random.integer(90 * MINUTE), to: at + 1 + random.integer(90 * MINUTE) }
    default:
      return { from: at - random.integer(3 * DAY), to: at + 1 + random.integer(3 * DAY) }
  }
}

/** The part of a range that an interval can answer; undefined where there is none. */
export const askable = (interval: Interval, range: Range, now: number): Range | undefined => {
  const from = Math.max(range.from, now - kept[interval], range.to - longest[interval])
  return from < range.to ? { from, to: range.to } : undefined
}

export const PROPERTIES = ["sku", "size", "gift", "unheardOf", "constructor", "toString", "\u00fc \u{1F30A}"]

const drawTerm = (random: Random, events: ReadonlyArray<Counted>): Term => {
  const dimension: Dimension = random.integer(5) === 0 ? "PROPERTY" : random.pick(DIMENSIONS)
  const property = dimension === "PROPERTY" ? random.pick(PROPERTIES) : undefined
  const values = () => [
    ...new Set(
      Array.from({ length: 1 + random.integer(3) }, () =>
        random.integer(10) === 0 ? "never seen" : shownValue(random.pick(events), dimension, property),
      ),
    ),
  ]
  return {
    dimension,
    ...(property === undefined ? {} : { property }),
    ...random.pick([{ in: values() }, { notIn: values() }, { in: values(), notIn: values() }]),
  }
}

export const drawFilter = (random: Random, events: ReadonlyArray<Counted>): Filter => ({
  all: Array.from({ length: 1 + random.integer(2) }, () => drawTerm(random, events)),
})

export const drawNarrowing = (random: Random, events: ReadonlyArray<Counted>): Narrowing => ({
  ...(random.integer(2) === 0 ? {} : { currency: random.pick(["USD", "EUR", "JPY", "GBP"]) }),
  ...(random.integer(3) === 0 ? {} : { filter: drawFilter(random, events) }),
})

/** Totals, every metric at every interval that is kept, and every metric by every dimension. */
export const everyQuestion = (
  oracle: Oracle,
  range: Range,
  now: number,
  narrowing: Narrowing = {},
): ReadonlyArray<Question> => {
  const all = [askTotals(oracle, range, narrowing)]
  for (const metric of METRICS) {
    for (const interval of INTERVALS) {
      const part = askable(interval, range, now)
      if (part !== undefined) all.push(askSeries(oracle, metric, part, interval, narrowing))
    }
    for (const by of DIMENSIONS) all.push(askBreakdown(oracle, metric, by, range, narrowing))
    for (const property of PROPERTIES) {
      all.push(askBreakdown(oracle, metric, "PROPERTY", range, { ...narrowing, property }))
    }
  }
  return all
}

/** A few of all questions, for ranges and narrowings of their own. */
export const someQuestions = (
  random: Random,
  oracle: Oracle,
  events: ReadonlyArray<Counted>,
  now: number,
  count: number,
): ReadonlyArray<Question> => {
  const asked: Array<Question> = []
  while (asked.length < count) {
    const range = drawRange(random, events)
    const narrowing = drawNarrowing(random, events)
    asked.push(askTotals(oracle, range, narrowing))
    for (let one = 0; one < 4; one++) {
      const interval = random.pick(INTERVALS)
      const part = askable(interval, range, now)
      if (part !== undefined) asked.push(askSeries(oracle, random.pick(METRICS), part, interval, narrowing))
      asked.push(askBreakdown(oracle, random.pick(METRICS), random.pick(DIMENSIONS), range, narrowing))
    }
    const property = random.pick(PROPERTIES)
    asked.push(askBreakdown(oracle, random.pick(METRICS), "PROPERTY", range, { ...narrowing, property }))
  }
  return asked
}
