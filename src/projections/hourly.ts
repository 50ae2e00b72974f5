import { addSum } from "./Counts.js"
import { defineProjection, hourOf, type MerchantEvent, table } from "./DefinedProjection.js"

/** Values and how often they came, in the order in which they came first. */
export type Tally = Array<[value: string, count: number]>

/** What one merchant did in one UTC hour, in about 1 KB whatever happened. */
export interface Hour {
  events: number
  /** Events of each of its 60 minutes. */
  readonly minutes: Array<number>
  readonly types: Tally
  readonly paths: Tally
  readonly countries: Tally
  readonly devices: Tally
  /** By currency, in minor units: payments, their sum, refunds, their sum. A sum past 2^53 is a decimal string. */
  readonly money: Array<
    [string, payments: number, paid: number | string, refunds: number, back: number | string]
  >
  /** Payments by the length of their amount in binary digits: those of n are from 2^(n-1) to 2^n - 1, those of 0 are 0. */
  readonly amounts: Array<number>
}

/** Values of a kind that are told apart in one hour; what comes later counts as `(other)`. */
const MOST_VALUES = 8
/** Characters of a value that are kept. */
const LONGEST = 40
const OTHER = "(other)"

const count = (tally: Tally, value: string | undefined): void => {
  if (value === undefined) return
  const short = value.slice(0, LONGEST)
  const known = tally.find(([one]) => one === short)
  if (known !== undefined) {
    known[1]++
    return
  }
  if (tally.length < MOST_VALUES) {
    tally.push([short, 1])
    return
  }
  const other = tally.find(([one]) => one === OTHER)
  if (other === undefined) tally.push([OTHER, 1])
  else other[1]++
}

const countMoney = (hour: Hour, { type, data }: MerchantEvent): void => {
  const { amount, currency } = data
  if (amount === undefined || currency === undefined) return
  let own = hour.money.find(([one]) => one === currency)
  if (own === undefined) {
    own = [currency, 0, 0, 0, 0]
    hour.money.push(own)
  }
  if (type === "refund") {
    own[3]++
    own[4] = addSum(own[4], amount)
    return
  }
  own[1]++
  own[2] = addSum(own[2], amount)
  const digits = amount === 0 ? 0 : Math.floor(Math.log2(amount)) + 1
  while (hour.amounts.length <= digits) hour.amounts.push(0)
  hour.amounts[digits] = (hour.amounts[digits] ?? 0) + 1
}

/** A summary of each hour of a merchant, small enough to be kept for ever and to be read by the thousand. */
export const hourly = defineProjection({
  name: "hourly",
  version: 1,
  source: import.meta.url,
  tables: {
    hours: table(
      (): Hour => ({
        events: 0,
        minutes: new Array<number>(60).fill(0),
        types: [],
        paths: [],
        countries: [],
        devices: [],
        money: [],
        amounts: [],
      }),
    ),
  },
  fold: (event, { hours }) => {
    const hour = hours.edit(hourOf(event.at))
    const minute = new Date(event.at).getUTCMinutes()
    hour.events++
    hour.minutes[minute] = (hour.minutes[minute] ?? 0) + 1
    count(hour.types, event.type)
    count(hour.paths, event.data.path)
    count(hour.countries, event.data.country)
    count(hour.devices, event.data.device)
    if (event.type === "payment" || event.type === "refund") countMoney(hour, event)
  },
})
