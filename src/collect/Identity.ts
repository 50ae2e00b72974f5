import { createHmac } from "node:crypto"
import { clientKey } from "../domain/Ids.js"
import { Cache } from "./Cache.js"

/** `daily`: a visitor without a client id is another one after midnight UTC. `constant`: never. */
export type SaltPeriod = "daily" | "constant"

const DAY = 86_400_000

/**
 * Who an event is about. Computed once, at collection. Everything follows from the secret, so that all
 * nodes name the same visitor alike.
 */
export class Identity {
  private readonly keys = new Cache<string>(65_536)
  private readonly anonymous = new Cache<string>(16_384)
  private salt: Buffer = Buffer.alloc(0)
  private saltDay: number | undefined

  constructor(
    private readonly secret: Uint8Array,
    private readonly period: SaltPeriod,
  ) {}

  /** The pseudonym under which a client is stored. Costs an HMAC when it is not remembered. */
  clientKey(merchantId: string, clientId: string): string {
    // No merchant id holds a line break.
    const name = `${merchantId}\n${clientId}`
    const known = this.keys.get(name)
    if (known !== undefined) return known
    const key = clientKey(this.secret, merchantId, clientId)
    this.keys.set(name, key)
    return key
  }

  /**
   * The client id of a visitor who sent none: a salted hash of address and user agent, different at every
   * merchant and, with a daily salt, on every UTC day of arrival.
   */
  anonymousId(merchantId: string, ip: string, userAgent: string, now: number): string {
    const day = this.period === "daily" ? Math.floor(now / DAY) : 0
    if (day !== this.saltDay) {
      const name = this.period === "daily" ? `tidemark salt ${day}` : "tidemark salt"
      this.salt = createHmac("sha256", this.secret).update(name).digest()
      this.saltDay = day
    }
    const name = `${day}\n${merchantId}\n${ip}\n${userAgent}`
    const known = this.anonymous.get(name)
    if (known !== undefined) return known
    const hash = createHmac("sha256", this.salt).update(`${merchantId}\n${ip}\n${userAgent}`).digest()
    const id = `anon-${hash.subarray(0, 16).toString("base64url")}`
    this.anonymous.set(name, id)
    return id
  }
}
