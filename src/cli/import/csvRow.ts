import { isUtf8 } from "node:buffer"

const QUOTE = '"'

/**
 * The fields of one row of CSV (RFC 4180), or why they can't be told apart.
 *
 * @param text without the line break at its end
 */
export const csvFields = (text: string, delimiter: string): ReadonlyArray<string> | string => {
  const fields: string[] = []
  let at = 0
  for (;;) {
    if (text[at] === QUOTE) {
      let value = ""
      let from = at + 1
      for (;;) {
        const quote = text.indexOf(QUOTE, from)
        if (quote < 0) return "a quote that opens in it is not closed"
        value += text.slice(from, quote)
        from = quote + 1
        if (text[from] !== QUOTE) break
        value += QUOTE
        from += 1
      }
      if (from < text.length && text[from] !== delimiter) return "text follows a closing quote"
      fields.push(value)
      at = from
    } else {
      const next = text.indexOf(delimiter, at)
      const value = text.slice(at, next < 0 ? text.length : next)
      if (value.includes(QUOTE)) return "a quote stands in a field that does not begin with one"
      fields.push(value)
      at += value.length
    }
    if (at >= text.length) return fields
    at += 1
  }
}

const needsQuotes = /[",\r\n]/

/** A row of CSV, without a line break at its end. */
export const csvRow = (fields: ReadonlyArray<string>): string =>
  fields.map((field) => (needsQuotes.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",")

/** Text of UTF-8 bytes; undefined when they are not UTF-8. @param first without a byte order mark */
export const utf8 = (bytes: Buffer, first: boolean): string | undefined => {
  if (!isUtf8(bytes)) return undefined
  const text = bytes.toString("utf8")
  return first && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

/** The byte of a delimiter; undefined when it is none of those that can delimit. */
export const delimiterByte = (delimiter: string): number | undefined => {
  const byte = delimiter.charCodeAt(0)
  return delimiter.length === 1 && byte < 128 && byte !== 10 && byte !== 13 && delimiter !== QUOTE
    ? byte
    : undefined
}
