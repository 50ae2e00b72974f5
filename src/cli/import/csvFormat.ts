import { csvFields, utf8 } from "./csvRow.js"
import { type Converted, type Format, faults } from "./Format.js"
import { InvalidMapping, type Mapping, type Rule } from "./Mapping.js"
import { endOfRow, type Piece } from "./Records.js"
import { fromIso, fromMajor, fromMilliseconds, fromSeconds, fromWhole, slug, Unfit } from "./transforms.js"

export interface CsvOptions {
  readonly mapping: Mapping
  /** Put before the offset in events' ids, where no column gives one. */
  readonly source: string
  readonly delimiter: string
}

interface SentEvent {
  merchantId: string
  [field: string]: unknown
}

const BLANK = "blank rows"

/** The value of a field as JSON has it. @param currency that of the row, as written there */
const fieldValue = (rule: Rule, text: string, currency: () => string): unknown => {
  if (rule.kind === "text") {
    return rule.transforms.reduce(
      (value, name) => (name === "slug" ? slug(value) : value.toLowerCase()),
      text,
    )
  }
  const trimmed = text.trim()
  switch (rule.transforms[0]) {
    case "seconds":
      return fromSeconds(trimmed)
    case "milliseconds":
      return fromMilliseconds(trimmed)
    case "iso":
      return fromIso(trimmed)
    case "major":
      return fromMajor(trimmed, currency())
    default:
      return fromWhole(trimmed)
  }
}

const put = (event: SentEvent, field: string, value: unknown): void => {
  const dot = field.indexOf(".")
  if (dot < 0) {
    event[field] = value
    return
  }
  const group = field.slice(0, dot)
  const fields = (event[group] ?? {}) as Record<string, unknown>
  fields[field.slice(dot + 1)] = value
  event[group] = fields
}

const needed = (type: unknown): ReadonlyArray<string> =>
  type === "payment" || type === "refund"
    ? ["type", "merchantId", "timestamp", "amount"]
    : ["type", "merchantId", "timestamp"]

/** Where in a row each rule finds its text. */
const placesOf = (rules: ReadonlyArray<Rule>, header: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const places = new Map<string, number>()
  for (const { column } of rules) {
    if (column === undefined) continue
    const at = header.indexOf(column)
    if (at < 0) throw new InvalidMapping(`there is no column "${column}". The file has: ${header.join(", ")}`)
    if (header.lastIndexOf(column) !== at) {
      throw new InvalidMapping(`the column "${column}" is there twice: which one is meant can't be told`)
    }
    places.set(column, at)
  }
  return places
}

/**
 * CSV with a header: an event for every row.
 *
 * @param header from an earlier run, when reading begins in the middle of the file
 * @throws InvalidMapping from `convert`, when the header lacks a column or can't be read
 */
export const csvFormat = (options: CsvOptions, header?: ReadonlyArray<string>): Format => {
  const { source, delimiter } = options
  const rules = options.mapping.rules
  let names = header
  let places = header === undefined ? new Map<string, number>() : placesOf(rules, header)
  const currencyRule = rules.find(({ field }) => field === "currency")

  const textIn = (rule: Rule, row: ReadonlyArray<string>): string | undefined => {
    const at = rule.column === undefined ? undefined : places.get(rule.column)
    const text = at === undefined ? "" : (row[at] ?? "")
    return text.trim() === "" ? undefined : text
  }

  const eventOf = (row: ReadonlyArray<string>, offset: number): Converted => {
    const event: SentEvent = { merchantId: "" }
    const currency = (): string =>
      currencyRule === undefined ? "" : (textIn(currencyRule, row) ?? String(currencyRule.constant ?? ""))
    for (const rule of rules) {
      const text = textIn(rule, row)
      const value = text === undefined ? rule.constant : fieldValue(rule, text, currency)
      if (value instanceof Unfit) return { problem: `${rule.field} ${value.reason}`, fields: row }
      if (value !== undefined) put(event, rule.field, value)
      else if (rule.field === "id") return { problem: "id is empty", fields: row }
    }
    const missing = needed(event.type).find((field) => event[field] === undefined || event[field] === "")
    if (missing !== undefined) return { problem: `${missing} is empty`, fields: row }
    const json = JSON.stringify({ id: `${source}:${offset}`, ...event })
    return { events: [{ merchantId: event.merchantId, json }], fields: row }
  }

  /** Of a header it ends the import: the row after it would pass for the header, and be lost. */
  const unreadable = (problem: string): Converted => {
    if (names === undefined) throw new InvalidMapping(`the header can't be read: ${problem}`)
    return { problem }
  }

  return {
    unit: "row",
    findEnd: endOfRow(delimiter.charCodeAt(0)),
    convert: ({ offset, bytes, fault }: Piece): Converted => {
      if (fault !== undefined) return unreadable(faults[fault])
      if (bytes.length === 0) return { events: [], notes: [BLANK] }
      const text = utf8(bytes, offset === 0)
      if (text === undefined) return unreadable("it is not UTF-8")
      const row = csvFields(text, delimiter)
      if (typeof row === "string") return unreadable(row)
      if (names === undefined) {
        places = placesOf(rules, row)
        names = row
        return { events: [], header: true }
      }
      if (row.length !== names.length) {
        return { problem: `it has ${row.length} fields where the header has ${names.length}`, fields: row }
      }
      return eventOf(row, offset)
    },
    memory: () => names,
  }
}
