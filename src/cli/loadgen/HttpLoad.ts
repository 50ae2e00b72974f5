import { type Answer, Connection } from "./Connection.js"
import { Latencies } from "./Latencies.js"

/** Where events come from: `Generator`, or anything that makes JSON texts with an id each. */
export interface EventSource {
  readonly event: (now: number) => string
  readonly id: string
}

export interface LoadOptions {
  /** Of the server, such as `http://127.0.0.1:4000`. */
  readonly url: string
  readonly key: string
  readonly connections: number
  /** Events in a request. One is sent as a single object, more as an array. */
  readonly batch: number
  /** Events/s to send at; undefined for as fast as answers come. */
  readonly rate?: number
  /** Ends after so many events, or so many seconds, whatever comes first. */
  readonly events?: number
  readonly seconds?: number
  /** How often a request is repeated after 429, 503 or a lost connection, before its events count as lost. */
  readonly retries: number
  /** Longest wait before repeating, seconds, whatever the server asks for. */
  readonly longestWait: number
  /** Told the ids of every request that was answered with 202, without those that were rejected. */
  readonly onAcknowledged?: (ids: ReadonlyArray<string>, position: string) => void
}

export interface LoadResult {
  readonly seconds: number
  /** Events made and sent, repetitions not counted. */
  readonly sent: number
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: number
  /** Events given up after all repetitions, or still unanswered at the end. */
  readonly lost: number
  /** Answers by status, those that were repeated too. */
  readonly statuses: Readonly<Record<string, number>>
  readonly connectionsLost: number
  readonly requests: number
  readonly requestsPerSecond: number
  readonly eventsPerSecond: number
  /** Of final answers, with what came before them; at a fixed rate counted from when the request was due. */
  readonly latencyMs: {
    readonly p50: number
    readonly p90: number
    readonly p99: number
    readonly max: number
  }
  /** The first answer that was neither 202, 429 nor 503. */
  readonly firstError?: string
}

interface Request {
  readonly text: string
  readonly events: number
  readonly ids: ReadonlyArray<string> | undefined
  /** When it was due, by the monotonic clock, ms. */
  readonly due: number
  repeats: number
}

interface Outcome {
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: ReadonlyArray<{ readonly index: number }>
  readonly position: string
}

/** How long the end waits for answers that are still missing, ms. */
const PATIENCE_MS = 30_000

/** Sends events over keep-alive connections and counts what comes back. */
export class HttpLoad {
  private readonly head: string
  private readonly connections: Connection[]
  private readonly requests = new Map<Connection, Request>()
  private readonly waits = new Map<Connection, NodeJS.Timeout>()
  private idle: Connection[]
  private readonly latencies = new Latencies()
  private readonly statuses = new Map<number, number>()
  private started = 0
  private ended = 0
  private sent = 0
  private accepted = 0
  private duplicates = 0
  private rejected = 0
  private lost = 0
  private answered = 0
  private connectionsLost = 0
  private firstError: string | undefined
  private stopping = false
  private pacer: NodeJS.Timeout | undefined
  private finish: (() => void) | undefined

  constructor(
    private readonly options: LoadOptions,
    private readonly source: EventSource,
  ) {
    const url = new URL(options.url)
    if (url.protocol !== "http:") throw new Error(`${options.url} is not an http:// address`)
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1")
    const port = url.port === "" ? 80 : Number(url.port)
    this.head =
      `POST /v1/events HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: Bearer ${options.key}\r\n` +
      "Content-Type: application/json\r\nContent-Length: "
    const events = {
      onAnswer: (connection: Connection, answer: Answer) => this.onAnswer(connection, answer),
      onLost: (connection: Connection, pending: boolean) => this.onLost(connection, pending),
    }
    this.connections = Array.from({ length: options.connections }, () => new Connection(host, port, events))
    this.idle = [...this.connections]
  }

  /** Sends until the end that the options set, or `stop`; resolves when every request has its answer. */
  run(): Promise<LoadResult> {
    this.started = performance.now()
    const { seconds, rate } = this.options
    const timer = seconds === undefined ? undefined : setTimeout(() => this.stop(), seconds * 1_000)
    return new Promise((resolve) => {
      this.finish = () => {
        this.finish = undefined
        this.ended = performance.now()
        clearTimeout(timer)
        clearInterval(this.pacer)
        for (const wait of this.waits.values()) clearTimeout(wait)
        for (const connection of this.connections) connection.close()
        for (const request of this.requests.values()) this.lost += request.events
        resolve(this.result())
      }
      if (rate !== undefined) this.pacer = setInterval(() => this.fill(), 2)
      this.fill()
      this.finishWhenDone()
    })
  }

