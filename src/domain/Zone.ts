/**
 * Offsets of IANA time zones, taken from Node's own ICU data through `Intl`, in milliseconds east of UTC.
 */
const BLOCK = 900_000

/** About 28 years of one zone, or 3 MB: past that a zone's cache starts over. */
const MAX_BLOCKS = 50_000

interface Zone {
  readonly format: Intl.DateTimeFormat
  /** By 15-minute block: its offset, or undefined when the offset changes inside. */
  blocks: Map<number, number | undefined>
}

const zones = new Map<string, Zone>()

const namePattern = /^[A-Za-z][A-Za-z0-9_+\-/]*$/

const zoneOf = (name: string): Zone => {
  const known = zones.get(name)
  if (known !== undefined) return known
  if (!namePattern.test(name)) throw new RangeError(`"${name}" is not the name of a time zone`)
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: name,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    era: "short",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  })
  const zone = { format, blocks: new Map<number, number | undefined>() }
  zones.set(name, zone)
  return zone
}

/** Whether `name` is an IANA zone that this Node knows, such as `Europe/Berlin`. */
export const isValidZone = (name: string): boolean => {
  try {
    zoneOf(name)
    return true
  } catch {
    return false
  }
}

const exactOffset = (zone: Zone, at: number): number => {
  let [year, month, day, hour, minute, second, before] = [0, 0, 0, 0, 0, 0, false]
  for (const part of zone.format.formatToParts(at)) {
    if (part.type === "year") year = Number(part.value)
    else if (part.type === "month") month = Number(part.value)
    else if (part.type === "day") day = Number(part.value)
    else if (part.type === "hour") hour = Number(part.value)
    else if (part.type === "minute") minute = Number(part.value)
    else if (part.type === "second") second = Number(part.value)
    else if (part.type === "era") before = part.value.startsWith("B")
  }
  const local = new Date(0)
  local.setUTCFullYear(before ? 1 - year : year, month - 1, day)
  local.setUTCHours(hour, minute, second)
  // The formatter leaves out the milliseconds, counted downwards before 1970 as well.
  return local.getTime() - Math.floor(at / 1000) * 1000
}

/** Offset of the zone at an instant (epoch ms). Throws a RangeError for an unknown zone. */
export const offsetAt = (name: string, at: number): number => {
  if (name === "UTC") return 0
  const zone = zoneOf(name)
  const block = Math.floor(at / BLOCK)
  const cached = zone.blocks.get(block)
  if (cached !== undefined) return cached
  if (!zone.blocks.has(block)) {
    if (zone.blocks.size >= MAX_BLOCKS) zone.blocks = new Map()
    const first = exactOffset(zone, block * BLOCK)
    const same = first === exactOffset(zone, (block + 1) * BLOCK - 1)
    zone.blocks.set(block, same ? first : undefined)
    if (same) return first
  }
  return exactOffset(zone, at)
}

/** The first instant after `before`, and not after `after`, that has the offset of `after`. */
export const transitionBetween = (name: string, before: number, after: number): number => {
  const offset = offsetAt(name, after)
  let [low, high] = [before, after]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(name, middle) === offset) high = middle
    else low = middle
  }
  return high
}
