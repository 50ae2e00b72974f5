import { parseAddressRange } from "../../domain/AddressRange.js"
import type { IdleGroup as IdleGroupData } from "../../domain/IdleTimes.js"
import { builder } from "../Builder.js"
import { type UserErrorData, userError } from "./UserError.js"

export const LONGEST_SILENCE = 366 * 86_400
const MAX_GROUPS = 50
const MAX_ENTRIES = 300

export const IdleGroup = builder.objectRef<IdleGroupData>("IdleGroup").implement({
  description: "Clients with an idle time of their own.",
  fields: (t) => ({
    addresses: t.stringList({
      description: "Ranges of addresses in CIDR notation: clients that request from one of them are in it.",
      resolve: ({ addresses }) => [...(addresses ?? [])],
    }),
    countries: t.stringList({
      description: "Two-letter codes of ISO 3166-1: clients of one of them are in it.",
      resolve: ({ countries }) => [...(countries ?? [])],
    }),
    idleAfterSeconds: t.exposeInt("idleAfterSeconds", {
      description: "Silence in seconds after which its clients are idle.",
    }),
  }),
})

export const IdleGroupInput = builder.inputType("IdleGroupInput", {
  description: "Clients with an idle time of their own.",
  fields: (t) => ({
    addresses: t.stringList({
      description:
        "Ranges of addresses such as `203.0.113.0/24` or `2001:db8::/32`: at most 24 bits of IPv4 and 48 of IPv6, as no more is kept of an address.",
    }),
    countries: t.stringList({ description: "Two-letter codes of ISO 3166-1, such as `JP`." }),
    idleAfterSeconds: t.int({
      required: true,
      description: `Silence after which its clients are idle: 1 to ${LONGEST_SILENCE} seconds.`,
    }),
  }),
})

export interface GivenGroup {
  readonly addresses?: ReadonlyArray<string> | null | undefined
  readonly countries?: ReadonlyArray<string> | null | undefined
  readonly idleAfterSeconds: number
}

/** The groups as they are stored; what is wrong with them goes into `errors`, under `input.idleGroups`. */
export const parseIdleGroups = (
  given: ReadonlyArray<GivenGroup>,
  errors: Array<UserErrorData>,
): ReadonlyArray<IdleGroupData> => {
  const wrong = (message: string, ...path: ReadonlyArray<string>): void => {
    errors.push(userError("INVALID_IDLE_GROUPS", message, "input", "idleGroups", ...path))
  }
  if (given.length > MAX_GROUPS) wrong(`there are more than ${MAX_GROUPS} groups`)
  return given.slice(0, MAX_GROUPS).map(({ addresses, countries, idleAfterSeconds }, at) => {
    const ranges = addresses ?? []
    const places = (countries ?? []).map((country) => country.toUpperCase())
    if (ranges.length + places.length === 0) wrong("the group names no address range and no country", `${at}`)
    if (ranges.length + places.length > MAX_ENTRIES)
      wrong(`the group has more than ${MAX_ENTRIES} entries`, `${at}`)
    ranges.slice(0, MAX_ENTRIES).forEach((range, index) => {
      if (parseAddressRange(range) !== undefined) return
      const message = `"${range.slice(0, 64)}" is not a range of at most 24 bits of IPv4 or 48 bits of IPv6, such as "203.0.113.0/24"`
      wrong(message, `${at}`, "addresses", `${index}`)
    })
    places.slice(0, MAX_ENTRIES).forEach((country, index) => {
      if (/^[A-Z]{2}$/.test(country)) return
      wrong(
        `"${country.slice(0, 20)}" is not a country code of ISO 3166-1, such as "JP"`,
        ...[`${at}`, "countries", `${index}`],
      )
    })
    if (!(idleAfterSeconds >= 1 && idleAfterSeconds <= LONGEST_SILENCE)) {
      wrong(`idleAfterSeconds must be 1 to ${LONGEST_SILENCE}`, `${at}`, "idleAfterSeconds")
    }
    return {
      ...(ranges.length === 0 ? {} : { addresses: ranges }),
      ...(places.length === 0 ? {} : { countries: places }),
      idleAfterSeconds,
    }
  })
}
