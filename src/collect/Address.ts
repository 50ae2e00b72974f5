import { isIPv4 } from "node:net"

const v4 = (ip: string): string => `${ip.slice(0, ip.lastIndexOf("."))}.0`

const groupsOf = (text: string): number[] =>
  text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16))

/** The eight groups of an IPv6 address that `net.isIP` has found valid. */
const expand = (ip: string): number[] => {
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

/**
 * The network that a valid address is in: IPv4 cut to 24 bits, IPv6 to 48 bits in the form of RFC 5952.
 * An IPv4 address written as IPv6 (`::ffff:203.0.113.7`) is the IPv4 address.
 */
export const truncateAddress = (ip: string): string => {
  if (isIPv4(ip)) return v4(ip)
  const zone = ip.indexOf("%")
  const groups = expand(zone < 0 ? ip : ip.slice(0, zone))
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high = 0, low = 0] = groups.slice(6)
    return `${high >> 8}.${high & 255}.${low >> 8}.0`
  }
  const kept = groups.slice(0, 3)
  while (kept.length > 0 && kept[kept.length - 1] === 0) kept.pop()
  return `${kept.map((group) => group.toString(16)).join(":")}::`
}
