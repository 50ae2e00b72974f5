/**
 * Keys of documents: parts joined so that comparing the strings compares the parts one by one.
 * U+0001 separates; control characters up to U+0002 are dropped from text parts.
 */
const SEPARATOR = "\u0001"

/** Sorts after every key that begins with the same parts. */
const AFTER = "\u0002"

const clean = (part: string): string =>
  part.includes("\u0000") || part.includes(SEPARATOR) || part.includes(AFTER)
    ? part.replaceAll("\u0000", "").replaceAll(SEPARATOR, "").replaceAll(AFTER, "")
    : part

export const key = (...parts: ReadonlyArray<string>): string => parts.map(clean).join(SEPARATOR)

/** The range of all keys that begin with these whole parts and have more: `from` included, `to` excluded. */
export const under = (...parts: ReadonlyArray<string>): { readonly from: string; readonly to: string } => {
  const prefix = key(...parts)
  return { from: prefix + SEPARATOR, to: prefix + AFTER }
}

export const partsOf = (text: string): ReadonlyArray<string> => text.split(SEPARATOR)

const SHIFT = 8_640_000_000_000

/** An instant (epoch ms, whole seconds) as 14 digits; sorts by time, also before 1970. */
export const instant = (ms: number): string => String(Math.floor(ms / 1000) + SHIFT).padStart(14, "0")

export const instantOf = (part: string): number => (Number(part) - SHIFT) * 1000
