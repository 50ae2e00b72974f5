import { V6_NETWORKS } from "../../domain/AddressRange.js"

/** A truncated address as one number: 24 bits of IPv4, or 48 bits of IPv6 behind them. -1 stands for none. */
export const NO_ADDRESS = -1
const V6 = V6_NETWORKS

const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.0$/
const v6 = /^(?:([0-9a-f]{1,4})(?::([0-9a-f]{1,4})(?::([0-9a-f]{1,4}))?)?)?::$/

/** Of an address as `truncateAddress` makes it; NO_ADDRESS for anything else. */
export const addressCode = (address: string | undefined): number => {
  if (address === undefined) return NO_ADDRESS
  const short = v4.exec(address)
  if (short !== null) return Number(short[1]) * 65_536 + Number(short[2]) * 256 + Number(short[3])
  const long = v6.exec(address)
  if (long === null) return NO_ADDRESS
  const [a, b, c] = [long[1], long[2], long[3]].map((group) => Number.parseInt(group ?? "0", 16)) as [
    number,
    number,
    number,
  ]
  return V6 + (a * 65_536 + b) * 65_536 + c
}

export const addressOf = (code: number): string | undefined => {
  if (code < 0) return undefined
  if (code < V6) return `${code >>> 16}.${(code >>> 8) & 255}.${code & 255}.0`
  const bits = code - V6
  const groups = [Math.floor(bits / 2 ** 32), Math.floor(bits / 65_536) % 65_536, bits % 65_536]
  while (groups.length > 0 && groups.at(-1) === 0) groups.pop()
  return `${groups.map((group) => group.toString(16)).join(":")}::`
}
