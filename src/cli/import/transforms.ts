import { createHash } from "node:crypto"
import { parseTimestamp } from "../../collect/Timestamp.js"
import { isCurrency } from "../../domain/Currency.js"
import { minorDigits, toMinorUnits } from "../../domain/MinorUnits.js"

/** Why a text can't become what a field needs. */
export class Unfit {
  constructor(readonly reason: string) {}
}

const seconds = /^(-?)(\d{1,14})(?:\.(\d*))?$/

/** Epoch ms of epoch seconds, from the digits: finer fractions than a millisecond are cut. */
export const fromSeconds = (text: string): number | Unfit => {
  const match = seconds.exec(text)
  if (match === null) return new Unfit("is not a number of seconds since 1970")
  const fraction = match[3] ?? ""
  const ms = Number(match[2]) * 1_000 + Number(fraction.slice(0, 3).padEnd(3, "0"))
  if (match[1] !== "-") return ms
  return -ms - (/[1-9]/.test(fraction.slice(3)) ? 1 : 0)
}

export const fromMilliseconds = (text: string): number | Unfit =>
  /^-?\d{1,17}$/.test(text) && Number.isSafeInteger(Number(text))
    ? Number(text)
    : new Unfit("is not a whole number of milliseconds since 1970")

export const fromIso = (text: string): number | Unfit => {
  const at = parseTimestamp(text)
  if (at === "TIMESTAMP_WITHOUT_ZONE")
    return new Unfit("has no zone: it must end with Z or an offset such as +09:00")
  return typeof at === "number" ? at : new Unfit("is not ISO 8601, such as 2026-11-20T18:40:00Z")
}

export const fromMajor = (text: string, currency: string): number | Unfit => {
  if (!isCurrency(currency)) return new Unfit("can't be read, as its currency is no code of ISO 4217")
  const digits = minorDigits(currency)
  if (digits === undefined) return new Unfit(`can't be read, as ${currency} has no minor unit`)
  const amount = toMinorUnits(text, digits)
  switch (amount) {
    case "NOT_DECIMAL":
      return new Unfit("is not an amount such as 12.45")
    case "TOO_FINE":
      return new Unfit(`has more decimals than ${currency}, which has ${digits}`)
    case "TOO_LARGE":
      return new Unfit("is too large")
    default:
      return amount
  }
}

/** A whole number from 0 up: minor units, points, a year. */
export const fromWhole = (text: string): number | Unfit =>
  /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))
    ? Number(text)
    : new Unfit("is not a whole number from 0 up")

const faithful = /^[A-Za-z0-9.-][A-Za-z0-9. -]{0,63}$/
const HASH = 10

/**
 * A merchant id made of a text. A text of `A-Z a-z 0-9 . -` and spaces becomes itself with `_` for each
 * space, and can be told from it again. Any other text loses something on the way, so that a hash of the
 * whole text follows: two texts don't share an id, in whatever files they stand.
 */
export const slug = (text: string): string => {
  if (faithful.test(text)) return text.replaceAll(" ", "_")
  const readable = text
    .normalize("NFKD")
    .replaceAll(/\p{M}+/gu, "")
    .replaceAll(/[^A-Za-z0-9.-]+/g, "_")
    .replaceAll(/^_+/g, "")
    .slice(0, 64 - HASH - 1)
    .replaceAll(/_+$/g, "")
  const hash = createHash("sha256").update(text, "utf8").digest("hex").slice(0, HASH)
  return readable === "" ? `m-${hash}` : `${readable}-${hash}`
}
