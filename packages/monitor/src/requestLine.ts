/** Longest of each that is kept, in characters: what `POST /v1/events` takes. */
const MAX_PATH = 2_048
const MAX_AGENT = 2_048

/** No JSON escapes in it. */
const plain = /^[ !#-[\]-~]*$/
const quoted = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text))

/** Cut to a length without parting a surrogate pair. */
const cut = (text: string, length: number): string => {
  if (text.length <= length) return text
  const last = text.charCodeAt(length - 1)
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? length - 1 : length)
}

/** What is kept of a request's target: no host, query, fragment; undefined when it has no path (`*`). */
export const pathOf = (target: string): string | undefined => {
  let start = 0
  if (target.charCodeAt(0) !== 47) {
    const origin = /^https?:\/\/[^/?#]*/i.exec(target)?.[0]
    if (origin === undefined) return undefined
    start = origin.length
  }
  let end = start
  for (; end < target.length; end += 1) {
    const code = target.charCodeAt(end)
    if (code === 63 || code === 35) break
  }
  return end === start ? "/" : cut(target.slice(start, end), MAX_PATH)
}

/** Sockets that take both kinds write IPv4 addresses as IPv6. */
export const addressOf = (address: string): string =>
  address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address

/** What is known of a request. An `undefined` is left out. */
export interface Request {
  /** When it arrived, epoch milliseconds. */
  readonly at: number
  readonly method: string | undefined
  /** As in the request line; the query is dropped. */
  readonly target: string | undefined
  readonly address: string | undefined
  readonly agent: string | undefined
  readonly clientId: string | undefined
  readonly merchantId: string | undefined
}

/** One event of `POST /v1/events` as a line of NDJSON, with its line break. */
export const requestLine = (id: string, request: Request): string => {
  const { at, method, target, address, agent, clientId, merchantId } = request
  let line = `{"id":"${id}","type":"request","timestamp":${at}`
  if (method !== undefined) line += `,"method":${quoted(method)}`
  const path = target === undefined ? undefined : pathOf(target)
  if (path !== undefined) line += `,"url":${quoted(path)}`
  if (address !== undefined) line += `,"ip":${quoted(addressOf(address))}`
  if (agent !== undefined && agent !== "") line += `,"userAgent":${quoted(cut(agent, MAX_AGENT))}`
  if (clientId !== undefined) line += `,"clientId":${quoted(clientId)}`
  if (merchantId !== undefined) line += `,"merchantId":${quoted(merchantId)}`
  return `${line}}\n`
}
