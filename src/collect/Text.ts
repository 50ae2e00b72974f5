/** Strings of ES2024, which Node has had since version 20 and the compiler's library for ES2023 lacks. */
interface WellFormed {
  isWellFormed(): boolean
}

/**
 * Whether UTF-8 can hold the text: without lone surrogates, which JSON can smuggle in (`"\ud800"`).
 * Two different ids would become the same bytes, and one event would pass for a repetition of the other.
 */
export const isWellFormed = (text: string): boolean => (text as unknown as WellFormed).isWellFormed()

/** The first `length` UTF-16 units, never half a pair. */
export const cut = (text: string, length: number): string => {
  if (text.length <= length) return text
  const last = text.charCodeAt(length - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length)
}

/** Whether there are more than `most` characters, counting a surrogate pair as one. */
export const isLonger = (text: string, most: number): boolean => {
  if (text.length <= most) return false
  if (text.length > most * 2) return true
  let count = 0
  for (const _ of text) count += 1
  return count > most
}

/** What a value is, in JSON's words. */
export const kindOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value
