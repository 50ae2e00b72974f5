import type { Random } from "./Seed.js"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** How a shop sends: when it is recorded, from `from` on for so many days, in order. Local time is UTC. */
export interface Shop {
  readonly name: string
  /** At most some hundreds of events a week. */
  readonly isSparse?: boolean
  readonly recordings: (random: Random, from: number, days: number) => ReadonlyArray<number>
}

const exponential = (random: Random, mean: number): number => -mean * Math.log(1 - random.next())

/** About the standard normal distribution. */
const normal = (random: Random): number => {
  let sum = -6
  for (let n = 0; n < 12; n++) sum += random.next()
  return sum
}

/** Arrivals whose rate an hour is `rateAt`, at most `highest`. */
const arrivals = (
  random: Random,
  from: number,
  to: number,
  highest: number,
  rateAt: (at: number) => number,
): Array<number> => {
  const found: Array<number> = []
  for (let at = from; ; ) {
    at += exponential(random, HOUR / highest)
    if (at >= to) return found
    if (random.next() * highest < rateAt(at)) found.push(Math.floor(at))
  }
}

/** Days differ: some are twice as busy as others, whatever the shop. */
const dayFactor = (random: Random): number => Math.exp(0.3 * normal(random))

/** Days one after the other, each by its own rules. */
const byDay =
  (day: (random: Random, from: number, weekday: number) => Array<number>): Shop["recordings"] =>
  (random, from, days) => {
    const found: Array<number> = []
    for (let n = 0; n < days; n++) {
      const begin = from + n * DAY
      found.push(...day(random, begin, new Date(begin).getUTCDay()))
    }
    return found.sort((a, b) => a - b)
  }

const isWeekend = (weekday: number): boolean => weekday === 0 || weekday === 6

/** Between two hours of the day, each moved by a quarter of an hour or so. */
const open = (random: Random, begin: number, first: number, last: number, rate: number): Array<number> => {
  const busy = rate * dayFactor(random)
  const jitter = () => normal(random) * 15 * MINUTE
  return arrivals(random, begin + first * HOUR + jitter(), begin + last * HOUR + jitter(), busy, () => busy)
}

/** What follows a first request: more of the same visitor, half a minute apart, for some minutes. */
const session = (random: Random, begin: number): Array<number> => {
  const found = [begin]
  const end = begin + exponential(random, 8 * MINUTE)
  for (let at = begin + exponential(random, MINUTE / 2); at < end; at += exponential(random, MINUTE / 2)) {
    found.push(Math.floor(at))
  }
  return found
}

/** Busy in the evening, nobody at night: 0 to 1 by hour of the day. */
const daylight = (at: number): number => {
  const hour = (at % DAY) / HOUR
  return hour < 7 || hour > 23 ? 0 : Math.sin(((hour - 7) / 16) * Math.PI)
}

export const shops: ReadonlyArray<Shop> = [
  {
    name: "steady, 200 events an hour",
    recordings: byDay((random, begin) => {
      const busy = 200 * dayFactor(random)
      return arrivals(random, begin, begin + DAY, busy, () => busy)
    }),
  },
  {
    name: "every 5 minutes, a machine",
    recordings: (random, from, days) =>
      Array.from({ length: days * 288 }, (_, n) => Math.floor(from + n * 5 * MINUTE + random.next() * 5_000)),
  },
  {
    name: "office hours, 30 an hour, no weekends",
    recordings: byDay((random, begin, weekday) => (isWeekend(weekday) ? [] : open(random, begin, 9, 18, 30))),
  },
  {
    name: "every day, 20 an hour, nights off",
    recordings: byDay((random, begin) => {
      const busy = 20 * dayFactor(random)
      return arrivals(random, begin, begin + DAY, busy, (at) => busy * daylight(at))
    }),
  },
  {
    name: "5 an hour by day, 1 at night, half at weekends",
    isSparse: true,
    recordings: byDay((random, begin, weekday) => {
      const busy = (isWeekend(weekday) ? 0.5 : 1) * dayFactor(random)
      return arrivals(random, begin, begin + DAY, 5 * busy, (at) => busy * Math.max(1, 5 * daylight(at)))
    }),
  },
  {
    name: "bursty: 12 sessions a day",
    isSparse: true,
    recordings: byDay((random, begin) => {
      const busy = dayFactor(random)
      const starts = arrivals(random, begin, begin + DAY, 1.2 * busy, (at) => 1.2 * busy * daylight(at))
      return starts.flatMap((start) => session(random, start))
    }),
  },
  {
    name: "bursty: 2 sessions a day",
    isSparse: true,
    recordings: byDay((random, begin) => {
      const busy = dayFactor(random)
      const starts = arrivals(random, begin, begin + DAY, 0.2 * busy, (at) => 0.2 * busy * daylight(at))
      return starts.flatMap((start) => session(random, start))
    }),
  },
  {
    name: "a batch each night",
    isSparse: true,
    recordings: byDay((random, begin) => {
      const start = begin + 2 * HOUR + Math.abs(normal(random)) * 20 * MINUTE
      return Array.from({ length: 40 }, (_, n) => Math.floor(start + n * 5_000))
    }),
  },
  {
    name: "tiny: 4 events a week",
    isSparse: true,
    recordings: (random, from, days) =>
      arrivals(random, from, from + days * DAY, 0.06, (at) => 0.06 * daylight(at)),
  },
]
