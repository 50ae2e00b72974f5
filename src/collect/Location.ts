import { Cache } from "./Cache.js"
import { cut } from "./Text.js"

/** Longest `url` and `referrer` that are read, in characters. */
const MAX_URL = 8_192
/** Longest path that is kept, in characters. */
export const MAX_PATH = 2_048

export interface Location {
  readonly path: string
  readonly utm?: Readonly<Record<string, string>>
}

const origin = /^[Hh][Tt][Tt][Pp][Ss]?:\/\/[^/?#\\]+/
const anyOrigin = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#\\]*/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const control = /[\u0000-\u001f\u007f]/
const utmName = /^utm_[a-z0-9_]{1,32}$/

/** Whether an origin can be a URL's. Sites send the same few again and again. */
const origins = new Cache<boolean>(2_048)
const hosts = new Cache<string>(4_096)

const isOrigin = (text: string): boolean => {
  const known = origins.get(text)
  if (known !== undefined) return known
  const valid = URL.canParse(text)
  origins.set(text, valid)
  return valid
}

const utmOf = (query: string): Record<string, string> | undefined => {
  let utm: Record<string, string> | undefined
  let count = 0
  for (const [name, value] of new URLSearchParams(query)) {
    if (value === "" || !utmName.test(name) || count >= 10) continue
    utm ??= {}
    if (utm[name] !== undefined) continue
    utm[name] = cut(value, 200)
    count += 1
  }
  return utm
}

/**
 * Path and campaign of a page's address; undefined when it is neither absolute (http, https) nor a path.
 * User, password, host, query (but `utm_*`) and fragment are dropped: they may hold personal data.
 */
export const parseLocation = (url: string): Location | undefined => {
  if (url.length > MAX_URL || control.test(url)) return undefined
  let start = 0
  if (url.charCodeAt(0) !== 47) {
    const match = origin.exec(url)
    if (match === null || !isOrigin(match[0])) return undefined
    start = match[0].length
  }
  let end = url.length
  const fragment = url.indexOf("#", start)
  if (fragment >= 0) end = fragment
  const query = url.indexOf("?", start)
  const hasQuery = query >= 0 && query < end
  const path = url.slice(start, hasQuery ? query : end)
  if (path.length > MAX_PATH) return undefined
  // `http://shop.example\x` is `/x` to browsers.
  const full = path === "" ? "/" : path.charCodeAt(0) === 47 ? path : `/${path.slice(1)}`
  if (hasQuery) {
    const text = url.slice(query + 1, end)
    const utm = text.includes("utm_") ? utmOf(text) : undefined
    if (utm !== undefined) return { path: full, utm }
  }
  return { path: full }
}

/** The host of an absolute URL, lower case; "" when it has none (`about:blank`); undefined when it is no URL. */
export const referrerHost = (referrer: string): string | undefined => {
  if (referrer.length > MAX_URL) return undefined
  const match = anyOrigin.exec(referrer)
  const key = match === null ? referrer : match[0]
  const known = hosts.get(key)
  if (known !== undefined) return known
  if (!URL.canParse(key)) return undefined
  const host = new URL(key).hostname.toLowerCase()
  if (key.length <= 256) hosts.set(key, host)
  return host
}
