// A year of visits to shops, in the order in which they happened: sessions of a few events within minutes,
// interleaved as a collector sees them. The same seed gives the same visits.
import { Random, uuid, Zipf } from "../../dist/cli/loadgen/Random.js"
import {
  agents,
  countries,
  custom,
  genders,
  grades,
  merchantName,
  methods,
  paths,
  referrers,
} from "./shops.mjs"

const DAY_MS = 86_400_000
/** Merchants beside `big`, by Zipf weights. */
export const OTHERS = 1_000
export const PATHS = 200

/** Events of a session: 1 to 5, 3 on average. */
const LENGTHS = [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5]
const MEAN_LENGTH = 3
/** The last session begins so long before the end that its events lie within. */
const LAST_MS = 20 * 60_000

const PAYMENTS = 0.1
const REFUNDS = 0.01
const CUSTOM = 0.09

/** A hash of 32 bits, for what belongs to a client and never changes. */
const mix = (number) => {
  let h = Math.imul(number ^ 0x9e3779b9, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Sessions by the time of their next event. */
class Queue {
  #heap = []

  get top() {
    return this.#heap[0]
  }

  push(session) {
    const heap = this.#heap
    let at = heap.length
    heap.push(session)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent].at <= session.at) break
      heap[at] = heap[parent]
      at = parent
    }
    heap[at] = session
  }

  pop() {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (heap.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1].at < heap[child].at) child++
      if (last.at <= heap[child].at) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = last
    return top
  }
}

export class Traffic {
  #random
  #others = new Zipf(OTHERS)
  #paths = new Zipf(PATHS)
  #countries = new Zipf(countries.length)
  #queue = new Queue()
  #sessions = 0
  #sessionsInAll
  #step
  #known = 0
  #clientsOf = Array.from({ length: OTHERS + 1 }, () => [])
  #drawnCountries

  /**
   * @param options `events` in all, `clients` in all, `seed`, the instant `to` (epoch ms) at which it ends, and
   * how many `days` it takes
   */
  constructor({ events, clients, seed, to, days = 365 }) {
    this.events = events
    this.clients = clients
    this.from = to - days * DAY_MS
    this.to = to
    this.#random = new Random(seed)
    this.#sessionsInAll = Math.max(1, Math.ceil(events / MEAN_LENGTH))
    this.#step = (days * DAY_MS - LAST_MS) / this.#sessionsInAll
    this.#drawnCountries = Uint8Array.from({ length: 4_096 }, () => this.#countries.draw(this.#random))
  }

  get #nextStart() {
    return this.from + (this.#sessions + this.#random.next()) * this.#step
  }

  /** Each event in order of time. The object that comes is used again for the next. */
  *[Symbol.iterator]() {
    const event = {}
    let start = this.#nextStart
    for (let made = 0; made < this.events; made++) {
      while (this.#queue.top === undefined || start <= this.#queue.top.at) {
        this.#queue.push(this.#visit(Math.floor(start)))
        this.#sessions++
        start = this.#nextStart
      }
      const session = this.#queue.pop()
      this.#fill(event, session)
      session.number++
      if (session.number < session.length) {
        session.at += Math.floor(5_000 + this.#random.next() ** 2 * 150_000)
        this.#queue.push(session)
      }
      yield event
    }
  }

  #visit(at) {
    const random = this.#random
    const drawn = random.next() < 0.5 ? 0 : 1 + this.#others.draw(random)
    const isEmpty = this.#clientsOf[drawn].length === 0 && this.#known === this.clients
    const merchant = isEmpty ? 0 : drawn
    return {
      at,
      merchant,
      client: this.#client(merchant),
      length: LENGTHS[random.below(LENGTHS.length)],
      number: 0,
    }
  }

  /** New clients come evenly over the year; of the others half were there lately, half at any time before. */
  #client(merchant) {
    const random = this.#random
    const known = this.#clientsOf[merchant]
    const due = Math.ceil((this.clients * (this.#sessions + 1)) / this.#sessionsInAll)
    if (this.#known < this.clients && (this.#known < due || known.length === 0)) {
      known.push(this.#known)
      return this.#known++
    }
    const lately =
      random.next() < 0.5 ? Math.min(known.length, 20 + Math.floor(known.length / 20)) : known.length
    return known[known.length - 1 - random.below(lately)]
  }

  #fill(event, { at, merchant, client, number }) {
    const random = this.#random
    const fixed = mix(client)
    event.id = uuid(random)
    event.at = at
    event.merchant = merchant
    event.merchantId = merchantName(merchant)
    event.client = client
    event.firstOfSession = number === 0
    event.agent = agents[fixed % agents.length]
    event.country = countries[this.#drawnCountries[(fixed >>> 4) & 4_095]]
    // A third of all clients are not signed in.
    event.isCustomer = (fixed >>> 16) % 3 !== 0
    event.grade = grades[(fixed >>> 18) % grades.length]
    event.gender = genders[(fixed >>> 20) % genders.length]
    event.birthYear = 1955 + ((fixed >>> 22) % 50)
    event.amount = undefined
    event.referrer = undefined
    event.campaign = undefined
    event.properties = undefined
    const dice = random.next()
    if (dice < PAYMENTS + REFUNDS) this.#money(event, dice < PAYMENTS ? "payment" : "refund")
    else {
      event.type = dice < PAYMENTS + REFUNDS + CUSTOM ? custom[random.below(custom.length)] : "pageview"
      event.path = paths[this.#paths.draw(random)]
      if (number === 0 && random.next() < 0.7) event.referrer = referrers[random.below(referrers.length)]
      if (number === 0 && random.next() < 0.15) event.campaign = `spring-${random.below(12)}`
    }
    if (event.type !== "pageview" || random.next() < 0.05) {
      event.properties = { sku: `A-${1_000 + random.below(5_000)}`, step: random.below(6) }
    }
  }

  #money(event, type) {
    const random = this.#random
    event.type = type
    event.path = type === "payment" ? "/checkout/payment-complete" : "/account/orders/return-accepted"
    event.amount = Math.round(100 * Math.exp(random.next() * random.next() * 7))
    event.currency = random.next() < 0.95 === (event.merchant % 2 === 0) ? "USD" : "EUR"
    event.paymentMethod = methods[random.below(methods.length)]
    event.pointsUsed = random.next() < 0.1 ? Math.floor(event.amount / 20) : 0
    event.pointsEarned = Math.floor(event.amount / 100)
  }
}
