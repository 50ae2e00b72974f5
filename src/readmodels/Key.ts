/**
 * Keys of documents: parts joined so that comparing the strings compares the parts one by one.
 * U+0001 separates; control characters up to U+0002 are dropped from text parts.
 */
const SEPARATOR = "\u0001"

/** Sorts after every key that begins with the same parts. */
const AFTER = "\u0002"

/** Half a surrogate pair can't be stored as UTF-8 and would come back as another key. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the separators are what it looks for
const unfit = /[\u0000-\u0002\ud800-\udfff]/gu

/** A text as it stands in a key. */
export const clean = (part: string): string => (part.search(unfit) < 0 ? part : part.replaceAll(unfit, ""))

export const key = (...parts: ReadonlyArray<string>): string => parts.map(clean).join(SEPARATOR)

/** The range of all keys that begin with these whole parts and have more: `from` included, `to` excluded. */
export const under = (...parts: ReadonlyArray<string>): { readonly from: string; readonly to: string } => {
  const prefix = key(...parts)
  return { from: prefix + SEPARATOR, to: prefix + AFTER }
}

/**
 * Where a scan goes on after a key: no key lies between the two. Not U+0000, at which SQLite ends a text, so that
 * the key itself would come again.
 */
export const afterKey = (last: string): string => last + SEPARATOR

export const partsOf = (text: string): ReadonlyArray<string> => text.split(SEPARATOR)

const SHIFT = 8_640_000_000_000

/** An instant (epoch ms, whole seconds) as 14 digits; sorts by time, also before 1970. */
export const instant = (ms: number): string => String(Math.floor(ms / 1000) + SHIFT).padStart(14, "0")
