import { Random } from "../loadgen/Random.js"
import { seedOf } from "./seed.js"
import type { Shop } from "./shops.js"

/** Who visits a shop, as an event names them. */
export interface Visitor {
  readonly clientId: string
  readonly ip: string
  readonly userAgent: string
  readonly user: Readonly<Record<string, string | number>>
}

/** Customers of a shop that come back. */
const REGULARS = 400

const agents = [
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
  "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
]
const grades = ["basic", "basic", "basic", "bronze", "bronze", "silver", "gold"]
/** Networks that RFC 5737 sets aside for examples. */
const networks = ["192.0.2", "198.51.100", "203.0.113"]

export const pick = <A>(values: ReadonlyArray<A>, random: Random): A =>
  values[random.below(values.length)] as A

const visitor = (clientId: string, shop: Shop, random: Random, regular: boolean): Visitor => ({
  clientId,
  ip: `${pick(networks, random)}.${1 + random.below(254)}`,
  userAgent: pick(agents, random),
  user: {
    country: pick(shop.countries, random),
    ...(regular
      ? {
          grade: pick(grades, random),
          gender: random.below(2) === 0 ? "f" : "m",
          birthYear: 1950 + random.below(57),
        }
      : {}),
  },
})

/** Customers of a shop, always the same with the same seed. */
export class Customers {
  private readonly regulars: ReadonlyArray<Visitor>

  constructor(
    private readonly shop: Shop,
    seed: number,
  ) {
    const random = new Random(seedOf(seed, shop.id, "customers"))
    this.regulars = Array.from({ length: REGULARS }, (_, index) =>
      visitor(`customer-${index + 1}`, shop, random, true),
    )
  }

  /** A regular, the first ones more often than the last; or somebody new, named after the visit. */
  draw(visit: string, random: Random): Visitor {
    if (random.next() < 0.4) return visitor(`visitor-${visit}`, this.shop, random, false)
    return this.regulars[Math.floor(random.next() * random.next() * this.regulars.length)] as Visitor
  }
}
