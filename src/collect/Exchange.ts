import type { IncomingMessage, ServerResponse } from "node:http"
import type { Principal } from "../accounts/Access.js"
import type { Incoming, Origin, RecordResult } from "../actors/Recorder.js"
import { outcomeBody, type Refused, sendJson } from "./Answer.js"
import { BodyReader, type BodySink } from "./BodyReader.js"
import type { Collector } from "./Collector.js"
import { decodeBody, Unreadable } from "./decodeBody.js"
import { type ParseContext, parseEvent } from "./parseEvent.js"
import type { Refusal } from "./Quarantine.js"
import { ForeignMerchant, type RejectedEntry, Rejection, rejectedEntry } from "./Rejection.js"

const linesType = /^application\/(?:x-)?(?:ndjson|jsonlines|jsonl)\b/i
const traceparentPattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/
const merchantPattern = /^[A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}$/

const log: Refused = {
  status: 503,
  code: "LOG_UNAVAILABLE",
  message: "The event log can't be written to now. Repeat the whole request.",
  retryable: true,
}
const merchantBusy: Refused = {
  status: 429,
  code: "MERCHANT_BUSY",
  message: "More events of this merchant wait than this node takes. Repeat the whole request.",
  retryable: true,
}
const nodeBusy: Refused = {
  status: 503,
  code: "NODE_BUSY",
  message: "More events wait than this node takes. Repeat the whole request.",
  retryable: true,
}
const internal: Refused = {
  status: 500,
  code: "INTERNAL",
  message: "Something went wrong here. The events may have been stored: with ids, repeating them is safe.",
  retryable: true,
}

const later = (refused: Refused, seconds: number): Refused => ({
  ...refused,
  headers: ["Retry-After", String(Math.max(1, Math.ceil(seconds)))],
})

/** Bytes an event that actors assume by themselves: only larger ones need to be told. */
const SMALL = 400

/** One authenticated request on its way: body, events, recorder, answer. */
export class Exchange implements BodySink {
  /** When the body must have come in, by the monotonic clock, ms. */
  readonly deadline: number
  private readonly reader: BodyReader
  private readonly now: number
  private events: ReadonlyArray<unknown> = []
  private bytes = 0
  private rejected: RejectedEntry[] = []
  private released = false
  /** Place in the request of each recorded event; undefined when they are the same. */
  private indexes: number[] | undefined

  constructor(
    private readonly collector: Collector,
    readonly req: IncomingMessage,
    private readonly res: ServerResponse,
    private readonly principal: Principal,
  ) {
    this.now = collector.clock()
    this.deadline = performance.now() + collector.config.bodyTimeoutMs
    this.reader = new BodyReader(req, collector.bodyLimits, this)
  }

  start(gzip: boolean): void {
    const headers = this.req.headers
    const length = headers["content-length"]
    this.collector.reading.add(this)
    this.reader.start(
      length === undefined ? (headers["transfer-encoding"] === undefined ? 0 : undefined) : Number(length),
      gzip,
    )
  }

  onBody(text: string, bytes: number): void {
    this.collector.reading.delete(this)
    this.bytes = bytes
    try {
      this.take(text)
    } catch (cause) {
      this.collector.onFault(cause)
      this.refuse(internal)
    }
  }

  onBodyRefused(refused: Refused, bytes: number): void {
    this.collector.reading.delete(this)
    this.bytes = bytes
    if (refused.status < 500) this.quarantineBody(refused.code, refused.message)
    this.refuse(refused)
  }

  /** The body took too long. */
  expire(): void {
    this.onBodyRefused(
      {
        status: 408,
        code: "BODY_TIMEOUT",
        message: `The body must arrive within ${this.collector.config.bodyTimeoutMs / 1000} s.`,
        retryable: true,
      },
      this.reader.bytesReceived,
    )
  }

  /** The sender went away before its body was complete. */
  abandon(): void {
    this.collector.reading.delete(this)
    this.release()
  }

