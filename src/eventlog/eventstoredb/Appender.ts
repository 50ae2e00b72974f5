import type { AppendResult } from "@eventstore/db-client"
import { type Append, type AppendOutcome, LogUnavailable, NO_STREAM } from "../EventLog.js"
import type { Connection } from "./Connection.js"
import { type Part, partsOf, toClient } from "./Encoding.js"
import { DENIED, type Trouble, troubleOf, unavailable } from "./Failure.js"
import type { Call, Job } from "./Job.js"
import type { Tuning } from "./Options.js"
import { positionOf } from "./Places.js"

type Result =
  | { readonly _tag: "Done"; readonly outcomes: ReadonlyArray<AppendOutcome> }
  | { readonly _tag: "Failed"; readonly error: LogUnavailable }

/** Answers whether the log has exactly these events at these revisions; fails when it can't be read. */
export type FindOwn = (part: Part) => Promise<(AppendOutcome & { readonly _tag: "Appended" }) | undefined>

/** Nothing more will be heard of it. */
const isOver = (job: Job): boolean => job.outcome !== undefined || job.call.over

/** How often what gave no answer is looked for. */
const SWEEP_MS = 50
const BACKOFF_MS = 50
const LONGEST_BACKOFF_MS = 1_000
/**
 * The client turns this into a time of its own clock, and the server compares that with its clock. The
 * server's own bound is 2 s; the timers here are ours.
 */
const CLOCKS_APART_MS = 3_600_000

/**
 * Appends of many streams on one connection. What has no answer is sent again with the same ids at the same
 * expected revision, which stores it once, until the deadline has passed. Appends to one stream are
 * sent in the order in which they came; when one has to be repeated, so are those behind it that were
 * refused for lack of it.
 */
export class Appender {
  private connection: Connection
  private waiting: Array<Job> = []
  private readonly flying = new Set<Job>()
  /** The last append to each stream that has no outcome yet. */
  private readonly latest = new Map<string, Job>()
  private bytes = 0
  private sweeper: NodeJS.Timeout | undefined
  private lastAnswerAt = Number.NEGATIVE_INFINITY
  private closed = false

  /** @param connect each time with modules of the client that nobody else uses. */
  constructor(
    private readonly connect: () => Connection,
    private readonly findOwn: FindOwn,
    private readonly tuning: Tuning,
  ) {
    this.connection = connect()
  }

  /** `done` is called once. */
  append(appends: ReadonlyArray<Append>, done: (result: Result) => void): void {
    let parts: ReadonlyArray<ReadonlyArray<Part>>
    try {
      if (this.closed) throw new LogUnavailable({ reason: "the connection to EventStoreDB is closed" })
      parts = appends.map(partsOf)
    } catch (cause) {
      if (!(cause instanceof LogUnavailable)) throw cause
      done({ _tag: "Failed", error: cause })
      return
    }
    const lasts: Array<Job> = []
    const call: Call = {
      jobs: [],
      begunAt: performance.now(),
      open: 0,
      over: false,
      done: (error) => {
        if (call.over) return
        call.over = true
        for (const job of call.jobs) {
          this.land(job)
          this.forget(job)
        }
        done(
          error === undefined
            ? { _tag: "Done", outcomes: lasts.map((job) => job.outcome as AppendOutcome) }
            : { _tag: "Failed", error },
        )
      },
    }
    for (const list of parts) {
      list.forEach((part, index) => {
        const job: Job = {
          part,
          call,
          before: this.latest.get(part.stream),
          continues: index > 0,
          firstSentAt: undefined,
          sentAt: 0,
          attempt: 0,
          waitsUntil: 0,
          inFlight: false,
          outcome: undefined,
          trouble: undefined,
        }
        this.latest.set(part.stream, job)
        call.jobs.push(job)
        if (index === list.length - 1) lasts.push(job)
      })
    }
    call.open = call.jobs.length
    this.waiting.push(...call.jobs)
    this.send()
  }

  async close(): Promise<void> {
    this.closed = true
    clearInterval(this.sweeper)
    const error = new LogUnavailable({ reason: "the connection to EventStoreDB was closed" })
    for (const job of [...this.flying, ...this.waiting]) job.call.done(error)
    this.waiting = []
    await this.connection.close()
  }