  /** Makes no new events; what is on its way still gets its answer, within limits. */
  stop(): void {
    if (this.stopping) return
    this.stopping = true
    setTimeout(() => this.finish?.(), PATIENCE_MS).unref()
    this.finishWhenDone()
  }

  /** What has come back so far. */
  result(): LoadResult {
    const seconds = ((this.ended === 0 ? performance.now() : this.ended) - this.started) / 1_000
    const counted = this.accepted + this.duplicates + this.rejected
    const result = {
      seconds,
      sent: this.sent,
      accepted: this.accepted,
      duplicates: this.duplicates,
      rejected: this.rejected,
      lost: this.lost,
      statuses: Object.fromEntries(this.statuses),
      connectionsLost: this.connectionsLost,
      requests: this.answered,
      requestsPerSecond: this.answered / seconds,
      eventsPerSecond: counted / seconds,
      latencyMs: {
        p50: this.latencies.quantile(0.5),
        p90: this.latencies.quantile(0.9),
        p99: this.latencies.quantile(0.99),
        max: this.latencies.max,
      },
    }
    return this.firstError === undefined ? result : { ...result, firstError: this.firstError }
  }

  private hasMore(): boolean {
    return !this.stopping && this.sent < (this.options.events ?? Number.POSITIVE_INFINITY)
  }

  /** Gives idle connections what is due. */
  private fill(): void {
    while (this.idle.length > 0 && this.hasMore()) {
      const now = performance.now()
      const due = this.due(now)
      if (due > now) return
      this.send(this.idle.pop() as Connection, this.make(due))
    }
  }

  /** When the next request is due; a rate that connections can't keep up with shows as latency. */
  private due(now: number): number {
    const { rate } = this.options
    return rate === undefined ? now : this.started + (this.sent / rate) * 1_000
  }

  private make(due: number): Request {
    const { batch, events = Number.POSITIVE_INFINITY, onAcknowledged } = this.options
    const count = Math.min(batch, events - this.sent)
    const now = Date.now()
    const ids: string[] | undefined = onAcknowledged === undefined ? undefined : []
    let body = this.source.event(now)
    ids?.push(this.source.id)
    if (batch > 1) {
      body = `[${body}`
      for (let made = 1; made < count; made += 1) {
        body += `,${this.source.event(now)}`
        ids?.push(this.source.id)
      }
      body += "]"
    }
    this.sent += count
    // Events are ASCII, so that characters are bytes.
    return { text: `${this.head}${body.length}\r\n\r\n${body}`, events: count, ids, due, repeats: 0 }
  }

  private send(connection: Connection, request: Request): void {
    this.requests.set(connection, request)
    connection.send(request.text)
  }

  private onAnswer(connection: Connection, answer: Answer): void {
    const request = this.requests.get(connection)
    if (request === undefined) return
    const { status } = answer
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    this.answered += 1
    if (status === 429 || status === 503) {
      this.repeat(connection, request, answer.retryAfter ?? 1)
      return
    }
    this.latencies.add(performance.now() - request.due)
    if (status === 202) this.count(request, answer.body)
    else this.fail(request, answer)
    this.release(connection)
  }

  private onLost(connection: Connection, pending: boolean): void {
    if (this.finish === undefined) return
    const request = this.requests.get(connection)
    if (request === undefined || !pending) return
    this.connectionsLost += 1
    this.repeat(connection, request, Math.min(1, 0.05 * 2 ** request.repeats))
  }

  /** The same request with the same ids: repeating is safe. */
  private repeat(connection: Connection, request: Request, seconds: number): void {
    if (request.repeats >= this.options.retries) {
      this.lost += request.events
      this.release(connection)
      return
    }
    request.repeats += 1
    const wait = Math.min(seconds, this.options.longestWait) * 1_000
    this.waits.set(
      connection,
      setTimeout(() => {
        this.waits.delete(connection)
        this.send(connection, request)
      }, wait),
    )
  }

  private count(request: Request, body: string): void {
    const outcome = JSON.parse(body) as Outcome
    this.accepted += outcome.accepted
    this.duplicates += outcome.duplicates
    this.rejected += outcome.rejected.length
    if (request.ids === undefined) return
    const bad = new Set(outcome.rejected.map(({ index }) => index))
    const ids = bad.size === 0 ? request.ids : request.ids.filter((_, index) => !bad.has(index))
    this.options.onAcknowledged?.(ids, outcome.position)
  }

  /** An answer that repeating would not change. */
  private fail(request: Request, answer: Answer): void {
    this.rejected += request.events
    this.firstError ??= `${answer.status} ${answer.body.slice(0, 500)}`
  }

  private release(connection: Connection): void {
    this.requests.delete(connection)
    this.idle.push(connection)
    this.fill()
    this.finishWhenDone()
  }

  private finishWhenDone(): void {
    if (this.requests.size === 0 && !this.hasMore()) this.finish?.()
  }
}
