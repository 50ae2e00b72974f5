import { Random, uuid, Zipf } from "./Random.js"

export interface GeneratorOptions {
  readonly seed: number
  readonly merchants: number
  readonly clients: number
  readonly paths: number
  /** Each merchant sells in one of them. */
  readonly currencies: ReadonlyArray<string>
  /** Share of events that are of type `request`, 0 to 1. */
  readonly requests: number
  /** Put before merchant and client ids, so that two runs don't meet. */
  readonly prefix: string
}

export const defaultGeneratorOptions: Omit<GeneratorOptions, "seed"> = {
  merchants: 1_000,
  clients: 100_000,
  paths: 5_000,
  currencies: ["USD"],
  requests: 0,
  prefix: "",
}

/** Visitors that are on a site at the same time. */
const SESSIONS = 1_024
/** Different visitors' user agents and profiles. */
const PROFILES = 64
const custom = ["search", "add_to_cart", "signup", "video.play"]
const methods = ["card", "card", "card", "wallet", "transfer", "points", "cash"]
const referrers = [
  "",
  "https://search.example/",
  "https://news.example/today",
  "https://social.example/feed?post=1",
  "",
]
const agents = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
  "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
]
const countries = ["JP", "US", "DE", "FR", "BR", "IN", "GB", "KR"]
const grades = ["gold", "silver", "bronze", "basic"]
const sections = ["product", "category", "blog", "help", "account"]

const profileOf = (index: number, random: Random): string => {
  const user = {
    grade: grades[index % grades.length],
    gender: index % 2 === 0 ? "f" : "m",
    birthYear: 1950 + random.below(55),
    country: countries[random.below(countries.length)],
  }
  return `,"userAgent":${JSON.stringify(agents[index % agents.length])},"user":${JSON.stringify(user)}}`
}

interface Session {
  client: number
  /** Events that this visit still has. */
  left: number
  /** The last page of the visit pays. */
  pays: boolean
  first: boolean
}

/**
 * Visits to shops, interleaved as a collector sees them: some page views, something custom in between, a
 * payment at the end of every tenth visit, a refund now and then. Events come as JSON text, built by joining
 * prepared pieces, as the generator shares its processors with what it measures.
 */
export class Generator {
  /** Id, merchant and type of the latest event. */
  id = ""
  merchant = ""
  type = ""
  private readonly random: Random
  private readonly pathWeights: Zipf
  private readonly merchantOf: Int32Array
  private readonly merchantNames: string[]
  private readonly paths: string[]
  private readonly profiles: string[]
  private readonly amounts: Float64Array
  private readonly sessions: Session[]

  constructor(private readonly options: GeneratorOptions) {
    this.random = new Random(options.seed)
    const { merchants, clients, paths, prefix } = options
    const merchantWeights = new Zipf(merchants)
    this.pathWeights = new Zipf(paths)
    // A client belongs to one merchant; large merchants have many.
    this.merchantOf = Int32Array.from({ length: clients }, () => merchantWeights.draw(this.random))
    this.merchantNames = Array.from({ length: merchants }, (_, index) => `${prefix}m-${index + 1}`)
    this.paths = Array.from(
      { length: paths },
      (_, index) => `/${sections[index % sections.length]}/item-${index + 1}`,
    )
    this.profiles = Array.from({ length: PROFILES }, (_, index) => profileOf(index, this.random))
    // Prices spread over three orders of magnitude, most of them low.
    this.amounts = Float64Array.from({ length: 1_024 }, () =>
      Math.round(100 * Math.exp(this.random.next() * this.random.next() * 7)),
    )
    this.sessions = Array.from({ length: SESSIONS }, () => this.visit())
  }

  /** The next event as JSON, in one line. @param now its timestamp, epoch ms */
  event(now: number): string {
    const random = this.random
    const slot = random.below(SESSIONS)
    let session = this.sessions[slot] as Session
    if (session.left === 0) {
      session = this.visit()
      this.sessions[slot] = session
    }
    session.left -= 1
    const client = session.client
    const merchant = this.merchantOf[client] as number
    this.id = uuid(random)
    this.merchant = this.merchantNames[merchant] as string
    const body = this.body(session, merchant)
    const profile = this.profiles[client % PROFILES] as string
    return `{"id":"${this.id}","type":"${this.type}","merchantId":"${this.merchant}","clientId":"${this.options.prefix}c-${client}","timestamp":${now}${body}${profile}`
  }

  private visit(): Session {
    // Geometric, 5 on average.
    const length = 1 + Math.floor(Math.log(1 - this.random.next()) / Math.log(0.8))
    return {
      client: this.random.below(this.merchantOf.length),
      left: Math.min(100, length),
      pays: this.random.next() < 0.1,
      first: true,
    }
  }

  private body(session: Session, merchant: number): string {
    const { random, options } = this
    const dice = random.next()
    const path = this.paths[this.pathWeights.draw(random)] as string
    if (dice < options.requests) {
      this.type = "request"
      return `,"method":"GET","url":"${path}"`
    }
    if (session.left === 0 && session.pays) return this.money("payment", merchant)
    if (random.next() < 0.003) return this.money("refund", merchant)
    if (!session.first && random.next() < 0.1) {
      this.type = custom[random.below(custom.length)] as string
      return `,"url":"${path}","properties":{"step":${random.below(5)}}`
    }
    this.type = "pageview"
    const referrer = session.first ? (referrers[random.below(referrers.length)] as string) : ""
    session.first = false
    return referrer === ""
      ? `,"url":"https://shop.example${path}"`
      : `,"url":"https://shop.example${path}?utm_source=news","referrer":"${referrer}"`
  }

  private money(type: "payment" | "refund", merchant: number): string {
    const { random, options } = this
    this.type = type
    const amount = this.amounts[random.below(this.amounts.length)] as number
    const currency = options.currencies[merchant % options.currencies.length] as string
    const method = methods[random.below(methods.length)] as string
    const points = type === "payment" ? `,"pointsUsed":0,"pointsEarned":${Math.floor(amount / 100)}` : ""
    return `,"amount":${amount},"currency":"${currency}","paymentMethod":"${method}"${points},"url":"/checkout"`
  }
}
