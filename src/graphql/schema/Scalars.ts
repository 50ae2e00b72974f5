import { GraphQLError } from "graphql"
import type { Position } from "../../domain/Position.js"
import { builder } from "../Builder.js"

const iso =
  /^(\d{4}|[+-]\d{6})-(\d{2})-(\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/

const badInput = (message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT" } })

const shorten = (value: unknown): string => String(JSON.stringify(value)).slice(0, 60)

/** Epoch ms of an ISO 8601 instant. Dates that no calendar has, such as February 30, are refused. */
export const parseDateTime = (value: unknown): number => {
  const parts = typeof value === "string" ? iso.exec(value) : null
  if (parts !== null) {
    const at = Date.parse(value as string)
    const day = Number(parts[3])
    const last = new Date(Date.UTC(2000 + (Number(parts[1]) % 400), Number(parts[2]), 0)).getUTCDate()
    if (Number.isFinite(at) && day >= 1 && day <= last) return at
  }
  throw badInput(
    `${shorten(value)} is not a DateTime: write ISO 8601 with an offset, such as "2026-11-21T09:30:00Z" or "2026-11-21T09:30:00.250+09:00"; a date alone is midnight UTC`,
  )
}

builder.scalarType("DateTime", {
  description:
    "An instant as ISO 8601. Given back in UTC with milliseconds; taken with any offset, or as a date alone, which is midnight UTC.",
  serialize: (value) => new Date(value).toISOString(),
  parseValue: parseDateTime,
})

builder.scalarType("Position", {
  description:
    "A place in the event log. Opaque: send back what an answer gave. Later events have later positions.",
  serialize: (value): Position => value,
  parseValue: (value) => {
    if (typeof value === "string") return value
    throw badInput(`${shorten(value)} is not a Position: positions are strings that an answer gave`)
  },
})

builder.scalarType("Currency", {
  description: "A currency code of ISO 4217 in upper case, such as `USD`.",
  serialize: (value) => value,
  parseValue: (value) => {
    if (typeof value === "string") return value
    throw badInput(`${shorten(value)} is not a currency code of ISO 4217 in upper case, such as "USD"`)
  },
})

builder.scalarType("JSON", {
  description: "Any JSON value.",
  serialize: (value) => value,
})
