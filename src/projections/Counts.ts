import type { Metric } from "../domain/Metrics.js"
import { whole } from "../domain/whole.js"
import type { Session } from "./ClientDay.js"
import type { CountedRows, Fact } from "./Facts.js"

/**
 * The stored form of a bucket's numbers, an array to keep documents short: events, page views, sessions,
 * bounces, milliseconds in sessions, payments, refunds, points used, points earned, and then for each
 * currency, in order of its code: the code, its payments and their sum, its refunds and their sum.
 * A sum past 2^53 is a decimal string, as a JSON number would lose digits. It ends with the last number that
 * was counted: most buckets are of page views alone.
 */
export type Counts = Array<number | string>

/** Places in `Counts`. */
export const EVENTS = 0
export const PAGEVIEWS = 1
export const SESSIONS = 2
export const BOUNCES = 3
export const SESSION_MS = 4
const PAYMENTS = 5
const REFUNDS = 6
const POINTS_USED = 7
const POINTS_EARNED = 8
const MONEY = 9
const GROUP = 5

/** Where the currencies' numbers begin, and how many each has with its code. */
export const FIRST_CURRENCY = MONEY
export const PER_CURRENCY = GROUP

export const noCounts = (): Counts => []

export const addSum = (sum: number | string, amount: number | string): number | string => {
  if (typeof sum === "number" && typeof amount === "number") {
    const total = sum + amount
    if (Number.isSafeInteger(total)) return total
  }
  const total = BigInt(sum) + BigInt(amount)
  return total <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(total) : String(total)
}

const reach = (counts: Counts, length: number): void => {
  while (counts.length < length) counts.push(0)
}

const bump = (counts: Counts, at: number, by: number): void => {
  if (at >= counts.length) {
    if (by === 0) return
    reach(counts, at + 1)
  }
  counts[at] = (counts[at] as number) + by
}

/** Where the currency's numbers are; they are put in when it is new. */
const moneyAt = (counts: Counts, currency: string): number => {
  reach(counts, MONEY)
  let at = MONEY
  while (at < counts.length && (counts[at] as string) < currency) at += GROUP
  if (counts[at] !== currency) counts.splice(at, 0, currency, 0, 0, 0, 0)
  return at
}

const addTo = (counts: Counts, at: number, more: number | string): void => {
  if (at >= counts.length) {
    if (more === 0) return
    reach(counts, at + 1)
  }
  counts[at] = addSum(counts[at] as number | string, more)
}

/** Sets a number that is not money, by its place. */
export const setCount = (counts: Counts, index: number, value: number | string): void => {
  reach(counts, index + 1)
  counts[index] = value
}

/** Sets a number of a currency: 0 to 3 are payments and their sum, refunds and their sum. */
export const setMoney = (counts: Counts, currency: string, index: number, value: number | string): void => {
  counts[moneyAt(counts, currency) + 1 + index] = value
}

/** Index in `Values` of what is counted. */
export const TYPE = 0
const CURRENCY = 8

const countMoney = (
  counts: Counts,
  isPayment: boolean,
  { amount, pointsUsed, pointsEarned }: Pick<Fact, "amount" | "pointsUsed" | "pointsEarned">,
  currency: string | null,
): void => {
  bump(counts, isPayment ? PAYMENTS : REFUNDS, 1)
  if (isPayment && pointsUsed !== null) addTo(counts, POINTS_USED, pointsUsed)
  if (isPayment && pointsEarned !== null) addTo(counts, POINTS_EARNED, pointsEarned)
  if (amount === null || currency === null) return
  const at = moneyAt(counts, currency) + (isPayment ? 1 : 3)
  bump(counts, at, 1)
  addTo(counts, at + 1, amount)
}

/** Counts a fact into the bucket, in place. */
export const countRow = (counts: Counts, columns: CountedRows, row: number): void => {
  bump(counts, EVENTS, 1)
  const type = columns.value(row, TYPE)
  if (type === "pageview") bump(counts, PAGEVIEWS, 1)
  else if (type === "payment" || type === "refund") {
    const money = {
      amount: columns.amount(row),
      pointsUsed: columns.pointsUsed(row),
      pointsEarned: columns.pointsEarned(row),
    }
    countMoney(counts, type === "payment", money, columns.value(row, CURRENCY))
  }
}

/** Counts events that are no payments and refunds, of which so many are page views, in place. */
export const addEvents = (counts: Counts, events: number, pageViews: number): void => {
  bump(counts, EVENTS, events)
  bump(counts, PAGEVIEWS, pageViews)
}

/** What sessions add to a bucket; negative where there were more before. */
export interface SessionChange {
  readonly sessions: number
  readonly bounces: number
  readonly milliseconds: number
}

/** 1 for a session that is a page view alone. */
export const bounces = (session: Pick<Session, "events" | "pageViews">): number =>
  session.events === 1 && session.pageViews === 1 ? 1 : 0

