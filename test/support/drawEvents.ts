import { clockOf } from "./oracleClock.js"
import type { RawEvent } from "./oracleEvents.js"
import type { Random } from "./Seed.js"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export interface DrawnMerchant {
  readonly id: string
  readonly timezone: string
  readonly currency: string
}

export const ZONES = [
  "UTC",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "America/New_York",
  "Africa/Cairo",
  "Asia/Kathmandu",
  "Europe/Berlin",
]
const currencies = ["USD", "EUR", "JPY"]

/** User agents that leave no doubt, and what they say. */
export const AGENTS: Readonly<Record<string, { browser: string; os: string; device: string }>> = {
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36":
    { browser: "Chrome", os: "Windows", device: "desktop" },
  "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0": {
    browser: "Firefox",
    os: "Linux",
    device: "desktop",
  },
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1":
    { browser: "Safari", os: "iOS", device: "mobile" },
}

export const drawMerchant = (random: Random, id: string): DrawnMerchant => ({
  id,
  timezone: random.pick(ZONES),
  currency: random.pick(currencies),
})

/** The last whole hour before `now` at which the zone's clocks were set; `now` where they never are. */
export const lastClockChange = (zone: string, now: number): number => {
  const clock = clockOf(zone)
  const last = Math.floor(now / HOUR) * HOUR
  for (let at = last; at > last - 400 * DAY; at -= HOUR) {
    if (clock.offset(at) !== clock.offset(at - HOUR)) return at
  }
  return last
}

const types = [
  "pageview",
  "pageview",
  "pageview",
  "payment",
  "payment",
  "refund",
  "request",
  "add.to_cart",
  "__proto__",
]
/** Either side of the gap that parts two sessions. */
const gaps = [0, 1_000, 2 * MINUTE, 30 * MINUTE - 1, 30 * MINUTE, 30 * MINUTE + 1]
const paths = ["/", "/a", "/b?utm_source=x&q=1", "https://shop.example/ü/c#d", "/\u{1F30A}", "/\uffee", "/Z"]
const referrers = ["https://search.example/?q=1", "http://News.example:8080/x", "https://a.b.example"]

/** Names and values that code may take for something else. */
const odd = ["__proto__", "constructor", "(none)", "(other)", "a\u001fb", "\"'\\", " ", "0"]

const maybe = <A>(random: Random, oneIn: number, make: () => A): A | undefined =>
  random.integer(oneIn) === 0 ? make() : undefined

/** Without the fields that are undefined. */
const compact = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const drawEvent = (
  random: Random,
  id: string,
  merchantId: string,
  clientId: string | undefined,
  timestamp: number,
): RawEvent => {
  const drawn = random.pick(types)
  const type = drawn === "request" && clientId === undefined ? "pageview" : drawn
  const paid = type === "payment" || type === "refund"
  const user = compact({
    grade: maybe(random, 3, () => random.pick(["gold", "silver", "constructor", "(none)"])),
    gender: maybe(random, 3, () => random.pick(["f", "m", "x"])),
    birthYear: maybe(random, 2, () => 1930 + random.integer(90)),
    country: maybe(random, 2, () => random.pick(["JP", "de", "US"])),
    device: maybe(random, 3, () => random.pick(["mobile", "Tablet", "desktop"])),
  })
  const properties = compact({
    sku: maybe(random, 2, () => `S-${random.integer(5)}`),
    [random.pick(["constructor", "toString", "\u00fc \u{1F30A}"])]: maybe(random, 4, () => random.pick(odd)),
    size: maybe(random, 2, () => random.integer(4)),
    gift: maybe(random, 3, () => random.integer(2) === 0),
  })
  return compact({
    id,
    type,
    merchantId,
    clientId,
    timestamp,
    amount: paid ? random.pick([0, 1, random.integer(1_000), random.integer(1_000_000)]) : undefined,
    currency: paid ? maybe(random, 2, () => random.pick(currencies)) : undefined,
    paymentMethod: paid ? maybe(random, 2, () => random.pick(["card", "cash"])) : undefined,
    pointsUsed: maybe(random, 4, () => random.integer(50)),
    pointsEarned: maybe(random, 3, () => random.integer(50)),
    url: random.integer(5) === 0 ? undefined : random.pick(paths),
    referrer: maybe(random, 3, () => random.pick(referrers)),
    // Without a client id, address and user agent would name a client.
    userAgent: clientId === undefined ? undefined : maybe(random, 2, () => random.pick(Object.keys(AGENTS))),
    user: Object.keys(user).length === 0 ? undefined : user,
    properties: Object.keys(properties).length === 0 ? undefined : properties,
  }) as unknown as RawEvent
}

