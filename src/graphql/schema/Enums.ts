import { clientStates } from "../../queries/ClientQueries.js"
import { builder } from "../Builder.js"

export const MetricEnum = builder.enumType("Metric", {
  description: "What can be counted.",
  values: {
    EVENTS: { description: "Events of every type, except `request`." },
    PAGEVIEWS: { description: "Events of type `pageview`." },
    PAYMENTS: { description: "Events of type `payment`." },
    GROSS_VOLUME: {
      description: "Sum of the payments in one currency, in its minor units. Currencies are never added up.",
    },
  } as const,
})

export const DimensionEnum = builder.enumType("Dimension", {
  description: "What a breakdown can be made by. An event without it counts under `(none)`.",
  values: {
    TYPE: { description: "The event's type." },
    PATH: { description: "Path of the event's `url`, without query." },
    PAYMENT_METHOD: { description: "The event's `paymentMethod`." },
  } as const,
})

export const IntervalEnum = builder.enumType("Interval", {
  description: "Length of the buckets of a series, cut by the clocks of the merchant's time zone.",
  values: {
    MINUTE: { description: "One minute; kept for 7 days." },
    TEN_MINUTES: { description: "Ten minutes; kept for 90 days." },
    HOUR: { description: "One hour; kept for ever." },
    DAY: { description: "From midnight to midnight; kept for ever." },
    WEEK: { description: "From Monday to Sunday: the sum of its days." },
    MONTH: { description: "A calendar month: the sum of its days." },
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
