import { Random } from "../loadgen/Random.js"
import type { Customers } from "./customers.js"
import { busyness } from "./history.js"
import type { Shop } from "./shops.js"
import { type DemoEvent, visit } from "./visit.js"

/** Visits that were under way when the live part begins started up to so long ago, ms. */
const WARM = 300_000

/** Refunds come within two minutes: nobody watches a demo for days. */
const soon = (random: Random): number => 20_000 + random.below(100_000)

/**
 * Visits that happen now, at a rate of events over all shops. A shop has the more of them the busier its
 * hour is.
 */
export class LiveVisits {
  private readonly waiting: DemoEvent[] = []
  private readonly random: Random
  private begun: number
  private visits = 0
  private made = 0
  private owed = 0

  /**
   * @param rate events a second
   * @param run begins the events' ids: another one for every run
   */
  constructor(
    private readonly shops: ReadonlyArray<{ readonly shop: Shop; readonly customers: Customers }>,
    private readonly rate: number,
    seed: number,
    private readonly run: string,
    private readonly start: number,
  ) {
    this.random = new Random(seed)
    this.begun = start - WARM
  }

  /** Events that are due, by time. @param now epoch ms, never less than before */
  due(now: number): ReadonlyArray<DemoEvent> {
    this.begin(now)
    const due = this.waiting.filter(({ at }) => at <= now)
    if (due.length === 0) return due
    const later = this.waiting.filter(({ at }) => at > now)
    this.waiting.splice(0, this.waiting.length, ...later)
    return due.filter(({ at }) => at > this.start).sort((a, b) => a.at - b.at)
  }

  /** Starts the visits that begin until now, second by second. */
  private begin(now: number): void {
    for (; this.begun <= now; this.begun += 1_000) {
      // A visit has as many events as visits had so far: at first it takes a guess.
      this.owed += this.rate / ((this.made + 60) / (this.visits + 10))
      for (; this.owed >= 1; this.owed -= 1) this.visit(this.begun + this.random.below(1_000))
    }
  }

  private visit(at: number): void {
    const { shop, customers } = this.drawShop(at)
    const id = `live-${this.run}-${this.visits}`
    const events = visit(shop, customers.draw(id, this.random), id, at, this.random, soon)
    this.visits += 1
    this.made += events.length
    this.waiting.push(...events)
  }

  private drawShop(at: number) {
    const weights = this.shops.map(({ shop }) => shop.visits * busyness(shop, at))
    let left = this.random.next() * weights.reduce((sum, weight) => sum + weight, 0)
    const index = weights.findIndex((weight) => {
      left -= weight
      return left < 0
    })
    return this.shops[Math.max(0, index)] as (typeof this.shops)[number]
  }
}
