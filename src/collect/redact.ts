import { isIP } from "node:net"
import { cut, kindOf } from "./Text.js"

/** Names of fields that hold what must not be kept, without case, `_` and `-`. */
const personalNames: ReadonlySet<string> = new Set([
  "clientid",
  "ip",
  "ipaddress",
  "clientip",
  "remoteaddr",
  "remoteaddress",
  "remoteip",
  "xforwardedfor",
  "xrealip",
  "useragent",
  "ua",
  "birthyear",
])

/** The fields of `user` that may be shown; anything else in there is likely to be personal. */
const customerNames: ReadonlySet<string> = new Set(["grade", "gender", "country", "device"])

const MAX_DEPTH = 20
const MAX_TEXT = 500
const MAX_NAME = 100
const MAX_ITEMS = 1_000
/** Every text is searched for each of them. */
const MAX_SECRETS = 20
/** Characters of a text that are looked at; fewer are kept. */
const READ = 2_000
const utmPair = /^utm_[a-z0-9_]{1,32}=/
const addressInside =
  /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])|(?<![0-9A-Za-z:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}/g
const userInfo = /(:\/\/)[^/?#\s]*@/g
const agentInside = /\b(?:Mozilla|Opera|Dalvik|okhttp|curl)\/.*$/s

/** What is left of a value that must not be kept: its type, and its length where it has one. */
const masked = (value: unknown): string =>
  typeof value === "string" ? `(string of ${value.length} characters)` : `(${kindOf(value)})`

const plainName = (name: string): string => name.replace(/[_-]/g, "").toLowerCase()

/** Everything from the first `?` or `#` on goes, but for `utm_*`. */
const withoutQuery = (text: string): string => {
  const query = text.indexOf("?")
  const fragment = text.indexOf("#")
  if (query < 0) return fragment < 0 ? text : text.slice(0, fragment)
  if (fragment >= 0 && fragment < query) return text.slice(0, fragment)
  const pairs = text.slice(query + 1, fragment < 0 ? undefined : fragment).split("&")
  const kept = pairs.filter((pair) => utmPair.test(pair))
  return kept.length === 0 ? text.slice(0, query) : `${text.slice(0, query)}?${kept.join("&")}`
}

class Redactor {
  /** Values that stood in personal fields: they are masked wherever else they stand. */
  private readonly secrets = new Set<string>()

  /** Fills `secrets`. */
  collect(value: unknown, depth = 0): void {
    if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return
    if (Array.isArray(value)) {
      for (const item of value.slice(0, MAX_ITEMS)) this.collect(item, depth + 1)
      return
    }
    for (const [name, inner] of Object.entries(value)) {
      if (personalNames.has(plainName(name))) this.remember(inner)
      this.collect(inner, depth + 1)
    }
  }

  private remember(value: unknown): void {
    const text = typeof value === "number" ? String(value) : value
    // Shorter ones would mask half of every text, and say little about anyone.
    if (typeof text === "string" && text.length >= 4 && this.secrets.size < MAX_SECRETS)
      this.secrets.add(text)
  }

  text(text: string): string {
    for (const secret of this.secrets) if (text.includes(secret)) return masked(text)
    if (isIP(text) !== 0) return masked(text)
    const clean = withoutQuery(cut(text, READ))
      .replace(userInfo, "$1")
      .replace(agentInside, "(user agent)")
      .replace(addressInside, "(address)")
    return clean.length > MAX_TEXT ? `${cut(clean, MAX_TEXT)}… (${text.length} characters)` : clean
  }

  value(value: unknown, depth: number, inUser: boolean): unknown {
    if (typeof value === "string") return this.text(value)
    if (typeof value === "number") return this.secrets.has(String(value)) ? masked(value) : value
    if (typeof value !== "object" || value === null) return value
    if (depth >= MAX_DEPTH) return "(deeper levels are left out)"
    if (Array.isArray(value)) {
      return value.slice(0, MAX_ITEMS).map((item) => this.value(item, depth + 1, inUser))
    }
    // Without a prototype, `__proto__` is a name like any other.
    const kept = Object.create(null) as Record<string, unknown>
    for (const [name, inner] of Object.entries(value)) {
      const shown = cut(this.text(name), MAX_NAME)
      const isUser = depth === 0 && name === "user"
      const isPersonal = personalNames.has(plainName(name)) || (inUser && !customerNames.has(name))
      kept[shown] = isPersonal ? this.personal(inner) : this.value(inner, depth + 1, isUser || inUser)
    }
    return kept
  }

  /** Structure stays, so that an integrator sees what was wrong; contents go. */
  private personal(value: unknown, depth = 0): unknown {
    if (typeof value !== "object" || value === null || depth >= 4) return masked(value)
    if (Array.isArray(value)) return value.slice(0, 10).map((item) => this.personal(item, depth + 1))
    return `(object of ${Object.keys(value).length} fields)`
  }
}

export interface Redacted {
  readonly path: string | undefined
  readonly event: unknown
}

/**
 * A refused event as it may be kept: without raw client ids, addresses, user agents and query strings,
 * wherever they stand. A text that repeats one of them is masked whole.
 *
 * @param path of the field that was refused; names of fields come from the sender as well
 */
export const redact = (event: unknown, path: string | undefined): Redacted => {
  const redactor = new Redactor()
  redactor.collect(event)
  return {
    path: path === undefined ? undefined : cut(redactor.text(path), MAX_NAME),
    event:
      typeof event === "object"
        ? redactor.value(event, 0, false)
        : event === undefined
          ? undefined
          : masked(event),
  }
}
