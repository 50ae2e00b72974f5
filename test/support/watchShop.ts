import { type Presence, touch } from "../../src/domain/Idle.js"
import { beginRate, hear } from "../../src/domain/UsualRate.js"
import type { Random } from "./Seed.js"
import type { Shop } from "./shops.js"

const HOUR = 3_600_000
const WEEK = 168 * HOUR

export interface Watched {
  /** Alerts although the shop did what it always does, and the weeks in which there could have been one. */
  readonly alerts: number
  readonly weeks: number
  /** When enough was learned, in weeks; undefined for a shop that was never watched. */
  readonly learnedAfter: number | undefined
  /** Had it stopped at some time: how long until the alert, in hours. */
  readonly delays: ReadonlyArray<number>
  /** Times at which it could have stopped without an alert. */
  readonly never: number
}

/** A shop from its first week on, and what would have been if it had stopped at random times after three months. */
export const watchShop = (shop: Shop, random: Random, weeks: number, stops: number): Watched => {
  const from = Date.UTC(2026, 0, 5)
  const end = from + weeks * WEEK
  const recordings = shop.recordings(random, from, weeks * 7)
  const stopAt = Array.from({ length: stops }, () => from + (12 + random.next() * (weeks - 12)) * WEEK).sort(
    (a, b) => a - b,
  )
  const delays: Array<number> = []
  let [alerts, never, next] = [0, 0, 0]
  let learnedAt: number | undefined
  let rate = beginRate("UTC", from)
  let last = { at: from, recordedAt: from }
  for (const at of recordings) {
    for (let stop = stopAt[next]; stop !== undefined && stop < at; stop = stopAt[++next]) {
      if (rate.afterMs === undefined) never++
      else delays.push(Math.max(0, last.recordedAt + rate.afterMs - stop) / HOUR)
    }
    const before: Presence = last
    const touched = touch(before, at, at, rate.afterMs ?? Number.POSITIVE_INFINITY)
    if (touched.silence !== undefined) alerts++
    if (touched.next === before) continue
    rate = hear(rate, before, touched, at, at)
    if (rate.afterMs !== undefined) learnedAt ??= at
    last = { at, recordedAt: at }
  }
  return {
    ...{ alerts, delays, never },
    weeks: learnedAt === undefined ? 0 : (end - learnedAt) / WEEK,
    learnedAfter: learnedAt === undefined ? undefined : (learnedAt - from) / WEEK,
  }
}
