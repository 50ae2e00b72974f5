import type { StoredEvent } from "../domain/Event.js"
import type { Metric } from "../domain/Metrics.js"

/**
 * The stored form of a bucket's numbers, an array to keep documents short:
 * events, page views, payments, and then for each currency, in order of its code, the code, the count of
 * its payments and their sum. A sum past 2^53 is a decimal string, as a JSON number would lose digits.
 */
export type Counts = Array<number | string>

const MONEY = 3

export const noCounts = (): Counts => [0, 0, 0]

export const addSum = (sum: number | string, amount: number | string): number | string => {
  if (typeof sum === "number" && typeof amount === "number") {
    const total = sum + amount
    if (Number.isSafeInteger(total)) return total
  }
  const total = BigInt(sum) + BigInt(amount)
  return total <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(total) : String(total)
}

const addMoney = (counts: Counts, currency: string, count: number, amount: number | string): void => {
  let at = MONEY
  while (at < counts.length && (counts[at] as string) < currency) at += 3
  if (counts[at] !== currency) counts.splice(at, 0, currency, 0, 0)
  counts[at + 1] = (counts[at + 1] as number) + count
  counts[at + 2] = addSum(counts[at + 2] as number | string, amount)
}

/** Counts a business event into the bucket, in place. */
export const countEvent = (counts: Counts, event: StoredEvent): void => {
  counts[0] = (counts[0] as number) + 1
  if (event.type === "pageview") counts[1] = (counts[1] as number) + 1
  else if (event.type === "payment") {
    counts[2] = (counts[2] as number) + 1
    const { amount, currency } = event.data
    if (amount !== undefined && currency !== undefined) addMoney(counts, currency, 1, amount)
  }
}

/** Adds `more` to `counts`, in place. */
export const addCounts = (counts: Counts, more: Counts): void => {
  for (let i = 0; i < MONEY; i++) counts[i] = (counts[i] as number) + (more[i] as number)
  for (let i = MONEY; i < more.length; i += 3) {
    addMoney(counts, more[i] as string, more[i + 1] as number, more[i + 2] as number | string)
  }
}

/** Payments in one currency: how many, and their sum in minor units. */
export const moneyOf = (
  counts: Counts,
  currency: string,
): { readonly count: number; readonly sum: bigint } => {
  for (let i = MONEY; i < counts.length; i += 3) {
    if (counts[i] === currency) return { count: counts[i + 1] as number, sum: BigInt(counts[i + 2] ?? 0) }
  }
  return { count: 0, sum: 0n }
}

/** A metric of the bucket. Money past 2^53 minor units is rounded to what a number can hold. */
export const metricValue = (counts: Counts, metric: Metric, currency: string): number => {
  switch (metric) {
    case "EVENTS":
      return counts[0] as number
    case "PAGEVIEWS":
      return counts[1] as number
    case "PAYMENTS":
      return counts[2] as number
    case "GROSS_VOLUME":
      return Number(moneyOf(counts, currency).sum)
  }
}
