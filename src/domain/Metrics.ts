/** Names of the metrics, intervals and dimensions that are built. They are public: GraphQL shows them. */
export const metrics = ["EVENTS", "PAGEVIEWS", "PAYMENTS", "GROSS_VOLUME"] as const
export type Metric = (typeof metrics)[number]

export const intervals = ["MINUTE", "TEN_MINUTES", "HOUR", "DAY", "WEEK", "MONTH"] as const
export type Interval = (typeof intervals)[number]

export const dimensions = ["TYPE", "PATH", "PAYMENT_METHOD"] as const
export type Dimension = (typeof dimensions)[number]

/** Shown for an event that lacks the dimension. */
export const NONE = "(none)"
/** Collects what is beyond the most frequent values that are kept. */
export const OTHER = "(other)"
