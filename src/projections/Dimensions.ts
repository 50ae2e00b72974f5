import type { StoredEvent } from "../domain/Event.js"
import { type BucketDimension, bucketDimensions } from "../domain/Metrics.js"

/** Short names in stored keys. They are the storage format. */
export const dimensionCode = {
  TYPE: "T",
  PATH: "P",
  REFERRER: "R",
  COUNTRY: "C",
  DEVICE: "D",
  BROWSER: "B",
  OS: "O",
  PAYMENT_METHOD: "M",
  CURRENCY: "U",
  USER_GRADE: "G",
  GENDER: "S",
  AGE_BAND: "A",
} as const satisfies Record<BucketDimension, string>

/**
 * The table that a dimension's values stand in, as their code and the value. Those that have few values share
 * one: an event changes one document of it in place of ten.
 */
export const dimensionTable = (dimension: BucketDimension): string =>
  dimension === "PATH" || dimension === "REFERRER" ? dimensionCode[dimension] : "few"

/** The values of an event or a session, in the order of `bucketDimensions`; null where it has none. */
export type Values = ReadonlyArray<string | null>

export const indexOf: Readonly<Record<BucketDimension, number>> = Object.fromEntries(
  bucketDimensions.map((dimension, index) => [dimension, index]),
) as Record<BucketDimension, number>

export const valuesOf = ({ type, data }: StoredEvent): Values => [
  type,
  data.path ?? null,
  data.referrer ?? null,
  data.country ?? null,
  data.device ?? null,
  data.browser ?? null,
  data.os ?? null,
  data.paymentMethod ?? null,
  data.currency ?? null,
  data.grade ?? null,
  data.gender ?? null,
  data.ageBand ?? null,
]
