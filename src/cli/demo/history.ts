import { offsetAt } from "../../domain/Zone.js"
import { Random } from "../loadgen/Random.js"
import type { Customers } from "./customers.js"
import { seedOf } from "./seed.js"
import type { Shop } from "./shops.js"
import { type DemoEvent, visit } from "./visit.js"

export const DAY = 86_400_000
const HOUR = 3_600_000

/** Visits by hour of the day where the shop is, as parts of the busiest hour. */
const rhythm = [
  0.12, 0.07, 0.04, 0.03, 0.03, 0.06, 0.15, 0.3, 0.45, 0.55, 0.62, 0.7, 0.82, 0.72, 0.62, 0.6, 0.62, 0.7,
  0.82, 0.95, 1, 0.9, 0.6, 0.3,
]
const rhythmSum = rhythm.reduce((sum, part) => sum + part, 0)
/** By day of the week, from Sunday. */
const week = [1.15, 0.9, 0.88, 0.92, 0.97, 1.05, 1.25]

/** The instant that clocks at the shop show as this one would be in UTC. */
const fromLocal = (shop: Shop, local: number): number =>
  local - offsetAt(shop.timezone, local - offsetAt(shop.timezone, local))

const hourOf = (random: Random): number => {
  let left = random.next() * rhythmSum
  for (let hour = 0; hour < rhythm.length; hour += 1) {
    left -= rhythm[hour] as number
    if (left < 0) return hour
  }
  return 23
}

/** How busy a shop is at an instant, as a part of its busiest hour. */
export const busyness = (shop: Shop, at: number): number => {
  const local = new Date(at + offsetAt(shop.timezone, at))
  return (rhythm[local.getUTCHours()] as number) * (week[local.getUTCDay()] as number)
}

/** The day that a shop has at an instant, as the number of days since 1970. */
export const dayOf = (shop: Shop, at: number): number => Math.floor((at + offsetAt(shop.timezone, at)) / DAY)

/** Refunds come one to five days later. */
const late = (random: Random): number => DAY + random.below(4 * DAY)

/**
 * Everything that begins on one day of a shop, by time: always the same events with the same seed.
 *
 * @param day days since 1970, by the shop's own clock
 */
export const historyOfDay = (
  shop: Shop,
  customers: Customers,
  seed: number,
  day: number,
): ReadonlyArray<DemoEvent> => {
  const date = new Date(day * DAY).toISOString().slice(0, 10)
  const random = new Random(seedOf(seed, shop.id, date))
  const weekday = week[new Date(day * DAY).getUTCDay()] as number
  const visits = Math.round(shop.visits * weekday * (0.85 + 0.3 * random.next()))
  const events: DemoEvent[] = []
  for (let index = 0; index < visits; index += 1) {
    const at = fromLocal(shop, day * DAY + hourOf(random) * HOUR + random.below(HOUR))
    const id = `demo-${seed}-${date}-${index}`
    events.push(...visit(shop, customers.draw(id, random), id, at, random, late))
  }
  return events.sort((a, b) => a.at - b.at)
}
