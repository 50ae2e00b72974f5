import type { EventData } from "../../domain/Event.js"
import { countryCode, countryOf, type Whereabouts } from "../../domain/IdleTimes.js"
import { addressCode, addressOf } from "./AddressCode.js"

/** As it is stored. */
interface Written {
  readonly address?: string
  readonly country?: string
}

export const writtenOf = ({ address, country }: Whereabouts): Written => {
  const from = addressOf(address)
  const where = countryOf(country)
  return {
    ...(from === undefined ? {} : { address: from }),
    ...(where === undefined ? {} : { country: where }),
  }
}

export const whereaboutsIn = ({ address, country }: Written): Whereabouts => ({
  address: addressCode(address),
  country: countryCode(country),
})

/** After an event: what it does not name stays as it was. */
export const whereaboutsAfter = (before: Whereabouts, { address, country }: EventData): Whereabouts => {
  if (address === undefined && country === undefined) return before
  const code = addressCode(address)
  return {
    address: code < 0 ? before.address : code,
    country: countryCode(country) || before.country,
  }
}
