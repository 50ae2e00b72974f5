import { isIPv4 } from "node:net"
import { Reader } from "mmdb-lib"
import { plainAddress } from "./Address.js"
import { Cache } from "./Cache.js"

/** The country of an address, as two capital letters; undefined when it is not known. */
export type CountryOf = (ip: string) => string | undefined

export interface CountryDatabase {
  readonly countryOf: CountryOf
  /** What the file says of itself. */
  readonly type: string
  readonly builtAt: Date
}

/** Addresses whose country is remembered: a look-up walks up to 128 nodes and decodes a record. */
const REMEMBERED = 16_384
/** Between search tree and data, in bytes. */
const SEPARATOR = 16

/** What comes before the metadata, at the end of the file: so that one that is cut off lacks it. */
const marker = Buffer.from("\u00ab\u00cd\u00efMaxMind.com", "latin1")

const code = /^[A-Za-z]{2}$/

const textIn = (value: unknown): string | undefined =>
  typeof value === "string" && code.test(value) ? value.toUpperCase() : undefined

/** Vendors lay records out in two ways: `{country:{iso_code}}`, or flat with `country_code` or `country`. */
const countryIn = (record: unknown): string | undefined => {
  if (typeof record !== "object" || record === null) return undefined
  const { country, country_code } = record as { readonly country?: unknown; readonly country_code?: unknown }
  const nested =
    typeof country === "object" && country !== null
      ? (country as { readonly iso_code?: unknown }).iso_code
      : country
  return textIn(nested) ?? textIn(country_code)
}

/**
 * A file in MaxMind DB format, held in memory.
 *
 * @param file its whole content
 * @throws Error when it is not such a file, or is cut off
 */
export const openCountryDatabase = (file: Buffer): CountryDatabase => {
  if (!file.includes(marker)) throw new Error("it is no MaxMind DB, or its end is missing")
  const reader = new Reader(file)
  const { metadata } = reader
  if (metadata.searchTreeSize + SEPARATOR > file.length) throw new Error("its search tree is cut off")
  const known = new Cache<string>(REMEMBERED)

  const lookUp = (ip: string): string | undefined => {
    const address = plainAddress(ip)
    // A tree of IPv4 knows no other address.
    if (metadata.ipVersion === 4 && !isIPv4(address)) return undefined
    try {
      return countryIn(reader.get(address))
    } catch {
      // A damaged record: the event is worth more than its country.
      return undefined
    }
  }

  return {
    type: metadata.databaseType,
    builtAt: metadata.buildEpoch,
    countryOf: (ip) => {
      const found = known.get(ip)
      if (found !== undefined) return found === "" ? undefined : found
      const country = lookUp(ip)
      known.set(ip, country ?? "")
      return country
    },
  }
}
