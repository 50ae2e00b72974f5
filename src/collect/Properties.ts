import { Rejection } from "./Rejection.js"
import { isWellFormed } from "./Text.js"

/** How deep properties may nest. Deeper values would overflow the stack of whatever walks them later. */
export const MAX_DEPTH = 16

export type Properties = Readonly<Record<string, unknown>>

const illFormed = (path: string): Rejection =>
  new Rejection(
    "INVALID_TEXT",
    path,
    "Text must be valid Unicode: this holds half of a surrogate pair, such as \\ud800 alone.",
  )

/**
 * What keeps a value from being stored, or undefined. Refuses what would change its meaning on the way:
 * numbers beyond a double, halves of characters, names that mean something to JavaScript objects.
 */
export const findFault = (value: unknown, path: string, depth = 0): Rejection | undefined => {
  if (typeof value === "string") return isWellFormed(value) ? undefined : illFormed(path)
  if (typeof value === "number") {
    return Number.isFinite(value)
      ? undefined
      : new Rejection("INVALID_NUMBER", path, "The number is too large: send it as a string.")
  }
  if (typeof value !== "object" || value === null) return undefined
  if (depth >= MAX_DEPTH) {
    return new Rejection("NESTED_TOO_DEEP", path, `Values may nest ${MAX_DEPTH} levels deep.`)
  }
  if (Array.isArray(value)) {
    for (const item of value) {
      const fault = findFault(item, path, depth + 1)
      if (fault !== undefined) return fault
    }
    return undefined
  }
  for (const name in value) {
    if (name === "__proto__") {
      return new Rejection("FORBIDDEN_NAME", path, "A field must not be named __proto__.")
    }
    if (!isWellFormed(name)) return illFormed(path)
    const fault = findFault((value as Record<string, unknown>)[name], path, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** The fields that have a meaning of their own; every other one is a property. */
const known: ReadonlySet<string> = new Set([
  "id",
  "type",
  "merchantId",
  "clientId",
  "timestamp",
  "amount",
  "currency",
  "paymentMethod",
  "pointsUsed",
  "pointsEarned",
  "url",
  "referrer",
  "ip",
  "method",
  "userAgent",
  "user",
  "properties",
])

/** Declared properties and unknown fields together; the declared ones win. */
export const parseProperties = (sent: Record<string, unknown>): Properties | Rejection | undefined => {
  const declared = sent.properties
  const isMissing = declared === undefined || declared === null
  if (!isMissing) {
    if (typeof declared !== "object" || Array.isArray(declared)) {
      return new Rejection(
        "INVALID_PROPERTIES",
        "properties",
        'properties must be an object, such as {"sku":"A-1"}.',
      )
    }
    const fault = findFault(declared, "properties")
    if (fault !== undefined) return fault
  }
  let all: Record<string, unknown> | undefined
  for (const name in sent) {
    if (known.has(name)) continue
    if (name === "__proto__") {
      return new Rejection("FORBIDDEN_NAME", undefined, "A field must not be named __proto__.")
    }
    if (!isWellFormed(name)) {
      return new Rejection("INVALID_TEXT", undefined, "Names of fields must be valid Unicode.")
    }
    const value = sent[name]
    const fault = findFault(value, name.slice(0, 64), 1)
    if (fault !== undefined) return fault
    all ??= {}
    all[name] = value
  }
  if (all === undefined)
    return declared === undefined || declared === null ? undefined : (declared as Properties)
  return declared === undefined || declared === null ? all : { ...all, ...declared }
}
