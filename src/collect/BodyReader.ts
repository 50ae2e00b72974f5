import { isUtf8 } from "node:buffer"
import type { IncomingMessage } from "node:http"
import { createGunzip, type Gunzip } from "node:zlib"
import type { Refused } from "./Answer.js"
import type { MemoryBudget } from "./MemoryBudget.js"

export interface BodySink {
  readonly onBody: (text: string, bytes: number) => void
  /** The body is not wanted any more; what is still coming has to be read and thrown away, or cut off. */
  readonly onBodyRefused: (refused: Refused, bytesSoFar: number) => void
}

export interface BodyLimits {
  readonly maxBodyBytes: number
  readonly budget: MemoryBudget
}

const READER = Symbol("tidemark.collect.reader")

interface Carrier extends IncomingMessage {
  [READER]?: BodyReader
}

// Shared by all requests: the reader is found on the message, so that none needs closures of its own.
function onData(this: Carrier, chunk: Buffer): void {
  this[READER]?.data(chunk)
}
function onEnd(this: Carrier): void {
  this[READER]?.end()
}

export const nodeBusy: Refused = {
  status: 503,
  code: "NODE_BUSY",
  message: "This node holds as many requests as it has memory for. Repeat the whole request.",
  retryable: true,
  headers: ["Retry-After", "1"],
}

const mebibytes = (bytes: number): string => `${Math.round((bytes / 1024 / 1024) * 100) / 100} MiB`

export const bodyTooLarge = (limit: number): Refused => ({
  status: 413,
  code: "BODY_TOO_LARGE",
  message: `A body may have ${mebibytes(limit)}, inflated: send the events in several requests.`,
  retryable: false,
})

const invalidGzip: Refused = {
  status: 400,
  code: "INVALID_GZIP",
  message: "The body is said to be gzip and can't be inflated.",
  retryable: false,
}

const invalidEncoding: Refused = {
  status: 400,
  code: "INVALID_ENCODING",
  message: "The body is not UTF-8.",
  retryable: false,
}

/**
 * Reads one body into a text, holding no more than the limit and the node's budget allow. What it took of
 * the budget stays taken until `release`, because the parsed events live until the answer.
 */
export class BodyReader {
  private first: Buffer | undefined
  private more: Buffer[] | undefined
  private size = 0
  private received = 0
  private held = 0
  private done = false
  private gunzip: Gunzip | undefined

  constructor(
    private readonly req: IncomingMessage,
    private readonly limits: BodyLimits,
    private readonly sink: BodySink,
  ) {}

  /** Bytes as they came over the wire. */
  get bytesReceived(): number {
    return this.received
  }

  /** @param length the declared length; undefined when the body comes in chunks of unknown number */
  start(length: number | undefined, gzip: boolean): void {
    if (length !== undefined && length > this.limits.maxBodyBytes) {
      this.refuse(bodyTooLarge(this.limits.maxBodyBytes), length)
      return
    }
    if (!this.hold(length ?? 1)) {
      this.refuse(nodeBusy)
      return
    }
    const req = this.req as Carrier
    req[READER] = this
    if (gzip) this.inflate()
    req.on("data", onData)
    req.on("end", onEnd)
  }

  data(chunk: Buffer): void {
    this.received += chunk.length
    if (this.done) return
    if (this.gunzip === undefined) {
      this.keep(chunk)
      return
    }
    // Empty members inflate to nothing, so what comes in is limited as well as what comes out.
    if (this.received > this.limits.maxBodyBytes) {
      this.refuse(bodyTooLarge(this.limits.maxBodyBytes), this.received)
      return
    }
    if (!this.gunzip.write(chunk)) this.req.pause()
  }

  end(): void {
    if (this.done) return
    if (this.gunzip !== undefined) this.gunzip.end()
    else this.finish()
  }

  /** Stops reading, for whatever reason: what still comes in is thrown away. */
  stop(): void {
    this.done = true
    this.first = undefined
    this.more = undefined
    this.gunzip?.destroy()
    this.gunzip = undefined
  }

  /** Gives back what it took of the budget. */
  release(): void {
    this.stop()
    this.limits.budget.give(this.held)
    this.held = 0
  }

  private hold(bytes: number): boolean {
    if (!this.limits.budget.take(bytes)) return false
    this.held += bytes
    return true
  }

  private keep(chunk: Buffer): void {
    this.size += chunk.length
    if (this.size > this.limits.maxBodyBytes) {
      this.refuse(bodyTooLarge(this.limits.maxBodyBytes), this.size)
      return
    }
    if (this.size > this.held && !this.hold(this.size - this.held)) {
      this.refuse(nodeBusy, this.size)
      return
    }
    if (this.first === undefined) this.first = chunk
    else {
      this.more ??= [this.first]
      this.more.push(chunk)
    }
  }

  private inflate(): void {
    const gunzip = createGunzip({ chunkSize: 64 * 1024 })
    this.gunzip = gunzip
    gunzip.on("data", (chunk: Buffer) => {
      if (!this.done) this.keep(chunk)
    })
    gunzip.on("drain", () => this.req.resume())
    gunzip.on("end", () => {
      if (!this.done) this.finish()
    })
    gunzip.on("error", () => {
      if (!this.done) this.refuse(invalidGzip, this.received)
    })
  }

  private finish(): void {
    const first = this.first
    const body = this.more === undefined ? first : Buffer.concat(this.more)
    const size = this.size
    this.stop()
    if (body === undefined) {
      this.sink.onBody("", 0)
      return
    }
    if (!isUtf8(body)) {
      this.sink.onBodyRefused(invalidEncoding, size)
      return
    }
    this.sink.onBody(body.toString("utf8"), size)
  }

  private refuse(refused: Refused, bytes = this.received): void {
    this.stop()
    this.sink.onBodyRefused(refused, bytes)
  }
}
