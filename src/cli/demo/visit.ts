import type { Random } from "../loadgen/Random.js"
import { pick, type Visitor } from "./customers.js"
import type { Product, Shop } from "./shops.js"

export interface DemoEvent {
  readonly merchantId: string
  /** Epoch ms. */
  readonly at: number
  readonly json: string
}

/** How long after a payment its refund comes, ms. */
export type RefundDelay = (random: Random) => number

const referrers = [
  "",
  "",
  "",
  "https://www.google.com/",
  "https://www.google.com/",
  "https://www.bing.com/",
  "https://www.instagram.com/",
  "https://news.ycombinator.com/item?id=1",
  "https://t.co/abc",
]
const campaigns = [
  "",
  "",
  "",
  "",
  "?utm_source=newsletter&utm_campaign=autumn",
  "?utm_source=ads&utm_medium=cpc",
]

const BOUNCE = 0.35
const TO_CART = 0.28
const TO_PAY = 0.45
const REFUNDED = 0.06

/** Reading a page takes from 4 s to 90 s, mostly little. */
const reading = (random: Random): number => 4_000 + Math.floor(86_000 * random.next() ** 3)

const categoryOf = ({ path }: Product): string => path.slice(0, path.indexOf("/", 1))

/** Writes one visit: its events one after another, each some time after the one before. */
class Writer {
  readonly events: DemoEvent[] = []

  constructor(
    private readonly shop: Shop,
    private readonly visitor: Visitor,
    private readonly id: string,
    public at: number,
  ) {}

  write(type: string, fields: Readonly<Record<string, unknown>>, at = this.at): void {
    const event = {
      ...{ id: `${this.id}-${this.events.length}`, type, merchantId: this.shop.id, timestamp: at },
      ...this.visitor,
      ...fields,
    }
    this.events.push({ merchantId: this.shop.id, at, json: JSON.stringify(event) })
  }

  page(url: string, random: Random, fields: Readonly<Record<string, unknown>> = {}): void {
    this.write("pageview", { url, ...fields })
    this.at += reading(random)
  }
}

const pay = (
  shop: Shop,
  writer: Writer,
  cart: ReadonlyArray<Product>,
  random: Random,
  delay: RefundDelay,
): void => {
  const full = cart.reduce((sum, { price }) => sum + price, 0)
  const pointsUsed = random.next() < 0.1 ? random.below(500) : 0
  const money = { amount: full, currency: shop.currency, paymentMethod: pick(shop.paymentMethods, random) }
  const points = { pointsUsed, pointsEarned: Math.floor(full / 100) }
  const properties = { items: cart.length, sku: cart[0]?.sku }
  writer.write("payment", { url: "/checkout", ...money, ...points, properties })
  writer.at += 1_500
  writer.page("/thanks", random)
  if (random.next() >= REFUNDED) return
  const amount = random.below(3) === 0 ? (cart[0]?.price ?? full) : full
  writer.write("refund", { ...money, amount, properties }, writer.at + delay(random))
}

/**
 * One visit: a landing page, perhaps more pages, perhaps a cart, perhaps a payment, seldom a refund. The same
 * random numbers give the same visit.
 *
 * @param id begins the events' ids
 * @param at when it begins, epoch ms
 */
export const visit = (
  shop: Shop,
  visitor: Visitor,
  id: string,
  at: number,
  random: Random,
  delay: RefundDelay,
): ReadonlyArray<DemoEvent> => {
  const writer = new Writer(shop, visitor, id, at)
  const first = pick(shop.products, random)
  const landing = pick(["/", "/", categoryOf(first), first.path], random)
  const referrer = pick(referrers, random)
  writer.page(`${landing}${pick(campaigns, random)}`, random, referrer === "" ? {} : { referrer })
  if (random.next() < BOUNCE) return writer.events
  if (random.next() < 0.2)
    writer.write("search", { url: "/search", properties: { words: 1 + random.below(3) } })
  const cart: Product[] = []
  for (let left = 1 + Math.floor(6 * random.next() ** 2); left > 0; left -= 1) {
    // People look mostly at what stands first.
    const product = shop.products[Math.floor(random.next() ** 1.5 * shop.products.length)] as Product
    if (random.next() < 0.4) writer.page(categoryOf(product), random)
    writer.page(product.path, random)
    if (random.next() >= TO_CART) continue
    writer.write("add_to_cart", { url: product.path, properties: { sku: product.sku } })
    writer.at += 2_000
    cart.push(product)
  }
  if (cart.length === 0) return writer.events
  writer.page("/cart", random)
  if (random.next() < TO_PAY) {
    writer.page("/checkout", random)
    pay(shop, writer, cart, random, delay)
  }
  return writer.events
}