  /** Sends what may be sent now. What waits for something stays, in its order. */
  private send(): void {
    if (this.closed) return
    const now = performance.now()
    const later: Array<Job> = []
    let at = 0
    for (; at < this.waiting.length; at++) {
      if (this.flying.size >= this.tuning.appendsInFlight || this.bytes >= this.tuning.bytesInFlight) break
      const job = this.waiting[at] as Job
      if (job.call.over || job.outcome !== undefined) continue
      if (this.mayGo(job, now)) this.go(job, now)
      else later.push(job)
    }
    this.waiting = later.length === 0 ? this.waiting.slice(at) : [...later, ...this.waiting.slice(at)]
    if (this.flying.size + this.waiting.length > 0) this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS)
    else {
      clearInterval(this.sweeper)
      this.sweeper = undefined
    }
  }

  private mayGo(job: Job, now: number): boolean {
    if (now < job.waitsUntil) return false
    const { before } = job
    if (before === undefined || isOver(before)) {
      if (job.continues && before?.outcome?._tag === "WrongExpectedRevision") {
        // The first part was not stored, so nothing of the append is to be.
        this.settle(job, before.outcome)
        return false
      }
      return true
    }
    // Behind one on its first way it may follow at once; what is repeated goes step by step.
    return !job.continues && job.attempt === 0 && before.attempt === 1 && before.inFlight
  }

  private go(job: Job, now: number): void {
    const { stream, expectedRevision, events, bytes } = job.part
    job.firstSentAt ??= now
    job.sentAt = now
    job.inFlight = true
    const attempt = ++job.attempt
    this.flying.add(job)
    this.bytes += bytes
    this.connection.client
      .appendToStream(stream, events.map(toClient), {
        expectedRevision: expectedRevision === NO_STREAM ? "no_stream" : BigInt(expectedRevision),
        requiresLeader: true,
        deadline: CLOCKS_APART_MS,
      })
      .then(
        (result) => this.answered(job, attempt, result),
        (cause: unknown) => this.failed(job, attempt, troubleOf(cause)),
      )
  }

  /** No longer on its way. */
  private land(job: Job): void {
    if (!job.inFlight) return
    job.inFlight = false
    this.flying.delete(job)
    this.bytes -= job.part.bytes
  }

  private forget(job: Job): void {
    if (this.latest.get(job.part.stream) === job) this.latest.delete(job.part.stream)
  }

  private settle(job: Job, outcome: AppendOutcome): void {
    this.land(job)
    if (job.outcome !== undefined || job.call.over) return
    job.outcome = outcome
    this.forget(job)
    job.before = undefined
    if (--job.call.open === 0) job.call.done(undefined)
  }

  private answered(job: Job, attempt: number, result: AppendResult): void {
    this.lastAnswerAt = performance.now()
    // An answer is as good from an earlier attempt: it says what is stored.
    if (job.outcome !== undefined || job.call.over) return
    const revision = Number(result.nextExpectedRevision)
    const position = positionOf(result.position)
    if (!result.success || position === undefined) {
      this.look(job, attempt, undefined)
      return
    }
    this.settle(job, { _tag: "Appended", revision, position })
    this.send()
  }

  private failed(job: Job, attempt: number, trouble: Trouble): void {
    if (job.outcome !== undefined || job.call.over || attempt !== job.attempt || !job.inFlight) return
    if (trouble._tag !== "Passing") this.lastAnswerAt = performance.now()
    switch (trouble._tag) {
      case "Wrong":
        this.look(job, attempt, trouble.actual)
        return
      case "TooLarge":
      case "Deleted": {
        const reason =
          trouble._tag === "TooLarge"
            ? `an append of ${job.part.bytes} bytes to ${job.part.stream} is more than this server takes: raise its MaxAppendSize to 1 MiB`
            : `the stream ${job.part.stream} was deleted for good`
        job.call.done(new LogUnavailable({ refused: true, reason: `EventStoreDB: ${reason}` }))
        break
      }
      case "Denied":
        job.call.done(new LogUnavailable({ reason: DENIED }))
        break
      default:
        this.again(job, unavailable(trouble))
    }
    this.send()
  }

  /**
   * Another revision was expected. It may be our own append that is there: stored by an attempt whose answer
   * was lost, or by an earlier process.
   */
  private look(job: Job, attempt: number, actual: number | undefined): void {
    const { part, before } = job
    const base = before?.outcome
    const early = base?._tag === "Appended" && actual !== undefined && actual < base.revision
    if (before !== undefined && (early || !isOver(before))) {
      // What it builds on was not stored yet, or is not known to be.
      this.again(job, undefined)
      this.send()
      return
    }
    if (actual !== undefined && actual < part.expectedRevision + part.events.length) {
      this.settle(job, { _tag: "WrongExpectedRevision", stream: part.stream, actual })
      this.send()
      return
    }
    this.findOwn(part).then(
      (found) => {
        if (found !== undefined) this.settle(job, found)
        else if (actual !== undefined)
          this.settle(job, { _tag: "WrongExpectedRevision", stream: part.stream, actual })
        else this.again(job, new LogUnavailable({ reason: "EventStoreDB says neither yes nor no" }))
        this.send()
      },
      (cause: unknown) => {
        if (attempt !== job.attempt || !job.inFlight) return
        this.again(job, unavailable(troubleOf(cause)))
        this.send()
      },
    )
  }

  private again(job: Job, trouble: LogUnavailable | undefined): void {
    this.land(job)
    job.trouble = trouble ?? job.trouble
    job.waitsUntil = performance.now() + Math.min(BACKOFF_MS * 2 ** (job.attempt - 1), LONGEST_BACKOFF_MS)
    if (trouble === undefined) job.waitsUntil = 0
    this.waiting.push(job)
  }

  /** Gives up what had no answer in time, and fails the calls whose deadline has passed. */
  private sweep(): void {
    const now = performance.now()
    const { attemptMs, deadlineMs } = this.tuning
    const silent = now - this.lastAnswerAt > deadlineMs
    const late = ({ call, firstSentAt }: Job): boolean =>
      !call.over &&
      ((firstSentAt !== undefined && now - firstSentAt > deadlineMs) ||
        (silent && now - call.begunAt > deadlineMs))
    let anyLate = false
    for (const job of [...this.flying, ...this.waiting]) {
      if (!late(job)) continue
      anyLate = true
      const reason = `EventStoreDB gave no answer to an append for ${deadlineMs} ms`
      job.call.done(job.trouble ?? new LogUnavailable({ reason }))
    }
    for (const job of [...this.flying]) if (now - job.sentAt > attemptMs) this.again(job, undefined)
    if (anyLate) this.reconnect()
    this.send()
  }

  /** A connection that gave no answer within the deadline may never give one. */
  private reconnect(): void {
    const old = this.connection
    this.connection = this.connect()
    void old.close()
  }
}
