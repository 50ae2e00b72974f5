/** First instant of the year 1: what lies before is a mistake, and no calendar agrees on it. */
const EARLIEST = -62_135_596_800_000

const iso =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?([Zz]|[+-]\d{2}:?\d{2})?$/

export type TimestampFault = "INVALID_TIMESTAMP" | "TIMESTAMP_WITHOUT_ZONE"

const offsetMinutes = (zone: string): number | undefined => {
  if (zone === "Z" || zone === "z") return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(-2))
  if (hours > 23 || minutes > 59) return undefined
  return (zone.charCodeAt(0) === 45 ? -1 : 1) * (hours * 60 + minutes)
}

/**
 * Epoch milliseconds of an ISO 8601 date and time with a zone; finer fractions are cut. A time without a
 * zone means another instant on every machine, so it is refused instead of guessed.
 */
export const parseIso = (text: string): number | TimestampFault => {
  const match = iso.exec(text)
  if (match === null) return "INVALID_TIMESTAMP"
  const zone = match[8]
  if (zone === undefined) return "TIMESTAMP_WITHOUT_ZONE"
  const year = Number(match[1])
  const month = Number(match[2])
  const day = Number(match[3])
  const hour = Number(match[4])
  const minute = Number(match[5])
  const second = match[6] === undefined ? 0 : Number(match[6])
  const ms = match[7] === undefined ? 0 : Number(match[7].slice(0, 3).padEnd(3, "0"))
  const offset = offsetMinutes(zone)
  if (offset === undefined || hour > 23 || minute > 59 || second > 59) return "INVALID_TIMESTAMP"
  // `setUTCFullYear`, as `Date.UTC` takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return "INVALID_TIMESTAMP"
  const at = date.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + ms
  return at < EARLIEST ? "INVALID_TIMESTAMP" : at
}

/** Epoch milliseconds of what was sent as `timestamp`: a whole number, or ISO 8601 with a zone. */
export const parseTimestamp = (value: unknown): number | TimestampFault => {
  if (typeof value === "number") {
    // Adding 0 turns -0 into 0.
    return Number.isSafeInteger(value) && value >= EARLIEST ? value + 0 : "INVALID_TIMESTAMP"
  }
  return typeof value === "string" ? parseIso(value) : "INVALID_TIMESTAMP"
}
