import { isIPv4, isIPv6 } from "node:net"

// Addresses are kept truncated: IPv4 to 24 bits, IPv6 to 48. As one number, an IPv4 network is those 24 bits, an IPv6
// network its 48 bits behind all of IPv4.

/** Number of the first IPv6 network. */
export const V6_NETWORKS = 2 ** 24

/** Networks in a row, both ends included. */
export interface AddressRange {
  readonly from: number
  readonly to: number
}

const numberV4 = (address: string): number => {
  const [a, b, c] = address.split(".").map(Number) as [number, number, number]
  return a * 65_536 + b * 256 + c
}

const numberV6 = (address: string): number => {
  // The URL parser writes it as RFC 5952 does, whatever way it was written.
  const [head = "", tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::")
  const before = head === "" ? [] : head.split(":")
  const after = tail === undefined || tail === "" ? [] : tail.split(":")
  const groups = [...before, ...new Array<string>(8 - before.length - after.length).fill("0"), ...after]
  const [a, b, c] = groups.map((group) => Number.parseInt(group, 16)) as [number, number, number]
  return (a * 65_536 + b) * 65_536 + c
}

/** Undefined for a text that is no range in CIDR notation, or a smaller one than what is kept of addresses. */
export const parseAddressRange = (text: string): AddressRange | undefined => {
  const [address = "", length = "", more] = text.split("/")
  if (more !== undefined || !/^\d{1,2}$/.test(length)) return undefined
  const is4 = isIPv4(address)
  if (!is4 && (!isIPv6(address) || address.includes("%"))) return undefined
  const bits = is4 ? 24 : 48
  if (Number(length) > bits) return undefined
  const size = 2 ** (bits - Number(length))
  const first = Math.floor((is4 ? numberV4(address) : numberV6(address)) / size) * size
  const from = is4 ? first : V6_NETWORKS + first
  return { from, to: from + size - 1 }
}
