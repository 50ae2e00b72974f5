import { createHash } from "node:crypto"
import type { TestEvent } from "../unit/processors/support.js"
import type { Random } from "./Seed.js"

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000
export const merchantId = "m"
/** When the merchant was created, epoch ms. */
export const began = Date.parse("2026-01-10T00:00:00Z")

const maybe = <A>(random: Random, name: string, values: ReadonlyArray<A>): Record<string, A> =>
  random.integer(2) === 0 ? { [name]: random.pick(values) } : {}

const drawn = (random: Random, id: string, clientKey: string, at: number, recordedAt: number): TestEvent => {
  const type = random.pick(["pageview", "pageview", "pageview", "payment", "refund", "signup"])
  const paid = type === "payment" || type === "refund"
  return {
    type,
    at,
    recordedAt,
    data: {
      ...{ id, merchantId },
      ...(random.integer(9) === 0 ? {} : { clientKey }),
      ...maybe(random, "path", ["/", "/a", "/b", "/ü"]),
      ...maybe(random, "country", ["JP", "DE"]),
      ...maybe(random, "device", ["mobile", "desktop"]),
      ...maybe(random, "properties", [{ sku: "A" }, { sku: "B", size: 1 }]),
      ...(paid ? { amount: random.integer(5_000), currency: random.pick(["USD", "EUR"]) } : {}),
      ...maybe(random, "pointsUsed", [1, 2, 3]),
    },
  }
}

/** What was recorded over some days: mostly as it happened, now and then late, ahead, or in another zone. */
export const drawHistory = (
  random: Random,
  count: number,
  clients: number,
  days: number,
): ReadonlyArray<TestEvent> => {
  const settings = (timezone: string, recordedAt: number): TestEvent => ({
    ...{ type: "MerchantSettingsChanged", at: recordedAt, recordedAt },
    data: { merchantId, settings: { timezone } },
  })
  const keys = Array.from({ length: clients }, (_, i) =>
    createHash("sha256").update(`client ${i}`).digest("base64url").slice(0, 22),
  )
  const events: Array<TestEvent> = [{ ...settings("America/New_York", began), type: "MerchantCreated" }]
  let now = began
  while (events.length < count) {
    if (random.integer(Math.ceil(count / 3)) === 0) {
      events.push(settings(random.pick(["UTC", "Asia/Kolkata", "Europe/Berlin"]), now))
    }
    const client = keys[random.integer(clients)] as string
    const late = random.pick([0, 0, 0, 0, random.integer(HOUR), random.integer(2 * DAY), -4 * MINUTE])
    let at = Math.floor((now - late) / SECOND) * SECOND
    for (let left = 1 + random.integer(4); left > 0; left--) {
      const id = `${random.pick(["", "a", "\uffee"])}${events.length}`
      events.push(drawn(random, id, client, at, now))
      at += random.pick([0, 0, SECOND, MINUTE, 4 * MINUTE])
      now += random.integer((days * DAY * 2) / count)
      if (at > now + 4 * MINUTE) break
      if (random.integer(Math.max(4, count / 250)) === 0) {
        now = Math.max(now, at + random.pick([0, 29 * MINUTE, 30 * MINUTE]))
        at = now
      }
    }
  }
  return events
}
