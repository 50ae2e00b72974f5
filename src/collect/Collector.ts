import { randomUUID } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { AccessService, Principal } from "../accounts/Access.js"
import type { RecorderService } from "../actors/Recorder.js"
import type { Refused } from "./Answer.js"
import type { BodyLimits } from "./BodyReader.js"
import type { CollectConfig } from "./CollectConfig.js"
import { CollectCounters, type CollectStats } from "./CollectStats.js"
import { Exchange } from "./Exchange.js"
import { Identity } from "./Identity.js"
import { refuseEarly } from "./lingeringClose.js"
import { MemoryBudget } from "./MemoryBudget.js"
import type { QuarantineService } from "./Quarantine.js"

export interface CollectDeps {
  readonly recorder: RecorderService
  readonly access: AccessService
  readonly quarantine: Pick<QuarantineService, "put">
  readonly config: CollectConfig
  /** Time of day, epoch ms. */
  readonly clock?: () => number
  /** Told about what should never happen; the sender gets a 500. */
  readonly onFault?: (cause: unknown) => void
  /** Told why events can't be stored now; not of every request. */
  readonly onUnavailable?: (reason: string) => void
}

/** While events can't be stored, it is said so often. */
const COMPLAIN_MS = 10_000

export interface CollectHandler {
  (req: IncomingMessage, res: ServerResponse): void
  readonly stats: () => CollectStats
  /** Ends its timer. Requests on their way are answered. */
  readonly close: () => void
}

const MAX_IDEMPOTENCY_KEY = 190
const charset = /charset\s*=\s*"?([^\s;"]+)/i

const methodNotAllowed: Refused = {
  status: 405,
  code: "METHOD_NOT_ALLOWED",
  message: "Events are sent with POST.",
  retryable: false,
  headers: ["Allow", "POST, OPTIONS"],
}
const unauthenticated: Refused = {
  status: 401,
  code: "UNAUTHENTICATED",
  message: "Send a valid API key: Authorization: Bearer KEY.",
  retryable: false,
  headers: ["WWW-Authenticate", 'Bearer realm="tidemark"'],
}
const accessUnavailable: Refused = {
  status: 503,
  code: "UNAVAILABLE",
  message: "The key can't be checked now. Repeat the whole request.",
  retryable: true,
  headers: ["Retry-After", "1"],
}
const unsupportedEncoding: Refused = {
  status: 415,
  code: "UNSUPPORTED_ENCODING",
  message: "Of content encodings only gzip is understood.",
  retryable: false,
  headers: ["Accept-Encoding", "gzip"],
}
const unsupportedType: Refused = {
  status: 415,
  code: "UNSUPPORTED_TYPE",
  message: "Send application/json or application/x-ndjson, in UTF-8.",
  retryable: false,
}
const invalidIdempotencyKey: Refused = {
  status: 400,
  code: "INVALID_IDEMPOTENCY_KEY",
  message: `Idempotency-Key must have 1 to ${MAX_IDEMPOTENCY_KEY} characters.`,
  retryable: false,
}

const isUnsupportedType = (type: string): boolean => {
  if (type.startsWith("multipart/")) return true
  const named = charset.exec(type)?.[1]?.toLowerCase()
  return named !== undefined && named !== "utf-8" && named !== "utf8" && named !== "us-ascii"
}

/** What all requests share. */
export class Collector {
  readonly counters = new CollectCounters()
  /** Requests whose body has not come in whole; a look at them once a second is cheaper than a timer each. */
  readonly reading = new Set<Exchange>()
  readonly bodyLimits: BodyLimits
  readonly identity: Identity
  readonly randomId: () => string = randomUUID
  readonly config: CollectConfig
  readonly recorder: RecorderService
  readonly quarantine: Pick<QuarantineService, "put">
  readonly clock: () => number
  readonly onFault: (cause: unknown) => void
  private readonly onUnavailable: (reason: string) => void
  private complainedAt = Number.NEGATIVE_INFINITY
  private readonly access: AccessService
  private readonly timer: NodeJS.Timeout

