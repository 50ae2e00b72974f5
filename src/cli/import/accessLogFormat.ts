import { createHash } from "node:crypto"
import { isIP } from "node:net"
import { MAX_PATH, parseLocation, referrerHost } from "../../collect/Location.js"
import { cut } from "../../collect/Text.js"
import { SYSTEM } from "../../domain/Partition.js"
import { type AccessLine, parseAccessLine } from "./AccessLog.js"
import { type Converted, type Format, faults, type OutgoingEvent } from "./Format.js"
import { endOfLine, type Piece } from "./Records.js"
import { isStaticFile } from "./staticFiles.js"

export interface AccessLogOptions {
  /** Without it the requests are nobody's, and no page views are made: those need a merchant. */
  readonly merchantId?: string
  /** Put before the offset in events' ids. */
  readonly source: string
}

/** Longest `userAgent` that collection takes. The client id is made of the whole. */
const MAX_AGENT = 2_048

const notes = {
  notHttp: "requests that are not HTTP, kept without method and path",
  noPath: "requests for something without a path, or with one that can't be taken, kept without it",
  longPath: `paths of more than ${MAX_PATH} characters, cut`,
  noUrl: "referrers that are no URL, left out",
  noAddress: "clients written as a name, kept without address",
  blank: "blank lines",
}

/**
 * The client id of a visitor in a log: 132 bits of the SHA-256 of address, NUL and user agent. The same in
 * every log of every run, so that a person's requests and page views meet.
 */
export const logClientId = (host: string, agent: Uint8Array): string =>
  `log-${createHash("sha256").update(host).update("\0").update(agent).digest("base64url").slice(0, 22)}`

const mark = Buffer.from("\ufeff")

/** Without the byte order mark that a file may begin with: else its first client would be a stranger. */
const withoutMark = (bytes: Buffer): Buffer =>
  bytes.subarray(0, mark.length).equals(mark) ? bytes.subarray(mark.length) : bytes

/** The path as far as it is kept; undefined when it is not too long, or no path. */
const shortened = (target: string): string | undefined => {
  const path = cut(target.split(/[?#]/, 1)[0] ?? "", MAX_PATH)
  return path.length < MAX_PATH - 1 ? undefined : parseLocation(path)?.path
}

const isPage = ({ method, status }: AccessLine, path: string): boolean =>
  method === "GET" && ((status >= 200 && status < 300) || status === 304) && !isStaticFile(path)

const eventsOf = (line: AccessLine, offset: number, options: AccessLogOptions): Converted => {
  const { merchantId, source } = options
  const counted: string[] = []
  const known = line.target === undefined ? undefined : parseLocation(line.target)?.path
  // A page is a page however long its path is.
  const shorter = line.target !== undefined && known === undefined ? shortened(line.target) : undefined
  const path = known ?? shorter
  const isAddress = isIP(line.host) !== 0
  if (line.method === undefined) counted.push(notes.notHttp)
  else if (path === undefined) counted.push(notes.noPath)
  else if (shorter !== undefined) counted.push(notes.longPath)
  if (!isAddress && line.host !== "-") counted.push(notes.noAddress)
  const visitor = {
    ...(merchantId === undefined ? {} : { merchantId }),
    clientId: logClientId(line.host, line.agentBytes),
    timestamp: line.at,
    ...(path === undefined ? {} : { url: shorter ?? line.target }),
    ...(isAddress ? { ip: line.host } : {}),
    ...(line.agent === undefined ? {} : { userAgent: cut(line.agent, MAX_AGENT) }),
  }
  const method = line.method === undefined ? {} : { method: line.method }
  const events: OutgoingEvent[] = [
    {
      merchantId: merchantId ?? SYSTEM,
      json: JSON.stringify({ id: `${source}:${offset}:request`, type: "request", ...visitor, ...method }),
    },
  ]
  if (line.referrer !== undefined && referrerHost(line.referrer) === undefined) counted.push(notes.noUrl)
  if (merchantId !== undefined && path !== undefined && isPage(line, path)) {
    const comesFrom =
      line.referrer === undefined || referrerHost(line.referrer) === undefined
        ? {}
        : { referrer: line.referrer }
    events.push({
      merchantId,
      json: JSON.stringify({ id: `${source}:${offset}`, type: "pageview", ...visitor, ...comesFrom }),
    })
  }
  return { events, notes: counted }
}

/** Access logs in common and combined log format: a request for every line, a page view for every page. */
export const accessLogFormat = (options: AccessLogOptions): Format => ({
  unit: "line",
  findEnd: endOfLine,
  convert: ({ offset, bytes, fault }: Piece): Converted => {
    if (fault !== undefined) return { problem: faults[fault] }
    if (bytes.length === 0) return { events: [], notes: [notes.blank] }
    const line = parseAccessLine(offset === 0 ? withoutMark(bytes) : bytes)
    return typeof line === "string" ? { problem: line } : eventsOf(line, offset, options)
  },
  memory: () => undefined,
})
