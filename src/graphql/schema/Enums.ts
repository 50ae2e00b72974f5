import type { Dimension, Metric } from "../../domain/Metrics.js"
import type { SilentAfter } from "../../domain/Settings.js"
import { clientStates } from "../../queries/ClientQueries.js"
import { builder } from "../Builder.js"

type Described<A extends string> = Record<A, { readonly description: string }>

const money = "in one currency, in its minor units; currencies are never added up"

const metricDescriptions: Described<Metric> = {
  EVENTS: { description: "Events of every type, except `request`, which no metric counts." },
  PAGEVIEWS: { description: "Events of type `pageview`." },
  VISITORS: {
    description:
      "Distinct clients with any event. Exact up to 1,024, in a bucket and in the union over the range that is asked for; beyond that HyperLogLog, with a standard error of 0.81 %. A client in many buckets counts once in their union: over a range VISITORS are not the sum of its points.",
  },
  SESSIONS: {
    description:
      "Sessions: runs of one client's events with no gap of 30 minutes or more between them. A session counts at its start, and has the dimensions of its earliest event. A late event may join two, or make one begin earlier. An event without a client is in none.",
  },
  BOUNCE_RATE: {
    description:
      "Sessions with exactly one page view and nothing else ÷ SESSIONS, from 0 to 1; null where there are no sessions.",
  },
  SESSION_SECONDS: {
    description:
      "Mean length of the sessions in seconds, from the first event to the last: 0 for a session of one event; null where there are no sessions.",
  },
  PAYMENTS: { description: "Events of type `payment`, in every currency." },
  GROSS_VOLUME: { description: `Sum of the payments ${money}.` },
  REFUNDS: { description: "Events of type `refund`, in every currency." },
  REFUND_VOLUME: { description: `Sum of the refunds ${money}.` },
  NET_VOLUME: { description: `GROSS_VOLUME less REFUND_VOLUME, ${money}; negative when more was refunded.` },
  AVERAGE_ORDER_VALUE: {
    description:
      "GROSS_VOLUME ÷ the payments in the same currency, in its minor units; null where there are none.",
  },
  POINTS_USED: { description: "Sum of `pointsUsed` over the payments." },
  POINTS_EARNED: { description: "Sum of `pointsEarned` over the payments." },
}

export const MetricEnum = builder.enumType("Metric", {
  description: "What can be counted.",
  values: metricDescriptions,
})

const dimensionDescriptions: Described<Dimension> = {
  TYPE: { description: "The event's type." },
  PATH: { description: "Path of the event's `url`, without query." },
  REFERRER: { description: "Host of the page that led to the event." },
  COUNTRY: { description: "Country of the client." },
  DEVICE: { description: "Kind of device, such as `mobile`." },
  BROWSER: { description: "Browser, by its user agent." },
  OS: { description: "Operating system, by the user agent." },
  PAYMENT_METHOD: { description: "The event's `paymentMethod`." },
  CURRENCY: { description: "The event's `currency`." },
  USER_GRADE: { description: "Grade of the customer, as it was sent." },
  GENDER: { description: "Gender of the customer, as it was sent." },
  AGE_BAND: { description: "Age of the customer in bands of years." },
  PROPERTY: {
    description:
      "A custom property, named by `property`. Answered from the events themselves, as filters are: the cost follows their number.",
  },
}

export const DimensionEnum = builder.enumType("Dimension", {
  description:
    "What an event is told by, in breakdowns and filters. An event without it counts under `(none)`; a session has those of its earliest event.",
  values: dimensionDescriptions,
})

export const IntervalEnum = builder.enumType("Interval", {
  description:
    "Length of the buckets of a series, cut by the clocks of the merchant's time zone; of the overview, by UTC.",
  values: {
    MINUTE: { description: "One minute; kept for 7 days." },
    TEN_MINUTES: { description: "Ten minutes; kept for 90 days." },
    HOUR: { description: "One hour; kept for ever." },
    DAY: { description: "From midnight to midnight; kept for ever." },
    WEEK: { description: "From Monday to Sunday: its days together." },
    MONTH: { description: "A calendar month: its days together." },
  } as const,
})

const stateDescriptions = {
  ACTIVE: "Its last activity was recorded within the idle time.",
  IDLE: "Nothing was recorded for the idle time or longer.",
} as const

export const ClientStateEnum = builder.enumType("ClientState", {
  description: "Whether a client was silent for its idle time: its merchant's setting, or else the system's.",
  values: Object.fromEntries(
    clientStates.map((state) => [state, { description: stateDescriptions[state] }]),
  ) as Record<(typeof clientStates)[number], { description: string }>,
})

export const BuildStateEnum = builder.enumType("BuildState", {
  description: "What a build is there for.",
  values: {
    BUILDING: { description: "Catching up with the log." },
    READY: { description: "Less than 1 s behind the log; could serve." },
    SERVING: { description: "Answers queries." },
    STANDBY: { description: "Kept up to date, to go back to." },
    FROZEN: { description: "Kept as it was." },
    FAILED: { description: "Stopped by an event that it can't fold." },
  } as const,
})

const silentAfterDescriptions: Described<SilentAfter> = {
  SECONDS: { description: "After `silentAfterSeconds`." },
  LEARNED: {
    description:
      "When it is silent for longer than is usual for it at that hour of the week. That is learned from when this is set on; while it is not known yet, which takes two weeks or more, `silentAfterSeconds` counts.",
  },
}

export const SilentAfterEnum = builder.enumType("SilentAfter", {
  description: "What decides that a merchant fell silent.",
  values: silentAfterDescriptions,
})
