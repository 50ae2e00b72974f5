import { isIdle, type Presence, type Touch } from "./Idle.js"
import { offsetAt } from "./Zone.js"

/**
 * How often a merchant usually sends, by hour of the week, and how uneven that is: enough to say how long a silence
 * must be to be unusual. Learned from recordings as they come, in bounded memory. `docs/idle.md` tells the rule.
 *
 * Everything here is part of what a log means: with other numbers or another order of the steps, a log that is read
 * again would be judged otherwise than it was. A better rule needs a name of its own in the settings.
 */
export interface UsualRate {
  /** IANA time zone that hours of the week are counted in. */
  readonly zone: string
  /** How much earlier its hours begin than UTC's, ms: not 0 where the offset is no whole hour. */
  readonly phase: number
  /** First hour that is learned; hours are numbered from the epoch. */
  readonly since: number
  /** The hour of the latest recording; those before it are learned. */
  readonly hour: number
  /** Active minutes so far in `hour`. */
  readonly active: number
  /** Number of the latest minute with a recording. */
  readonly minute: number
  /** Active minutes that are usual in each hour of the week. */
  readonly usual: Float64Array
  readonly gaps: Gaps
  /** Silence after the latest recording that is unusual, ms; undefined while that can't be said. */
  readonly afterMs: number | undefined
}

/**
 * The gaps between recordings, each measured by how many active minutes were to be expected in it. A week's count
 * for less with every week that passes.
 */
export interface Gaps {
  readonly count: number
  readonly sum: number
  readonly squares: number
  readonly longest: number
}

const MINUTE = 60_000
const HOUR = 3_600_000
export const HOURS_OF_WEEK = 168

/** An hour of the week is the mean of so many weeks; after that a new week counts one part in so many. */
const WEEKS = 8
/** Weeks that have to pass before anything is unusual; gaps are measured from the second on. */
const WEEKS_TO_LEARN = 2
/** Gaps that have to be remembered. */
const GAPS_TO_LEARN = 10
/** A silence that chance makes once in so many weeks is unusual. */
const ONCE_IN_WEEKS = 1_000
/** It also has to be so many times as long as the longest that is remembered. */
const OVER_LONGEST = 2.5
/** Active minutes that count for nothing, so that sums which are equal on paper are equal here. */
const NOTHING = 1e-6
/** Less is never unusual. */
const SHORTEST_MS = 10 * MINUTE
/** A merchant whose usual silences need longer than this is not watched. */
const LONGEST_HOURS = 8 * HOURS_OF_WEEK
/** What happened so long before it was recorded is history: it teaches nothing about how a merchant sends now. */
const HISTORY_MS = 24 * HOUR

const noGaps: Gaps = { count: 0, sum: 0, squares: 0, longest: 0 }

const hourOf = (at: number, phase: number): number => Math.floor((at + phase) / HOUR)

const phaseOf = (zone: string, at: number): number => ((offsetAt(zone, at) % HOUR) + HOUR) % HOUR

/** 0 to 167; 0 is the first hour of Thursday, as the epoch was one. */
const hourOfWeek = (zone: string, phase: number, hour: number): number => {
  const begin = hour * HOUR - phase
  const local = Math.floor((begin + offsetAt(zone, begin)) / HOUR) % HOURS_OF_WEEK
  return local < 0 ? local + HOURS_OF_WEEK : local
}

/** Nothing is known yet: the merchant is watched from now on. */
export const beginRate = (zone: string, at: number): UsualRate => {
  const phase = phaseOf(zone, at)
  const hour = hourOf(at, phase)
  return {
    ...{ zone, phase, since: hour + 1, hour, active: 0 },
    minute: Math.floor(at / MINUTE),
    usual: new Float64Array(HOURS_OF_WEEK),
    gaps: noGaps,
    afterMs: undefined,
  }
}

/**
 * After an event, which may make the merchant active or not.
 * @param before the merchant's presence before the event; @param touched what the event made of it;
 * @param at activity time of the event.
 */
export const hear = (
  rate: UsualRate,
  before: Presence,
  touched: Touch,
  at: number,
  recordedAt: number,
): UsualRate => {
  if (before === undefined || touched.next === before || isIdle(touched.next)) return rate
  const lastRecordedAt = isIdle(before) ? before.silence.lastRecordedAt : before.recordedAt
  const wasUnusual = touched.return !== undefined && rate.afterMs !== undefined
  const minute = Math.floor(recordedAt / MINUTE)
  if (minute <= rate.minute) return rate
  const isHistory = recordedAt - at > HISTORY_MS
  const isMeasured = !isHistory && hourOf(lastRecordedAt, rate.phase) >= rate.since + HOURS_OF_WEEK
  const expected = isMeasured ? expectedBetween(rate, lastRecordedAt, recordedAt) : 0
  // What was reported as unusual is not to become usual at once: it counts as what it takes to be reported.
  const gap = wasUnusual ? Math.min(expected, unusual(rate)) : expected
  const passed = passHours(rate, hourOf(recordedAt, rate.phase))
  const learned = {
    ...passed,
    minute,
    active: isHistory ? passed.active : passed.active + 1,
    gaps: isMeasured ? withGap(passed.gaps, gap) : passed.gaps,
  }
  return { ...learned, afterMs: unusualAfter(learned, recordedAt) }
}

