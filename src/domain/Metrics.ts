/** Names of the metrics, intervals and dimensions. They are public: GraphQL shows them. */
export const metrics = [
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
export type Metric = (typeof metrics)[number]

export const intervals = ["MINUTE", "TEN_MINUTES", "HOUR", "DAY", "WEEK", "MONTH"] as const
export type Interval = (typeof intervals)[number]

/** Dimensions that are counted in buckets. */
export const bucketDimensions = [
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
export type BucketDimension = (typeof bucketDimensions)[number]

/** PROPERTY comes with the name of a custom property, and is answered from facts. */
export const dimensions = [...bucketDimensions, "PROPERTY"] as const
export type Dimension = (typeof dimensions)[number]

/** Shown for an event that lacks the dimension. */
export const NONE = "(none)"
/** Collects the values beyond those that are counted apart. */
export const OTHER = "(other)"