  private take(text: string): void {
    const { headers } = this.req
    const { config, identity, randomId } = this.collector
    const type = headers["content-type"]
    const lines = type !== undefined && type !== "application/json" && linesType.test(type)
    const events = decodeBody(text, this.bytes, lines, config)
    if (events instanceof Unreadable) {
      if (events.code !== "NO_EVENTS") this.quarantineBody(events.code, events.message)
      this.refuse({ ...events, message: events.message, retryable: false })
      return
    }
    this.events = events
    const context: ParseContext = {
      identity,
      now: this.now,
      ahead: config.aheadMs,
      countryOf: config.countryOf,
      merchantId: this.principal._tag === "Merchant" ? this.principal.merchantId : undefined,
      idempotencyKey: headers["idempotency-key"] as string | undefined,
      randomId,
    }
    const valid: Incoming[] = []
    const share = Math.ceil(this.bytes / events.length)
    for (let index = 0; index < events.length; index += 1) {
      const event = events[index]
      const parsed = event instanceof Rejection ? event : parseEvent(event, index, context)
      if (!(parsed instanceof Rejection)) {
        this.indexes?.push(index)
        valid.push(share > SMALL ? { ...parsed, bytes: share } : parsed)
      } else if (parsed instanceof ForeignMerchant) {
        this.refuseForeign(parsed, index)
        return
      } else {
        this.indexes ??= valid.map((_, at) => at)
        this.rejected.push(rejectedEntry(index, parsed))
      }
    }
    if (valid.length === 0) {
      this.answer(0, 0, undefined)
      return
    }
    this.collector.recorder.record(valid, this.origin(), (result) => this.onRecorded(result))
  }

  private origin(): Origin {
    const key = this.principal.keyId
    const mayCreateMerchants = this.principal._tag === "Administrator"
    const traceparent = this.req.headers.traceparent
    return typeof traceparent === "string" && traceparentPattern.test(traceparent)
      ? { source: "api", key, mayCreateMerchants, traceparent }
      : { source: "api", key, mayCreateMerchants }
  }

  private onRecorded(result: RecordResult): void {
    if (result._tag === "Busy") {
      this.refuse(later(result.scope === "merchant" ? merchantBusy : nodeBusy, result.retryAfterSeconds))
      return
    }
    if (result._tag === "Unavailable") {
      this.collector.unavailable(result.reason)
      this.refuse(later(log, result.retryAfterSeconds))
      return
    }
    let accepted = 0
    let duplicates = 0
    const refused = this.rejected.length
    for (let at = 0; at < result.events.length; at += 1) {
      const recorded = result.events[at]
      if (recorded === undefined) continue
      if (recorded._tag === "Accepted") accepted += 1
      else if (recorded._tag === "Duplicate") duplicates += 1
      else this.rejected.push(rejectedEntry(this.indexes?.[at] ?? at, recorded))
    }
    if (refused > 0 && this.rejected.length > refused) this.rejected.sort((a, b) => a.index - b.index)
    this.answer(accepted, duplicates, result.position)
  }

  private answer(accepted: number, duplicates: number, position: string | undefined): void {
    const { counters } = this.collector
    const status = accepted + duplicates > 0 ? 202 : 400
    counters.accepted += accepted
    counters.duplicates += duplicates
    if (this.rejected.length > 0) this.quarantineEvents()
    const body = outcomeBody(accepted, duplicates, this.rejected, position)
    this.release()
    counters.status(status)
    sendJson(this.res, status, body)
  }

  private refuse(refused: Refused): void {
    if (this.released) return
    this.release()
    this.collector.refuse(this.req, this.res, refused)
  }

  private refuseForeign(rejection: ForeignMerchant, index: number): void {
    this.rejected = [rejectedEntry(index, rejection)]
    this.quarantineEvents()
    const { code, message } = rejection
    this.refuse({ status: 403, code, message, retryable: false, path: "merchantId", index })
  }

  private release(): void {
    this.released = true
    this.collector.counters.bytesReceived += this.reader.bytesReceived
    this.collector.counters.requestsInFlight -= 1
    this.reader.release()
  }

  private quarantineBody(code: string, message: string): void {
    this.collector.counters.rejected(code)
    this.collector.quarantine.put([
      {
        at: this.now,
        merchantId: this.principal._tag === "Merchant" ? this.principal.merchantId : undefined,
        keyId: this.principal.keyId,
        index: undefined,
        code,
        path: undefined,
        message,
        event: undefined,
        // A declared length may be any number; this one fits 32 bits.
        size: Math.min(this.bytes, 0x7fffffff),
      },
    ])
  }

  private quarantineEvents(): void {
    const { events, principal, now } = this
    const size = Math.ceil(this.bytes / events.length)
    const refusals: Refusal[] = []
    for (const { index, code, path, message } of this.rejected) {
      this.collector.counters.rejected(code)
      const sent = events[index]
      const event = sent instanceof Rejection ? undefined : sent
      const named = (event as { readonly merchantId?: unknown } | null | undefined)?.merchantId
      const merchantId =
        principal._tag === "Merchant"
          ? principal.merchantId
          : typeof named === "string" && merchantPattern.test(named)
            ? named
            : undefined
      refusals.push({ at: now, merchantId, keyId: principal.keyId, index, code, path, message, event, size })
    }
    this.collector.quarantine.put(refusals)
  }
}
