import { setTimeout as sleep } from "node:timers/promises"
import * as Data from "effect/Data"
import { Http, type HttpAnswer } from "./Http.js"

/** What became of the events of one request. `index` counts from 0 within it. */
export interface Sent {
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: ReadonlyArray<{
    readonly index: number
    readonly code: string
    readonly path?: string
    readonly message: string
  }>
}

/** The server answered something that repeating the request would not change. */
export class ServerRefused extends Data.TaggedError("ServerRefused")<{
  readonly status: number
  readonly reason: string
}> {
  override get message(): string {
    return `the server refused the events (${this.status}): ${this.reason}`
  }
}

/** Neither repeating nor waiting helped in the time that was given. */
export class ServerOutOfReach extends Data.TaggedError("ServerOutOfReach")<{
  readonly url: string
  readonly seconds: number
  readonly reason: string
}> {
  override get message(): string {
    return `${this.url} took nothing for ${this.seconds} s (${this.reason}): look after the server, then run the same command again`
  }
}

/** The person who runs the command has stopped it. */
export class Interrupted extends Data.TaggedError("Interrupted")<Record<never, never>> {}

export interface SenderOptions {
  readonly url: string
  readonly key: string
  /** How long one request is repeated without success before giving up, ms. */
  readonly patienceMs: number
  /** Ends waiting at once, and requests under way after a grace period. */
  readonly signal: AbortSignal
  /** Told once for each row of failures. */
  readonly onTrouble: (what: string) => void
}

const SILENCE_MS = 60_000
const GRACE_MS = 10_000
const LONGEST_WAIT_S = 15
const REPEATABLE: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

const parse = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

const isSent = (body: unknown): body is Sent =>
  typeof body === "object" && body !== null && "accepted" in body && "rejected" in body

const reasonOf = (body: unknown, text: string): string => {
  const error = (
    body as { readonly error?: { readonly code?: string; readonly message?: string } } | undefined
  )?.error
  return error?.message === undefined ? text.slice(0, 200) : `${error.code}: ${error.message}`
}

/**
 * Sends events as NDJSON and repeats a request until it has an answer that counts: after 429 and 503 when
 * the server says, after a lost connection with growing pauses. Ids make repeating safe.
 */
export class EventSender {
  private readonly http: Http
  private readonly dying = new AbortController()

  constructor(private readonly options: SenderOptions) {
    this.http = new Http(options.url, options.key, SILENCE_MS)
    options.signal.addEventListener("abort", () => setTimeout(() => this.dying.abort(), GRACE_MS).unref(), {
      once: true,
    })
  }

  /**
   * @param events each as JSON in one line; at most 10,000 and 8 MiB
   * @throws ServerRefused, ServerOutOfReach, Interrupted
   */
  async send(events: ReadonlyArray<string>): Promise<Sent> {
    const body = events.join("\n")
    let failing: number | undefined
    for (let attempt = 0; ; attempt += 1) {
      const answer = await this.attempt(body)
      if ("status" in answer) {
        const parsed = parse(answer.body)
        if ((answer.status === 202 || answer.status === 400) && isSent(parsed)) return parsed
        const reason = reasonOf(parsed, answer.body)
        if (!REPEATABLE.has(answer.status)) throw new ServerRefused({ status: answer.status, reason })
      }
      const now = performance.now()
      const what = "status" in answer ? `${answer.status} ${reasonOf(parse(answer.body), "")}` : answer.lost
      if (failing === undefined) this.options.onTrouble(what.trim())
      failing ??= now
      const asked = "status" in answer ? answer.retryAfter : undefined
      const waitMs = 1_000 * (asked ?? Math.min(LONGEST_WAIT_S, 0.25 * 2 ** attempt))
      if (now + waitMs - failing > this.options.patienceMs) {
        const seconds = Math.round(this.options.patienceMs / 1_000)
        throw new ServerOutOfReach({ url: this.options.url, seconds, reason: what.trim() })
      }
      await this.pause(waitMs)
    }
  }

  close(): void {
    this.http.close()
  }

  private async attempt(body: string): Promise<HttpAnswer | { readonly lost: string }> {
    if (this.options.signal.aborted) throw new Interrupted()
    try {
      return await this.http.post("/v1/events", "application/x-ndjson", body, this.dying.signal)
    } catch (cause) {
      if (this.dying.signal.aborted) throw new Interrupted()
      const { code, message } = cause as { readonly code?: string; readonly message: string }
      return { lost: code ?? message }
    }
  }

  private async pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.options.signal })
    } catch {
      throw new Interrupted()
    }
  }
}
