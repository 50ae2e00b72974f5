/** One line of a log in common or combined log format, as written there; "-" stands as undefined. */
export interface AccessLine {
  /** Address or name of the client. */
  readonly host: string
  /** Epoch milliseconds, by the offset in the line. */
  readonly at: number
  /** Undefined, both, when the request line is not HTTP. */
  readonly method?: string
  readonly target?: string
  readonly status: number
  readonly referrer?: string
  readonly agent?: string
  /** The agent's own bytes, whether they are UTF-8 or not. */
  readonly agentBytes: Buffer
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const EMPTY = Buffer.alloc(0)

const head = /^(\S+) \S+ [^[]*\[([^\]]*)\] "/
const time = /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})$/
const result = / (\d{3}) (?:\d+|-)(?= |$)/y
const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) (\S.*?)(?: HTTP\/\d(?:\.\d)?)$/
/** HTTP/0.9 has one method and names no version. */
const oldRequestLine = /^(GET) (\/\S*)$/

/** Epoch milliseconds of `17/May/2015:10:05:03 +0000`; undefined when there is no such time. */
export const parseLogTime = (text: string): number | undefined => {
  const match = time.exec(text)
  if (match === null) return undefined
  const [day, year, hour, minute, second] = [match[1], match[3], match[4], match[5], match[6]].map(
    Number,
  ) as [number, number, number, number, number]
  const month = MONTHS.indexOf(match[2] as string)
  const offset = (match[7] === "-" ? -1 : 1) * (Number(match[8]) * 60 + Number(match[9]))
  if (month < 0 || hour > 23 || minute > 59 || second > 59 || Number(match[9]) > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  if (date.getUTCMonth() !== month || date.getUTCDate() !== day) return undefined
  return date.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1_000
}

/** Where the quoted text that begins at `from` ends; -1 when its quote is not closed. */
const closingQuote = (text: string, from: number): number => {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text[at - 1 - slashes] === "\\" && at - 1 - slashes >= from) slashes += 1
    if (slashes % 2 === 0) return at
  }
  return -1
}

const controls: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", v: "\v", f: "\f" }
const escaped = /\\(?:x([0-9A-Fa-f]{2})|([\s\S]))/g

/** Bytes of a quoted text, whose characters are bytes, with the escapes of Apache and nginx resolved. */
const bytesOf = (raw: string): Buffer =>
  Buffer.from(
    raw.includes("\\")
      ? raw.replace(escaped, (_, hex: string | undefined, other: string) =>
          hex === undefined ? (controls[other] ?? other) : String.fromCharCode(Number.parseInt(hex, 16)),
        )
      : raw,
    "latin1",
  )

// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for what is not plain ASCII
const plain = /^[\u0000-\u005b\u005d-\u007f]*$/

const textOf = (raw: string): string | undefined =>
  raw === "-" || raw === "" ? undefined : plain.test(raw) ? raw : bytesOf(raw).toString("utf8")

const addRequest = (raw: string): Pick<AccessLine, "method" | "target"> => {
  const text = textOf(raw) ?? ""
  const match = requestLine.exec(text) ?? oldRequestLine.exec(text)
  return match === null ? {} : { method: match[1] as string, target: match[2] as string }
}

/**
 * A line of a log in common log format, or in combined log format, which adds referrer and user agent.
 * What follows them is not read. Answers why a line can't be read.
 */
export const parseAccessLine = (line: Buffer): AccessLine | string => {
  // One character for each byte: texts are decoded field by field, and only those that need it.
  const text = line.toString("latin1")
  const start = head.exec(text)
  if (start === null) return "it is not in common or combined log format"
  const at = parseLogTime(start[2] as string)
  if (at === undefined) return "its time is not one such as 17/May/2015:10:05:03 +0000"
  const requestEnd = closingQuote(text, start[0].length)
  if (requestEnd < 0) return "the quote around its request is not closed"
  result.lastIndex = requestEnd + 1
  const status = result.exec(text)
  if (status === null) return "no status and size follow its request"
  const common = {
    ...{ host: textOf(start[1] as string) ?? "-", at, status: Number(status[1]) },
    ...addRequest(text.slice(start[0].length, requestEnd)),
  }
  let end = result.lastIndex
  if (end === text.length) return { ...common, agentBytes: EMPTY }
  if (text[end + 1] !== '"') return "no quoted referrer follows its size"
  const referrerEnd = closingQuote(text, end + 2)
  if (referrerEnd < 0) return "the quote around its referrer is not closed"
  const referrer = textOf(text.slice(end + 2, referrerEnd))
  end = referrerEnd + 1
  if (text.slice(end, end + 2) !== ' "') return "no quoted user agent follows its referrer"
  const agentEnd = closingQuote(text, end + 2)
  if (agentEnd < 0) return "the quote around its user agent is not closed"
  const rawAgent = text.slice(end + 2, agentEnd)
  if (agentEnd + 1 < text.length && text[agentEnd + 1] !== " ") return "something sticks to its user agent"
  const agent = textOf(rawAgent)
  return {
    ...common,
    ...(referrer === undefined ? {} : { referrer }),
    ...(agent === undefined ? { agentBytes: EMPTY } : { agent, agentBytes: bytesOf(rawAgent) }),
  }
}
