import { isIP } from "node:net"
import type { ClientProfile, Incoming } from "../actors/Recorder.js"
import type { EventData } from "../domain/Event.js"
import { SYSTEM } from "../domain/Partition.js"
import { truncateAddress } from "./Address.js"
import type { CountryOf } from "./CountryLookup.js"
import { parseCustomer, parseLabel } from "./Customer.js"
import type { Identity } from "./Identity.js"
import { parseLocation, referrerHost } from "./Location.js"
import { parseAmount, parseCurrency, parsePoints } from "./Money.js"
import { parseProperties } from "./Properties.js"
import { ForeignMerchant, Rejection } from "./Rejection.js"
import { isLonger, isWellFormed } from "./Text.js"
import { parseTimestamp } from "./Timestamp.js"
import { agentOf } from "./UserAgent.js"

/** What is the same for all events of a request. */
export interface ParseContext {
  readonly identity: Identity
  /** Time of arrival, epoch ms. */
  readonly now: number
  /** How far ahead of `now` a timestamp may be, ms. */
  readonly ahead: number
  /** The merchant whose key it was sent with; undefined with an administrator's. */
  readonly merchantId: string | undefined
  /** The `Idempotency-Key` header. */
  readonly idempotencyKey: string | undefined
  readonly randomId: () => string
  /** The country of an address, for events that name none. */
  readonly countryOf?: CountryOf | undefined
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const typePattern = /^[a-z0-9_.-]{1,64}$/
const merchantPattern = /^[A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}$/
const methodPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/
const MAX_USER_AGENT = 2_048

const isMissing = (value: unknown): value is undefined | null => value === undefined || value === null

const isId = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && !isLonger(value, 200) && isWellFormed(value)

const timestampMessages = {
  INVALID_TIMESTAMP:
    "timestamp must be a whole number of milliseconds since 1970, or ISO 8601 with a zone, such as 2026-11-20T18:40:00Z.",
  TIMESTAMP_WITHOUT_ZONE:
    "timestamp has no zone, so its instant is not known: end it with Z or an offset, such as +09:00.",
}

/** The fields of an event as they were sent. */
interface Sent {
  id?: unknown
  type?: unknown
  merchantId?: unknown
  clientId?: unknown
  timestamp?: unknown
  amount?: unknown
  currency?: unknown
  paymentMethod?: unknown
  pointsUsed?: unknown
  pointsEarned?: unknown
  url?: unknown
  referrer?: unknown
  ip?: unknown
  method?: unknown
  userAgent?: unknown
  user?: unknown
  properties?: unknown
}

const parseMerchant = (sent: Sent, type: string, context: ParseContext): string | Rejection => {
  const value = sent.merchantId
  if (isMissing(value)) {
    if (context.merchantId !== undefined) return context.merchantId
    if (type === "request") return SYSTEM
    return new Rejection(
      "MERCHANT_REQUIRED",
      "merchantId",
      "merchantId is needed with an administrator's key.",
    )
  }
  if (typeof value !== "string" || !merchantPattern.test(value)) {
    return new Rejection(
      "INVALID_MERCHANT_ID",
      "merchantId",
      "merchantId must be a string of 1 to 64 characters A-Z a-z 0-9 _ . - and must not begin with _.",
    )
  }
  return context.merchantId === undefined || context.merchantId === value ? value : new ForeignMerchant()
}

/** Address, user agent and client id are checked here and go no further than the profile. */
const parseProfile = (
  sent: Sent,
  type: string,
  merchantId: string,
  context: ParseContext,
): ClientProfile | Rejection | undefined => {
  const { clientId, ip, userAgent } = sent
  if (!isMissing(clientId) && !isId(clientId)) {
    return new Rejection(
      "INVALID_CLIENT_ID",
      "clientId",
      "clientId must be a string of 1 to 200 characters: put a number in quotes.",
    )
  }
  if (!isMissing(ip) && (typeof ip !== "string" || isIP(ip) === 0)) {
    return new Rejection("INVALID_IP", "ip", "ip must be an IPv4 or IPv6 address without a port.")
  }
  if (
    !isMissing(userAgent) &&
    (typeof userAgent !== "string" || userAgent.length > MAX_USER_AGENT || !isWellFormed(userAgent))
  ) {
    return new Rejection(
      "INVALID_USER_AGENT",
      "userAgent",
      `userAgent must be a string of at most ${MAX_USER_AGENT} characters.`,
    )
  }
  const address = isMissing(ip) ? undefined : ip
  const agent = isMissing(userAgent) || userAgent === "" ? undefined : userAgent
  if (isMissing(clientId) && address === undefined && agent === undefined) {
    return type === "request"
      ? new Rejection("CLIENT_REQUIRED", "clientId", "A request needs clientId, or else ip or userAgent.")
      : undefined
  }
  const profile: Mutable<ClientProfile> = {
    clientId: isMissing(clientId)
      ? context.identity.anonymousId(merchantId, address ?? "", agent ?? "", context.now)
      : clientId,
  }
  if (address !== undefined) profile.ip = address
  if (agent !== undefined) profile.userAgent = agent
  return profile
}

/** Adds the fields about money; answers what is wrong with them. */
const addMoney = (sent: Sent, type: string, data: Mutable<EventData>): Rejection | undefined => {
  const amount = parseAmount(sent.amount, type === "payment" || type === "refund")
  if (amount instanceof Rejection) return amount
  if (amount !== undefined) data.amount = amount
  const currency = parseCurrency(sent.currency)
  if (currency instanceof Rejection) return currency
  if (currency !== undefined) data.currency = currency
  const paymentMethod = parseLabel(sent.paymentMethod, "paymentMethod", "INVALID_PAYMENT_METHOD")
  if (paymentMethod instanceof Rejection) return paymentMethod
  if (paymentMethod !== undefined) data.paymentMethod = paymentMethod
  const pointsUsed = parsePoints(sent.pointsUsed, "pointsUsed")
  if (pointsUsed instanceof Rejection) return pointsUsed
  if (pointsUsed !== undefined) data.pointsUsed = pointsUsed
  const pointsEarned = parsePoints(sent.pointsEarned, "pointsEarned")
  if (pointsEarned instanceof Rejection) return pointsEarned
  if (pointsEarned !== undefined) data.pointsEarned = pointsEarned
  return undefined
}

/** Adds where it happened and where the visitor came from; answers what is wrong with that. */
const addPlace = (sent: Sent, data: Mutable<EventData>): Rejection | undefined => {
  const { url, referrer, method } = sent
  if (!isMissing(url)) {
    const place = typeof url === "string" && isWellFormed(url) ? parseLocation(url) : undefined
    if (place === undefined) {
      return new Rejection(
        "INVALID_URL",
        "url",
        "url must be an absolute http or https URL, or a path that begins with /.",
      )
    }
    data.path = place.path
    if (place.utm !== undefined) data.utm = place.utm
  }
  if (!isMissing(referrer) && referrer !== "") {
    const host = typeof referrer === "string" && isWellFormed(referrer) ? referrerHost(referrer) : undefined
    if (host === undefined) {
      return new Rejection(
        "INVALID_REFERRER",
        "referrer",
        "referrer must be an absolute URL, such as https://search.example/, or empty.",
      )
    }
    if (host !== "") data.referrer = host
  }
  if (!isMissing(method) && method !== "") {
    if (typeof method !== "string" || !methodPattern.test(method)) {
      return new Rejection("INVALID_METHOD", "method", "method must be an HTTP method, such as GET.")
    }
    data.method = method.toUpperCase()
  }
  return undefined
}

/** Adds the coarse attributes of the visitor; answers what is wrong with them. */
const addVisitor = (
  sent: Sent,
  type: string,
  at: number,
  profile: ClientProfile | undefined,
  countryOf: CountryOf | undefined,
  data: Mutable<EventData>,
): Rejection | undefined => {
  const customer = parseCustomer(sent.user, at)
  if (customer instanceof Rejection) return customer
  if (type === "request") {
    // A request's record is kept small: its client's user agent is in the profile.
    if (profile?.ip !== undefined) data.address = truncateAddress(profile.ip)
  } else {
    if (profile?.userAgent !== undefined) {
      const agent = agentOf(profile.userAgent)
      if (agent.browser !== undefined) data.browser = agent.browser
      if (agent.os !== undefined) data.os = agent.os
      if (agent.device !== undefined) data.device = agent.device
    }
    if (profile?.ip !== undefined && customer?.country === undefined) {
      const country = countryOf?.(profile.ip)
      if (country !== undefined) data.country = country
    }
  }
  if (customer !== undefined) Object.assign(data, customer)
  return undefined
}

/**
 * One sent event, checked, identified and freed of personal data; or the first thing that is wrong with it.
 * Never throws, whatever JSON it is given. `null` for an optional field is the same as leaving it out.
 *
 * @param index its place in the request, for ids made from the `Idempotency-Key`
 */
export const parseEvent = (value: unknown, index: number, context: ParseContext): Incoming | Rejection => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return new Rejection("INVALID_EVENT", undefined, "An event must be a JSON object.")
  }
  const sent = value as Sent
  const type = sent.type
  const typeIsValid = typeof type === "string" && typePattern.test(type)
  // Before anything else is judged: one event of another merchant refuses the whole request.
  const merchantId = parseMerchant(sent, typeIsValid ? type : "", context)
  if (merchantId instanceof ForeignMerchant) return merchantId
  if (isMissing(type)) return new Rejection("TYPE_REQUIRED", "type", 'type is needed, such as "pageview".')
  if (!typeIsValid) {
    return new Rejection(
      "INVALID_TYPE",
      "type",
      "type must be a string of 1 to 64 characters a-z 0-9 _ . - such as pageview.",
    )
  }
  if (merchantId instanceof Rejection) return merchantId
  if (!isMissing(sent.id) && !isId(sent.id)) {
    return new Rejection(
      "INVALID_ID",
      "id",
      "id must be a string of 1 to 200 characters: put a number in quotes.",
    )
  }
  const at = isMissing(sent.timestamp) ? context.now : parseTimestamp(sent.timestamp)
  if (typeof at === "string") return new Rejection(at, "timestamp", timestampMessages[at])
  if (at > context.now + context.ahead) {
    return new Rejection(
      "TIMESTAMP_IN_FUTURE",
      "timestamp",
      `timestamp must be at most ${Math.round(context.ahead / 60_000)} minutes ahead of this server's clock.`,
    )
  }
  const profile = parseProfile(sent, type, merchantId, context)
  if (profile instanceof Rejection) return profile
  const id = isMissing(sent.id)
    ? context.idempotencyKey === undefined
      ? context.randomId()
      : `${context.idempotencyKey}:${index}`
    : sent.id
  const data: Mutable<EventData> = { id, merchantId }
  if (profile !== undefined) data.clientKey = context.identity.clientKey(merchantId, profile.clientId)
  const fault =
    addMoney(sent, type, data) ??
    addPlace(sent, data) ??
    addVisitor(sent, type, at, profile, context.countryOf, data)
  if (fault !== undefined) return fault
  const properties = parseProperties(sent as Record<string, unknown>)
  if (properties instanceof Rejection) return properties
  if (properties !== undefined) data.properties = properties
  return profile === undefined ? { type, at, data } : { type, at, data, profile }
}
