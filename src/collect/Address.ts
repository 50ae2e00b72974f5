import { isIPv4 } from "node:net"
import { groupsOfAddress } from "../domain/AddressRange.js"

const v4 = (ip: string): string => `${ip.slice(0, ip.lastIndexOf("."))}.0`

/** Whether it is an IPv4 address written as IPv6, such as `::ffff:203.0.113.7`. */
const isMapped = (groups: ReadonlyArray<number>): boolean =>
  groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff

const withoutZone = (ip: string): string => {
  const zone = ip.indexOf("%")
  return zone < 0 ? ip : ip.slice(0, zone)
}

/**
 * A valid address in the form that names it best: an IPv4 address written as IPv6 is the IPv4 address, and
 * the zone of a link-local address, which means something on one machine only, is left out.
 */
export const plainAddress = (ip: string): string => {
  if (!ip.includes(":")) return ip
  const address = withoutZone(ip)
  // Those that can be mapped begin with zeros.
  if (!address.startsWith("0") && !address.startsWith(":")) return address
  const groups = groupsOfAddress(address)
  if (!isMapped(groups)) return address
  const [high = 0, low = 0] = groups.slice(6)
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/**
 * The network that a valid address is in: IPv4 cut to 24 bits, IPv6 to 48 bits in the form of RFC 5952.
 * An IPv4 address written as IPv6 (`::ffff:203.0.113.7`) is the IPv4 address.
 */
export const truncateAddress = (ip: string): string => {
  const address = plainAddress(ip)
  if (isIPv4(address)) return v4(address)
  const kept = groupsOfAddress(address).slice(0, 3)
  while (kept.length > 0 && kept[kept.length - 1] === 0) kept.pop()
  return `${kept.map((group) => group.toString(16)).join(":")}::`
}