  constructor(deps: CollectDeps) {
    this.config = deps.config
    this.recorder = deps.recorder
    this.quarantine = deps.quarantine
    this.access = deps.access
    this.clock = deps.clock ?? Date.now
    this.onFault = deps.onFault ?? (() => {})
    this.onUnavailable = deps.onUnavailable ?? (() => {})
    this.identity = new Identity(deps.config.secret, deps.config.salt)
    this.bodyLimits = {
      maxBodyBytes: deps.config.maxBodyBytes,
      budget: new MemoryBudget(deps.config.memoryBudgetBytes, this.counters),
    }
    this.timer = setInterval(() => this.sweep(), Math.min(1_000, deps.config.bodyTimeoutMs))
    this.timer.unref()
  }

  handle(req: IncomingMessage, res: ServerResponse): void {
    if (req.method !== "POST") {
      if (req.method !== "OPTIONS") {
        this.refuse(req, res, methodNotAllowed)
        return
      }
      this.counters.status(204)
      res.writeHead(204, ["Allow", "POST, OPTIONS"])
      res.end()
      return
    }
    const principal = this.access.principal(req.headers.authorization)
    if (principal === undefined || "_tag" in principal) {
      this.begin(req, res, principal)
      return
    }
    principal.then(
      (known) => this.begin(req, res, known),
      (cause: unknown) => {
        this.onFault(cause)
        this.refuse(req, res, accessUnavailable)
      },
    )
  }

  /** Answers without having read the whole body. */
  refuse(req: IncomingMessage, res: ServerResponse, refused: Refused): void {
    this.counters.status(refused.status)
    refuseEarly(req, res, refused)
  }

  /** Events could not be stored: the sender is told to come again, the operator why. */
  unavailable(reason: string): void {
    const now = this.clock()
    if (now - this.complainedAt < COMPLAIN_MS) return
    this.complainedAt = now
    this.onUnavailable(reason)
  }

  close(): void {
    clearInterval(this.timer)
  }

  private begin(req: IncomingMessage, res: ServerResponse, principal: Principal | undefined): void {
    if (principal === undefined) {
      this.refuse(req, res, unauthenticated)
      return
    }
    const headers = req.headers
    const encoding = headers["content-encoding"]
    let gzip = false
    if (encoding !== undefined && encoding !== "identity" && encoding !== "") {
      const name = encoding.trim().toLowerCase()
      if (name !== "gzip" && name !== "x-gzip") {
        this.refuse(req, res, unsupportedEncoding)
        return
      }
      gzip = true
    }
    const type = headers["content-type"]
    if (type !== undefined && type !== "application/json" && isUnsupportedType(type)) {
      this.refuse(req, res, unsupportedType)
      return
    }
    const key = headers["idempotency-key"]
    if (key !== undefined && (typeof key !== "string" || key === "" || key.length > MAX_IDEMPOTENCY_KEY)) {
      this.refuse(req, res, invalidIdempotencyKey)
      return
    }
    this.counters.requestsInFlight += 1
    new Exchange(this, req, res, principal).start(gzip)
  }

  private sweep(): void {
    const now = performance.now()
    for (const exchange of this.reading) {
      if (exchange.req.destroyed) exchange.abandon()
      else if (now > exchange.deadline) exchange.expire()
    }
  }
}

/**
 * The handler of `POST /v1/events` for a server of `node:http`. Plain code: one request costs a few objects
 * and one call of the recorder.
 */
export const makeCollectHandler = (deps: CollectDeps): CollectHandler => {
  const collector = new Collector(deps)
  const handler = (req: IncomingMessage, res: ServerResponse): void => collector.handle(req, res)
  return Object.assign(handler, {
    stats: () => collector.counters.stats(),
    close: () => collector.close(),
  })
}
