import { isCurrency } from "../domain/Currency.js"
import { Rejection } from "./Rejection.js"

/** An integer from 0 up that a double holds exactly; undefined when missing. -0 becomes 0. */
const parseCount = (value: unknown, path: string, code: string, hint: string) => {
  if (value === undefined || value === null) return undefined
  if (typeof value !== "number" || !Number.isInteger(value)) {
    return new Rejection(`INVALID_${code}`, path, `${path} must be ${hint}, as a number.`)
  }
  if (value < 0) return new Rejection(`NEGATIVE_${code}`, path, `${path} must be 0 or more.`)
  if (value > Number.MAX_SAFE_INTEGER) {
    return new Rejection(`${code}_TOO_LARGE`, path, `${path} must be at most ${Number.MAX_SAFE_INTEGER}.`)
  }
  return value + 0
}

export const parseAmount = (value: unknown, required: boolean): number | Rejection | undefined => {
  if ((value === undefined || value === null) && required) {
    return new Rejection(
      "AMOUNT_REQUIRED",
      "amount",
      "payment and refund need amount, an integer in minor units: 1250 is 12.50 USD.",
    )
  }
  return parseCount(value, "amount", "AMOUNT", "an integer in minor units (1250 is 12.50 USD)")
}

export const parsePoints = (value: unknown, path: "pointsUsed" | "pointsEarned") =>
  parseCount(value, path, "POINTS", "an integer")

export const parseCurrency = (value: unknown): string | Rejection | undefined => {
  if (value === undefined || value === null) return undefined
  if (typeof value === "string" && isCurrency(value)) return value
  return new Rejection(
    typeof value === "string" ? "UNKNOWN_CURRENCY" : "INVALID_CURRENCY",
    "currency",
    'currency must be a code of ISO 4217 in upper case, such as "USD". Without it the amount is in the merchant\'s currency.',
  )
}
