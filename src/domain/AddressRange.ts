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

const groupsOf = (text: string): number[] =>
  text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16))

/** The eight groups of an IPv6 address that `net.isIP` has found valid; without a zone. */
export const groupsOfAddress = (ip: string): number[] => {
  const embedded = ip.slice(ip.lastIndexOf(":") + 1)
  let text = ip
  if (embedded.includes(".")) {
    const [a = 0, b = 0, c = 0, d = 0] = embedded.split(".").map(Number)
    const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
    text = ip.slice(0, ip.length - embedded.length) + hex
  }
  const gap = text.indexOf("::")
  if (gap < 0) return groupsOf(text)
  const head = groupsOf(text.slice(0, gap))
  const tail = groupsOf(text.slice(gap + 2))
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

const numberV6 = (address: string): number => {
  const [a, b, c] = groupsOfAddress(address) as [number, number, number]
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
