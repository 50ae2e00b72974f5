import { isCurrency } from "../../domain/Currency.js"
import { fromIso, fromWhole, Unfit } from "./transforms.js"

/** How a field of an event is written in JSON. */
type Kind = "text" | "time" | "money" | "whole"

const kinds: Readonly<Record<string, Kind>> = {
  id: "text",
  type: "text",
  merchantId: "text",
  clientId: "text",
  timestamp: "time",
  amount: "money",
  currency: "text",
  paymentMethod: "text",
  pointsUsed: "whole",
  pointsEarned: "whole",
  url: "text",
  referrer: "text",
  ip: "text",
  method: "text",
  userAgent: "text",
  "user.grade": "text",
  "user.gender": "text",
  "user.birthYear": "whole",
  "user.country": "text",
  "user.device": "text",
}

export const fieldNames: ReadonlyArray<string> = [...Object.keys(kinds), "properties.NAME"]

/** Which transforms a kind of field takes, and whether one of them has to be there. */
const transformsOf: Readonly<
  Record<Kind, { readonly names: ReadonlyArray<string>; readonly needed: boolean }>
> = {
  text: { names: ["slug", "lower"], needed: false },
  time: { names: ["seconds", "milliseconds", "iso"], needed: true },
  money: { names: ["major", "minor"], needed: true },
  whole: { names: [], needed: false },
}

const transformNames: ReadonlySet<string> = new Set(Object.values(transformsOf).flatMap(({ names }) => names))

/** Where a field comes from: a column and what is done to it, or a constant, also where the column is empty. */
export interface Rule {
  readonly field: string
  readonly kind: Kind
  readonly column?: string
  readonly transforms: ReadonlyArray<string>
  /** As it is sent. */
  readonly constant?: string | number
}

export interface Mapping {
  readonly rules: ReadonlyArray<Rule>
}

/** The options are not a mapping. */
export class InvalidMapping extends Error {}

const kindOf = (field: string): Kind => {
  if (Object.hasOwn(kinds, field)) return kinds[field] as Kind
  const name = /^properties\.(.+)$/s.exec(field)?.[1]
  if (name !== undefined && name !== "__proto__") return "text"
  throw new InvalidMapping(`"${field}" is no field of an event. Fields are: ${fieldNames.join(", ")}`)
}

/** `FIELD=REST`, at the first sign of equality. */
const split = (text: string, option: string): readonly [string, string] => {
  const at = text.indexOf("=")
  if (at < 1 || at === text.length - 1) {
    throw new InvalidMapping(
      `${option} "${text}" is not of the form ${option === "--set" ? "FIELD=VALUE" : "FIELD=COLUMN[:TRANSFORM]"}`,
    )
  }
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Column names may hold colons: what follows the last one counts when it is the name of a transform. */
const parseColumn = (
  text: string,
): { readonly column: string; readonly transforms: ReadonlyArray<string> } => {
  const transforms: string[] = []
  let column = text
  for (let at = column.lastIndexOf(":"); at > 0; at = column.lastIndexOf(":")) {
    const name = column.slice(at + 1)
    if (!transformNames.has(name)) break
    transforms.unshift(name)
    column = column.slice(0, at)
  }
  return { column, transforms }
}

const columnRule = (field: string, text: string): Rule => {
  const kind = kindOf(field)
  const { column, transforms } = parseColumn(text)
  const { names, needed } = transformsOf[kind]
  const strange = transforms.find((name) => !names.includes(name))
  if (strange !== undefined) throw new InvalidMapping(`${field} does not take the transform "${strange}"`)
  if (needed && transforms.length !== 1) {
    throw new InvalidMapping(`say how ${field} is written: --map ${field}=${column}:${names.join(`, or :`)}`)
  }
  return { field, kind, column, transforms }
}

/** Constants are written as they are sent; times may be ISO 8601. */
const constantOf = (field: string, kind: Kind, text: string): string | number => {
  if (field === "currency" && !isCurrency(text)) {
    throw new InvalidMapping(`"${text}" is no currency of ISO 4217 in upper case`)
  }
  if (kind === "text") return text
  const value = kind === "time" ? fromIso(text) : fromWhole(text)
  if (value instanceof Unfit) throw new InvalidMapping(`--set ${field}=${text}: it ${value.reason}`)
  return value
}

/** A file with the mapping: `{"map":{"amount":"fare:major"},"set":{"currency":"USD"}}`. */
const parseFile = (
  text: string,
): { readonly map: Record<string, string>; readonly set: Record<string, string> } => {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw new InvalidMapping("the mapping file is not JSON")
  }
  const { map = {}, set = {}, ...rest } = (content ?? {}) as Record<string, unknown>
  const isTexts = (value: unknown): value is Record<string, string> =>
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((one) => typeof one === "string")
  if (!isTexts(map) || !isTexts(set) || Object.keys(rest).length > 0) {
    throw new InvalidMapping(
      'the mapping file must be {"map":{FIELD:"COLUMN[:TRANSFORM]"},"set":{FIELD:"VALUE"}}',
    )
  }
  return { map, set }
}

/**
 * What `--map`, `--set` and the content of `--mapping` say together. A constant beside a column stands in
 * for its empty values.
 *
 * @throws InvalidMapping
 */
export const parseMapping = (
  maps: ReadonlyArray<string>,
  sets: ReadonlyArray<string>,
  fileContent?: string,
): Mapping => {
  const file = fileContent === undefined ? { map: {}, set: {} } : parseFile(fileContent)
  const columns = [...Object.entries(file.map), ...maps.map((text) => split(text, "--map"))]
  const constants = [...Object.entries(file.set), ...sets.map((text) => split(text, "--set"))]
  const rules = new Map<string, Rule>()
  for (const [field, text] of columns) {
    if (rules.has(field)) throw new InvalidMapping(`${field} is mapped twice`)
    rules.set(field, columnRule(field, text))
  }
  const set = new Set<string>()
  for (const [field, constant] of constants) {
    if (set.has(field)) throw new InvalidMapping(`${field} is set twice`)
    set.add(field)
    const kind = kindOf(field)
    const value = constantOf(field, kind, constant)
    rules.set(field, { field, kind, transforms: [], ...rules.get(field), constant: value })
  }
  for (const needed of ["type", "merchantId", "timestamp"]) {
    if (!rules.has(needed))
      throw new InvalidMapping(`an event needs ${needed}: give --map ${needed}=… or --set ${needed}=…`)
  }
  if (rules.get("amount")?.transforms.includes("major") && !rules.has("currency")) {
    throw new InvalidMapping(
      "amounts in major units need their currency: give --map currency=… or --set currency=…",
    )
  }
  return { rules: [...rules.values()] }
}