/** Where the events of a merchant lie in time. */
type Shape = "recent" | "clocks" | "history" | "crowded" | "crowdedClocks"

const timeIn = (random: Random, shape: Shape, zone: string, now: number): (() => number) => {
  const change = lastClockChange(zone, now - 3 * DAY)
  // Within what minutes are kept, within what ten minutes are kept, or long ago.
  const crowded = now - DAY - random.integer(random.pick([3 * DAY, 80 * DAY, 400 * DAY]))
  switch (shape) {
    case "recent":
      return () => now - 10 * MINUTE - random.integer(5 * DAY)
    case "clocks":
      return () => change + random.integer(4 * DAY) - 2 * DAY
    case "crowdedClocks":
      return () => change + random.integer(12 * HOUR) - 6 * HOUR
    case "crowded":
      return () => crowded + random.integer(20 * HOUR)
    case "history":
      return () => now - DAY - random.integer(600 * DAY)
  }
}

/** Visits of a few clients and many events without any, in an order of arrival that has little to do with time. */
export const drawEvents = (random: Random, merchant: DrawnMerchant, now: number): ReadonlyArray<RawEvent> => {
  const { id: merchantId, timezone } = merchant
  const events: Array<RawEvent> = []
  let made = 0
  const id = () => `${random.pick(["", "a", "B", "zz", "\u00e9", "\uffee"])}-${made++}`
  const shapes: ReadonlyArray<readonly [Shape, number]> = random.pick([
    [
      ["recent", 120],
      ["clocks", 120],
    ],
    [
      ["crowded", 700],
      ["history", 60],
    ],
    [
      ["crowdedClocks", 600],
      ["recent", 60],
    ],
    [
      ["history", 150],
      ["clocks", 60],
    ],
  ])
  for (const [shape, count] of shapes) {
    const time = timeIn(random, shape, timezone, now)
    const clients = count > 500 ? 150 : 8
    for (const until = events.length + count; events.length < until; ) {
      const clientId = random.integer(6) === 0 ? undefined : `c-${random.integer(clients)}`
      let at = time()
      for (let left = 1 + random.integer(5); left > 0; left--) {
        if (at > now) break
        events.push(drawEvent(random, id(), merchantId, clientId, at))
        at += random.integer(3) === 0 ? random.integer(40 * MINUTE) : random.pick(gaps)
      }
    }
  }
  for (let at = events.length - 1; at > 0; at--) {
    const other = random.integer(at + 1)
    const kept = events[at] as RawEvent
    events[at] = events[other] as RawEvent
    events[other] = kept
  }
  return resent(random, events)
}

/** Some are sent again later, a few with another content: the first counts. */
const resent = (random: Random, events: ReadonlyArray<RawEvent>): ReadonlyArray<RawEvent> => {
  const all = [...events]
  for (let count = Math.ceil(events.length / 25); count > 0; count--) {
    const first = random.integer(events.length)
    const event = events[first] as RawEvent
    const again =
      random.integer(2) === 0 ? event : { ...event, url: "/again", timestamp: event.timestamp - HOUR }
    all.splice(first + 1 + random.integer(all.length - first), 0, again)
  }
  return all
}