/** The merchant has another time zone: what is known of each hour stays with the hour as it was. */
export const moveRate = (rate: UsualRate, zone: string, at: number): UsualRate => {
  const by = Math.round((offsetAt(zone, at) - offsetAt(rate.zone, at)) / HOUR)
  const usual = new Float64Array(HOURS_OF_WEEK)
  for (let hour = 0; hour < HOURS_OF_WEEK; hour++) {
    usual[(hour + by + HOURS_OF_WEEK) % HOURS_OF_WEEK] = rate.usual[hour] as number
  }
  const moved = { ...rate, zone, phase: phaseOf(zone, at), usual }
  return { ...moved, afterMs: unusualAfter(moved, at) }
}

/** The hours before this one are learned, those without a recording too. */
const passHours = (rate: UsualRate, to: number): UsualRate => {
  if (to <= rate.hour) return rate
  const usual = rate.usual.slice()
  let { gaps } = rate
  for (let hour = Math.max(rate.hour, rate.since); hour < to; hour++) {
    const place = hourOfWeek(rate.zone, rate.phase, hour)
    const week = Math.floor((hour - rate.since) / HOURS_OF_WEEK)
    const before = usual[place] as number
    usual[place] = before + ((hour === rate.hour ? rate.active : 0) - before) / Math.min(week + 1, WEEKS)
    if ((hour + 1 - rate.since) % HOURS_OF_WEEK === 0) gaps = weekLater(gaps)
  }
  return { ...rate, hour: to, active: 0, usual, gaps }
}

const weekLater = ({ count, sum, squares, longest }: Gaps): Gaps => {
  const left = 1 - 1 / WEEKS
  return { count: count * left, sum: sum * left, squares: squares * left, longest: longest * left }
}

const withGap = ({ count, sum, squares, longest }: Gaps, gap: number): Gaps => ({
  count: count + 1,
  sum: sum + gap,
  squares: squares + gap * gap,
  longest: Math.max(longest, gap),
})

const expectedBetween = ({ zone, phase, usual }: UsualRate, from: number, to: number): number => {
  let expected = 0
  for (let hour = hourOf(from, phase); hour <= hourOf(to, phase); hour++) {
    const begin = Math.max(from, hour * HOUR - phase)
    const end = Math.min(to, (hour + 1) * HOUR - phase)
    expected += ((usual[hourOfWeek(zone, phase, hour)] as number) * (end - begin)) / HOUR
  }
  return expected
}

/**
 * So many active minutes that were to be expected, and did not come, are unusual. Were minutes independent, gaps would
 * be exponential with mean 1; sessions make them longer. Whoever looks at a time of no account waits for
 * `squares / (2 * sum)` on average (the mean residual life of a renewal process): of many short gaps and a few long,
 * exponential ones that is the mean of the long.
 */
const unusual = ({ gaps, usual }: UsualRate): number => {
  const mean = gaps.squares / (2 * gaps.sum)
  let aWeek = 0
  for (const minutes of usual) aWeek += minutes
  return Math.max(
    mean * Math.log(Math.max((ONCE_IN_WEEKS * aWeek) / mean, Math.E)),
    OVER_LONGEST * gaps.longest,
  )
}

/** After so many ms from `from` on a silence is unusual. */
const unusualAfter = (rate: UsualRate, from: number): number | undefined => {
  const { zone, phase, usual, since, gaps } = rate
  const first = hourOf(from, phase)
  if (first < since + WEEKS_TO_LEARN * HOURS_OF_WEEK) return undefined
  if (gaps.count < GAPS_TO_LEARN || gaps.sum <= 0) return undefined
  let left = Math.max(NOTHING, unusual(rate) - NOTHING)
  for (let hour = first; hour < first + LONGEST_HOURS; hour++) {
    const begin = Math.max(from, hour * HOUR - phase)
    const end = (hour + 1) * HOUR - phase
    const aMs = (usual[hourOfWeek(zone, phase, hour)] as number) / HOUR
    const expected = aMs * (end - begin)
    if (expected >= left) return roundUp(Math.max(SHORTEST_MS, begin - from + left / aMs))
    left -= expected
  }
  return undefined
}

/** To minutes of two digits, so that the merchants of a partition have few different times. */
const roundUp = (ms: number): number => {
  const minutes = Math.ceil(ms / MINUTE)
  let step = 1
  while (minutes > 99 * step) step *= 10
  return Math.ceil(minutes / step) * step * MINUTE
}
