import { type ClientRequest, Agent as HttpAgent, request as httpRequest } from "node:http"
import { Agent as HttpsAgent, request as httpsRequest } from "node:https"

/** What became of a batch. */
export type Outcome =
  | {
      readonly _tag: "Taken"
      readonly accepted: number
      readonly duplicates: number
      readonly rejected: ReadonlyArray<{
        readonly index: number
        readonly code: string
        readonly message: string
      }>
    }
  /** To be sent again, after `waitMs` when the server says so. */
  | { readonly _tag: "Away"; readonly reason: string; readonly waitMs?: number }
  /** The batch is too large for the server. */
  | { readonly _tag: "TooLarge"; readonly reason: string }
  /** Repeating it does not help until somebody has put something right. */
  | { readonly _tag: "Refused"; readonly reason: string }

export type Post = (batch: Buffer) => Promise<Outcome>

const REPEATABLE: ReadonlySet<number> = new Set([408, 425, 429])
/** Answers are a few hundred bytes, or a line for each event that was refused. */
const MAX_ANSWER = 16 * 1024 * 1024

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

type Taken = Extract<Outcome, { readonly _tag: "Taken" }>

const isTaken = (body: unknown): body is Omit<Taken, "_tag"> =>
  typeof body === "object" &&
  body !== null &&
  "accepted" in body &&
  "duplicates" in body &&
  "rejected" in body

/** What an answer of `POST /v1/events` says of the batch. */
export const outcomeOf = (status: number, retryAfter: string | undefined, text: string): Outcome => {
  const body = parse(text)
  if ((status === 202 || status === 400) && isTaken(body)) {
    const { accepted, duplicates, rejected } = body
    return { _tag: "Taken", accepted, duplicates, rejected }
  }
  const reason = `${status} ${text.slice(0, 200)}`.trim()
  if (status === 413) return { _tag: "TooLarge", reason }
  if (status < 500 && !REPEATABLE.has(status)) return { _tag: "Refused", reason }
  const seconds = Number(retryAfter)
  return retryAfter !== undefined && seconds >= 0
    ? { _tag: "Away", reason, waitMs: seconds * 1_000 }
    : { _tag: "Away", reason }
}

/** Posts batches over one connection that is kept. It never keeps the process from ending. */
export const poster = (
  url: string,
  key: string,
  timeoutMs: number,
): { readonly post: Post; readonly close: () => void } => {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new Error(`"${url}" is not an address such as http://127.0.0.1:4000`)
  }
  const base = new URL(url)
  const isSecure = base.protocol === "https:"
  const agent = new (isSecure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: 1 })
  const send = isSecure ? httpsRequest : httpRequest
  const target = new URL(`${base.pathname.replace(/\/$/, "")}/v1/events`, base)
  let underWay: ClientRequest | undefined
  let closed = false
  const post: Post = (batch) =>
    new Promise((resolve) => {
      if (closed) return resolve({ _tag: "Away", reason: "the monitor was closed" })
      const request = send(
        target,
        {
          method: "POST",
          agent,
          headers: {
            authorization: `Bearer ${key}`,
            "content-type": "application/x-ndjson",
            "content-length": batch.length,
          },
        },
        (answer) => {
          let text = ""
          answer.setEncoding("utf8")
          answer.on("data", (part: string) => {
            if (text.length < MAX_ANSWER) text += part
          })
          answer.on("end", () => {
            clearTimeout(deadline)
            resolve(outcomeOf(answer.statusCode ?? 0, answer.headers["retry-after"], text))
          })
          answer.on("error", lost)
        },
      )
      const lost = (cause: Error & { readonly code?: string }): void => {
        clearTimeout(deadline)
        resolve({ _tag: "Away", reason: cause.code ?? cause.message })
      }
      const deadline = setTimeout(
        () => request.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)),
        timeoutMs,
      ).unref()
      request.on("socket", (socket) => socket.unref())
      request.on("error", lost)
      request.end(batch)
      underWay = request
    })
  const close = (): void => {
    closed = true
    underWay?.destroy(new Error("the monitor was closed"))
    agent.destroy()
  }
  return { post, close }
}
