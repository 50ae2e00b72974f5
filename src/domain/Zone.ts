/**
 * Offsets of IANA time zones, taken from Node's own ICU data through `Intl`, in milliseconds east of UTC.
 */
const BLOCK = 900_000
/**
 * No zone has ever changed its offset twice within a day: of all changes in the tz database up to 2100 the nearest
 * two are 95 hours apart (Africa/Freetown, 1939). So a day that begins and ends with one offset has no other.
 */
const DAY = 86_400_000

/** Past so many entries a cache of a zone starts over: some MB. */
const MOST_KEPT = 50_000

interface Zone {
  readonly format: Intl.DateTimeFormat
  /** By UTC day: its offset, or undefined when the offset changes inside. */
  readonly days: Map<number, number | undefined>
  /** The same by 15-minute block, of such days. */
  readonly blocks: Map<number, number | undefined>
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
  const zone: Zone = { format, days: new Map(), blocks: new Map() }
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
  return within(zone, zone.days, DAY, at) ?? within(zone, zone.blocks, BLOCK, at) ?? exactOffset(zone, at)
}

/** The offset of the stretch of time that the instant lies in; undefined when it changes inside. */
const within = (
  zone: Zone,
  known: Map<number, number | undefined>,
  length: number,
  at: number,
): number | undefined => {
  const number = Math.floor(at / length)
  const cached = known.get(number)
  if (cached !== undefined || known.has(number)) return cached
  if (known.size >= MOST_KEPT) known.clear()
  const first = exactOffset(zone, number * length)
  const offset = first === exactOffset(zone, (number + 1) * length - 1) ? first : undefined
  known.set(number, offset)
  return offset
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