/** A session that comes into the bucket of its start, or with -1 goes from it. */
export const wholeSession = (session: Session, sign: 1 | -1): SessionChange => ({
  sessions: sign,
  bounces: sign * bounces(session),
  milliseconds: whole(sign * (session.end - session.start)),
})

/** A session that stays in its bucket and goes on. */
export const longerSession = (before: Session, after: Session): SessionChange => ({
  sessions: 0,
  bounces: bounces(after) - bounces(before),
  milliseconds: whole(after.end - before.end),
})

/** Counts it, in place. */
export const changeSessions = (counts: Counts, change: SessionChange): void => {
  bump(counts, SESSIONS, change.sessions)
  bump(counts, BOUNCES, change.bounces)
  addTo(counts, SESSION_MS, change.milliseconds)
}

/** Adds `more` to `counts`, in place. */
export const addCounts = (counts: Counts, more: Counts): void => {
  const plain = Math.min(MONEY, more.length)
  for (let i = 0; i < plain; i++) addTo(counts, i, more[i] as number | string)
  for (let i = MONEY; i < more.length; i += GROUP) {
    const at = moneyAt(counts, more[i] as string)
    for (let j = 1; j < GROUP; j++) addTo(counts, at + j, more[i + j] as number | string)
  }
}

/** What a bucket holds of one currency; sums in minor units. */
export interface MoneyCounts {
  readonly payments: number
  readonly gross: bigint
  readonly refunds: number
  readonly refunded: bigint
}

const noMoney: MoneyCounts = { payments: 0, gross: 0n, refunds: 0, refunded: 0n }

export const moneyOf = (counts: Counts, currency: string): MoneyCounts => {
  for (let i = MONEY; i < counts.length; i += GROUP) {
    if (counts[i] !== currency) continue
    const [payments, gross, refunds, refunded] = counts.slice(i + 1, i + GROUP)
    return {
      payments: Number(payments),
      gross: BigInt(gross ?? 0),
      refunds: Number(refunds),
      refunded: BigInt(refunded ?? 0),
    }
  }
  return noMoney
}

/** The currencies of the bucket's payments and refunds. */
export const currenciesOf = (counts: Counts): ReadonlyArray<string> =>
  counts.filter((_, index) => index >= MONEY && (index - MONEY) % GROUP === 0).map(String)

const numberIn = (counts: Counts, at: number): number => (counts[at] as number | undefined) ?? 0

/** 0 ÷ 0 is null. */
const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)

/**
 * A metric of the bucket, without VISITORS, which are no sum. Money is in minor units of the currency;
 * past 2^53 it is rounded to what a number can hold.
 */
export const metricValue = (
  counts: Counts,
  metric: Exclude<Metric, "VISITORS">,
  currency: string,
): number | null => {
  switch (metric) {
    case "EVENTS":
      return numberIn(counts, EVENTS)
    case "PAGEVIEWS":
      return numberIn(counts, PAGEVIEWS)
    case "SESSIONS":
      return numberIn(counts, SESSIONS)
    case "BOUNCE_RATE":
      return ratio(numberIn(counts, BOUNCES), numberIn(counts, SESSIONS))
    case "SESSION_SECONDS":
      return ratio(Number(counts[SESSION_MS] ?? 0) / 1000, numberIn(counts, SESSIONS))
    case "PAYMENTS":
      return numberIn(counts, PAYMENTS)
    case "GROSS_VOLUME":
      return Number(moneyOf(counts, currency).gross)
    case "REFUNDS":
      return numberIn(counts, REFUNDS)
    case "REFUND_VOLUME":
      return Number(moneyOf(counts, currency).refunded)
    case "NET_VOLUME": {
      const { gross, refunded } = moneyOf(counts, currency)
      return Number(gross - refunded)
    }
    case "AVERAGE_ORDER_VALUE": {
      const { gross, payments } = moneyOf(counts, currency)
      return ratio(Number(gross), payments)
    }
    case "POINTS_USED":
      return Number(counts[POINTS_USED] ?? 0)
    case "POINTS_EARNED":
      return Number(counts[POINTS_EARNED] ?? 0)
  }
}

/** Whether the bucket holds anything that the metric is made of: payments of 0 in the currency are. */
export const isMet = (counts: Counts, metric: Exclude<Metric, "VISITORS">, currency: string): boolean => {
  switch (metric) {
    case "BOUNCE_RATE":
    case "SESSION_SECONDS":
      return numberIn(counts, SESSIONS) > 0
    case "GROSS_VOLUME":
    case "AVERAGE_ORDER_VALUE":
      return moneyOf(counts, currency).payments > 0
    case "REFUND_VOLUME":
      return moneyOf(counts, currency).refunds > 0
    case "NET_VOLUME": {
      const { payments, refunds } = moneyOf(counts, currency)
      return payments + refunds > 0
    }
    default:
      return (metricValue(counts, metric, currency) ?? 0) > 0
  }
}
