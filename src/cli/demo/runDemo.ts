import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { SingleBar } from "cli-progress"
import { adminKey } from "../adminKey.js"
import { EventSender, Interrupted } from "../client/EventSender.js"
import { Http } from "../client/Http.js"
import { Round } from "../import/Round.js"
import { createShop } from "./createShops.js"
import { Customers } from "./customers.js"
import { DAY, dayOf, historyOfDay } from "./history.js"
import { LiveVisits } from "./live.js"
import { seedOf } from "./seed.js"
import { demoShops, type Shop } from "./shops.js"

export interface DemoOptions {
  readonly url: string
  readonly key?: string
  readonly shops: number
  /** Events a second, of the live part. */
  readonly rate: number
  /** Days of it before today. */
  readonly history: number
  readonly seed: number
  /** Seconds of the live part; undefined for until stopped. */
  readonly duration?: number
}

interface Played {
  readonly shop: Shop
  readonly customers: Customers
}

const TICK_MS = 250
const SAY_EVERY_MS = 10_000
const PATIENCE_MS = 300_000

const dayAt = (at: number): string => `${new Date(at).toISOString().slice(0, 10)}T00:00:00Z`

const whereToLook = (url: string, id: string | undefined, now: number): string => `
Where to look:
  ${url}/graphql   with the header Authorization: Bearer KEY, for example:

  { merchant(id: "${id}") {
      series(metric: PAYMENTS, interval: DAY, range: { from: "${dayAt(now - 14 * DAY)}", to: "${dayAt(now + DAY)}" }) {
        points { at value } asOf { lagMs } } } }

  subscription { liveMetrics(merchantId: "${id}") { activeClients today { metric value } } }
`

/** Sends the days one after another, all shops of a day together. Answers what was new. */
const sendHistory = async (
  played: ReadonlyArray<Played>,
  options: DemoOptions,
  sender: EventSender,
): Promise<{ readonly accepted: number; readonly duplicates: number }> => {
  const now = Date.now()
  const sum = { accepted: 0, duplicates: 0 }
  let round = new Round()
  const flush = async (): Promise<void> => {
    const { accepted, duplicates, rejected } = await round.send(sender)
    const first = rejected[0]
    if (first !== undefined) throw new Error(`the server refused an event of the demo: ${first.reason}`)
    sum.accepted += accepted
    sum.duplicates += duplicates
    round = new Round()
  }
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: "history {bar} {value} of {total} days",
        stream: process.stderr,
        hideCursor: true,
      })
    : undefined
  bar?.start(options.history + 1, 0)
  try {
    for (let back = options.history; back >= 0; back -= 1) {
      for (const { shop, customers } of played) {
        for (const event of historyOfDay(shop, customers, options.seed, dayOf(shop, now) - back)) {
          if (event.at > now) continue
          round.add(event, { offset: 0, line: 0 })
          if (round.isFull) await flush()
        }
      }
      bar?.increment()
    }
    await flush()
  } finally {
    bar?.stop()
  }
  return sum
}

/** Sends visits as they happen until `duration` is over or the person stops it. */
const sendLive = async (
  played: ReadonlyArray<Played>,
  options: DemoOptions,
  sender: EventSender,
  signal: AbortSignal,
): Promise<number> => {
  const start = Date.now()
  const end = options.duration === undefined ? Number.POSITIVE_INFINITY : start + options.duration * 1_000
  const run = `${start.toString(36)}${randomBytes(3).toString("hex")}`
  const visits = new LiveVisits(played, options.rate, seedOf(options.seed, run), run, start)
  let sent = 0
  let saidAt = start
  for (let now = start; now < end && !signal.aborted; now = Date.now()) {
    const events = visits.due(now)
    if (events.length > 0) {
      await sender.send(events.map(({ json }) => json))
      sent += events.length
    }
    if (now - saidAt >= SAY_EVERY_MS) {
      saidAt = now
      console.log(`${new Date(now).toISOString().slice(11, 19)}  ${sent} live events`)
    }
    await sleep(TICK_MS, undefined, { signal }).catch(() => {})
  }
  return sent
}

/** Makes the shops, sends their history and then visits as they happen, and says so on the way. */
export const runDemo = async (options: DemoOptions): Promise<void> => {
  const key = adminKey(options.key)
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  process.once("SIGINT", stop)
  process.once("SIGTERM", stop)
  const http = new Http(options.url, key, 30_000)
  const sender = new EventSender({
    ...{ url: options.url, key, patienceMs: PATIENCE_MS, signal: stopping.signal },
    onTrouble: (what) => console.error(`The server takes nothing now (${what}). Trying again …`),
  })
  const shops = demoShops(options.shops)
  try {
    for (const shop of shops) {
      const isNew = await createShop(http, shop)
      console.log(
        `${isNew ? "made " : "found"}  ${shop.id.padEnd(24)} ${shop.name}, ${shop.location}, ${shop.currency}`,
      )
    }
    const played = shops.map((shop) => ({ shop, customers: new Customers(shop, options.seed) }))
    console.log(`\nSending ${options.history} days of history …`)
    const { accepted, duplicates } = await sendHistory(played, options, sender)
    console.log(`${accepted} events are new, ${duplicates} were there.`)
    console.log(whereToLook(options.url, shops[0]?.id, Date.now()))
    if (options.duration !== 0)
      console.log(`Sending about ${options.rate} events/s of visits. Ctrl-C ends it.`)
    const sent = await sendLive(played, options, sender, stopping.signal)
    console.log(`${sent} live events were sent. Run it again at any time: history is not doubled.`)
  } catch (cause) {
    if (!(cause instanceof Interrupted)) throw cause
    console.log("Stopped. Run it again at any time: history is not doubled.")
  } finally {
    process.off("SIGINT", stop)
    process.off("SIGTERM", stop)
    http.close()
    sender.close()
  }
}
