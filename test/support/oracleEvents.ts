/** Names, events as they are sent, and what collecting makes of them: for the oracle. */
export const METRICS = [
  "EVENTS",
  "PAGEVIEWS",
  "VISITORS",
  "SESSIONS",
  "BOUNCE_RATE",
  "SESSION_SECONDS",
  "PAYMENTS",
  "GROSS_VOLUME",
  "REFUNDS",
  "REFUND_VOLUME",
  "NET_VOLUME",
  "AVERAGE_ORDER_VALUE",
  "POINTS_USED",
  "POINTS_EARNED",
] as const
export type Metric = (typeof METRICS)[number]

export const DIMENSIONS = [
  "TYPE",
  "PATH",
  "REFERRER",
  "COUNTRY",
  "DEVICE",
  "BROWSER",
  "OS",
  "PAYMENT_METHOD",
  "CURRENCY",
  "USER_GRADE",
  "GENDER",
  "AGE_BAND",
] as const
export type Dimension = (typeof DIMENSIONS)[number] | "PROPERTY"
export const INTERVALS = ["MINUTE", "TEN_MINUTES", "HOUR", "DAY", "WEEK", "MONTH"] as const

/** An event as it is sent. */
export interface RawEvent {
  readonly id: string
  readonly type: string
  readonly merchantId: string
  readonly clientId?: string
  readonly timestamp: number
  readonly amount?: number
  readonly currency?: string
  readonly paymentMethod?: string
  readonly pointsUsed?: number
  readonly pointsEarned?: number
  readonly url?: string
  readonly referrer?: string
  readonly userAgent?: string
  readonly ip?: string
  readonly method?: string
  readonly user?: {
    readonly grade?: string
    readonly gender?: string
    readonly birthYear?: number
    readonly country?: string
    readonly device?: string
  }
  readonly properties?: Readonly<Record<string, unknown>>
}

/** What is counted of one event. */
export interface Counted {
  readonly id: string
  readonly type: string
  readonly client: string | undefined
  /** When it happened, and its activity time: that, but no later than its arrival. */
  readonly at: number
  readonly activity: number
  readonly amount: number
  readonly currency: string | undefined
  readonly pointsUsed: number
  readonly pointsEarned: number
  readonly values: Readonly<Record<string, string | undefined>>
  readonly properties: Readonly<Record<string, unknown>>
}

const ageBand = (age: number): string => {
  const bands = [18, 25, 35, 45, 55, 65]
  const above = bands.filter((from) => age >= from).length
  if (above === 0) return "0-17"
  return above === bands.length ? "65+" : `${bands[above - 1]}-${(bands[above] as number) - 1}`
}

/**
 * What collecting makes of an event.
 * @param currency the merchant's when the event arrived
 * @param agent browser, system and device, of the few user agents that the tests send
 */
export const collected = (
  event: RawEvent,
  currency: string,
  arrival = Number.POSITIVE_INFINITY,
  agent: { browser?: string; os?: string; device?: string } = {},
): Counted => {
  const { id, type, clientId, timestamp, amount, url, referrer, user, paymentMethod } = event
  const hasAmount = amount !== undefined
  const path = url === undefined ? undefined : url.replace(/^https?:\/\/[^/?#]+/i, "").replace(/[?#].*$/s, "")
  const stored = event.currency ?? (hasAmount ? currency : undefined)
  return {
    id,
    type,
    client: clientId,
    at: timestamp,
    activity: Math.min(timestamp, arrival),
    amount: amount ?? 0,
    currency: stored,
    pointsUsed: event.pointsUsed ?? 0,
    pointsEarned: event.pointsEarned ?? 0,
    values: {
      TYPE: type,
      PATH: path === "" ? "/" : path,
      REFERRER: referrer === undefined ? undefined : new URL(referrer).hostname || undefined,
      COUNTRY: user?.country?.toUpperCase(),
      DEVICE: user?.device?.toLowerCase() ?? agent.device,
      BROWSER: agent.browser,
      OS: agent.os,
      PAYMENT_METHOD: paymentMethod,
      CURRENCY: stored,
      USER_GRADE: user?.grade,
      GENDER: user?.gender,
      AGE_BAND:
        user?.birthYear === undefined
          ? undefined
          : ageBand(new Date(timestamp).getUTCFullYear() - user.birthYear),
    },
    properties: event.properties ?? {},
  }
}
