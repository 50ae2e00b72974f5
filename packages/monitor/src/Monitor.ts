import { randomBytes } from "node:crypto"
import { type Counters, noCounters } from "./Counters.js"
import { LineBuffer } from "./LineBuffer.js"
import { poster } from "./post.js"
import { guarded, messageOf, type OnReport, toStderr } from "./Report.js"
import { type Request, requestLine } from "./requestLine.js"
import { Sender } from "./Sender.js"
import { Spool } from "./Spool.js"

export interface MonitorOptions {
  /** Where Tidemark is, such as `http://127.0.0.1:4000`. */
  readonly url: string
  /** A merchant's key, or an administrator's. */
  readonly key: string
  /** A directory of this process's own, kept over restarts: requests wait there until Tidemark has taken them. */
  readonly spool: string
  /** Most bytes of the spool; 1 GiB by default. A request takes 150 to 300 bytes. */
  readonly spoolBytes?: number
  /** How long a request may be in memory only, ms, up to 1,000; 250 by default. What `kill -9` can lose. */
  readonly flushEveryMs?: number
  /** Memory for requests that are not on the spool yet, bytes; 512 KiB by default. */
  readonly memoryBytes?: number
  /** Requests are sent this often, ms, or whenever a batch is full; 1,000 by default. */
  readonly sendEveryMs?: number
  /** Most bytes of a batch, up to 512 KiB, which is the default. */
  readonly batchBytes?: number
  /** Longest pause between attempts while Tidemark is away, ms; 10,000 by default. */
  readonly pauseMs?: number
  /** How long an answer is awaited, ms; 30,000 by default. */
  readonly timeoutMs?: number
  /** Told what somebody should know; by default a line on standard error. */
  readonly onReport?: OnReport
}

/** What notes requests. One for each process. */
export interface Monitor {
  /** Takes the time of writing 200 bytes to memory; never throws. The object is read later: it is not to be changed. */
  readonly note: (request: Request) => void
  /** As they are now. */
  readonly counters: () => Readonly<Counters>
  /** Puts all that is in memory on the spool. */
  readonly flush: () => Promise<void>
  /**
   * Flushes, sends what waits, for `withinMs` at most (5,000 by default), and lets go of the spool. What is still on
   * it is sent by the next process.
   */
  readonly close: (withinMs?: number) => Promise<void>
  readonly report: OnReport
  /** Counts a call of an application's function that threw. */
  readonly failed: () => void
}

const KIB = 1024
const MIB = 1024 * KIB
/** 10,000 events are the most that a POST takes: a line has more than 60 bytes. */
const MAX_BATCH = 512 * KIB
/** Characters; three bytes each at most, so that a line fits into the smallest batch. Only a client id can be as long. */
const MAX_LINE = 32 * KIB
const SAY_DROPPED_EVERY_MS = 10_000
/** Requests are written out as lines so many at a time: code that has just run costs a third of code that has not. */
const NOTED_TOGETHER = 32
/**
 * One with so many characters is written out at once, with those before it: 31 shorter ones fit into what the smallest
 * memory has left when it is not to be flushed yet, so that none is dropped while the disk has time.
 */
const LONG = 512

/** Characters of a request; of what is no text, none. */
const lengthOf = ({ target, agent, clientId, merchantId }: Request): number =>
  (target?.length ?? 0) + (agent?.length ?? 0) + (clientId?.length ?? 0) + (merchantId?.length ?? 0)

const within = (name: string, value: number, least: number, most: number): number => {
  if (Number.isFinite(value) && value >= least && value <= most) return value
  throw new Error(`${name} is ${value}: it must be from ${least} to ${most}`)
}

/** @throws when an option makes no sense, or another process uses the spool */
export const openMonitor = (options: MonitorOptions): Monitor => new RunningMonitor(options)

class RunningMonitor implements Monitor {
  readonly report: OnReport
  private readonly counted = noCounters()
  private readonly spool: Spool
  private readonly sender: Sender
  private readonly closePost: () => void
  private readonly flushEveryMs: number
  /** Ids are this and a number: made once, so that a line sent twice counts once. */
  private readonly prefix = `${randomBytes(9).toString("base64url")}-`
  private number = 0
  /** Noted, and no lines yet. */
  private readonly noted: Array<Request> = []
  private filling: LineBuffer
  private full: LineBuffer
  private timer: NodeJS.Timeout | undefined
  private writing: Promise<void> | undefined
  private diskFails = false
  private saidUnwritable = false
  private saidDropped = 0
  private saidDroppedAt = Number.NEGATIVE_INFINITY
  private closed = false
  private readonly onExit = (): void => this.saveNow()

  constructor(options: MonitorOptions) {
    this.report = guarded(options.onReport ?? toStderr)
    this.flushEveryMs = within("flushEveryMs", options.flushEveryMs ?? 250, 1, 1_000)
    const memory = within("memoryBytes", options.memoryBytes ?? 512 * KIB, 256 * KIB, 256 * MIB)
    const maxBytes = within("spoolBytes", options.spoolBytes ?? 1024 * MIB, MIB, Number.MAX_SAFE_INTEGER)
    const batchBytes = within("batchBytes", options.batchBytes ?? MAX_BATCH, 128 * KIB, MAX_BATCH)
    const sendEveryMs = within("sendEveryMs", options.sendEveryMs ?? 1_000, 0, 60_000)
    const pauseMs = within("pauseMs", options.pauseMs ?? 10_000, 1, 3_600_000)
    const timeoutMs = within("timeoutMs", options.timeoutMs ?? 30_000, 1, 600_000)
    this.filling = new LineBuffer(Math.floor(memory / 2))
    this.full = new LineBuffer(Math.floor(memory / 2))
    const { post, close } = poster(options.url, options.key, timeoutMs)
    this.closePost = close
    this.spool = new Spool({
      directory: options.spool,
      maxBytes,
      onDamage: (pieces) => {
        this.counted.damaged += pieces
        this.report({
          kind: "damaged",
          message: "a piece of a line, left by a crash, was taken off the spool",
        })
      },
    })
    const { spool, counted: counters, report } = this
    this.sender = new Sender({ spool, post, counters, report, batchBytes, sendEveryMs, pauseMs })
    process.on("exit", this.onExit)
  }

  readonly note = (request: Request): void => {
    const { counted, noted } = this
    counted.noted += 1
    if (this.closed) {
      counted.dropped += 1
      return
    }
    if (noted.push(request) >= NOTED_TOGETHER || lengthOf(request) > LONG) this.writeLines()
    if (this.filling.isHalfFull && this.writing === undefined && !this.diskFails) this.startFlush()
    else this.timer ??= this.later()
  }

  readonly failed = (): void => {
    this.counted.failedOptions += 1
  }

  readonly counters = (): Readonly<Counters> => {
    this.writeLines()
    return { ...this.counted, waitingBytes: this.spool.waiting }
  }

  readonly flush = async (): Promise<void> => {
    await this.writing
    do {
      this.startFlush()
      await this.writing
    } while ((this.noted.length > 0 || this.filling.bytes > 0) && !this.diskFails)
  }

  readonly close = async (withinMs = 5_000): Promise<void> => {
    if (this.closed) return
    this.closed = true
    const deadline = performance.now() + withinMs
    await this.flush()
    await this.sender.drain(Math.max(0, deadline - performance.now()))
    this.closePost()
    await this.sender.close()
    process.off("exit", this.onExit)
    clearTimeout(this.timer)
    this.saveNow()
    this.sayDropped(0)
    await this.spool.close()
  }

  private writeLines(): void {
    const { counted, filling, noted } = this
    for (const request of noted) {
      this.number += 1
      const line = this.lineOf(request)
      if (line === undefined || line.length > MAX_LINE || !filling.push(line)) counted.dropped += 1
    }
    noted.length = 0
  }

  /** Undefined for one that can't be written: applications without checked types change what a request says. */
  private lineOf(request: Request): string | undefined {
    try {
      return requestLine(this.prefix + this.number.toString(36), request)
    } catch (cause) {
      if (!this.saidUnwritable) {
        this.report({ kind: "option", message: `a request could not be written: ${messageOf(cause)}` })
      }
      this.saidUnwritable = true
      return undefined
    }
  }

  /** Swaps the two memories and writes the one that was filled; nothing when a write is under way. */
  private startFlush(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.writeLines()
    this.sayDropped(SAY_DROPPED_EVERY_MS)
    if (this.writing !== undefined) return
    // What the disk did not take comes first.
    if (this.full.bytes === 0) [this.filling, this.full] = [this.full, this.filling]
    if (this.full.bytes === 0) return
    this.writing = this.write().finally(() => {
      this.writing = undefined
      if (this.filling.bytes > 0 || this.full.bytes > 0) this.timer ??= this.later()
    })
  }

  private later(): NodeJS.Timeout {
    return setTimeout(() => this.startFlush(), this.flushEveryMs).unref()
  }

  private async write(): Promise<void> {
    const { full, spool, counted } = this
    if (!spool.hasRoomFor(full.bytes)) {
      counted.dropped += full.lines
      full.clear()
      return
    }
    try {
      await spool.append(full.content)
    } catch (cause) {
      if (!this.diskFails) {
        this.report({
          kind: "disk",
          message: `the spool can't be written, trying again: ${messageOf(cause)}`,
        })
      }
      this.diskFails = true
      return
    }
    this.diskFails = false
    counted.spooled += full.lines
    full.clear()
    this.sender.wake()
  }

  /** The process ends: there is time for what does not wait. */
  private saveNow(): void {
    this.writeLines()
    const lines = this.full.lines + this.filling.lines
    if (lines === 0) return
    try {
      this.spool.appendNow(this.full.content, this.filling.content)
      this.counted.spooled += lines
    } catch (cause) {
      this.counted.dropped += lines
      this.report({ kind: "disk", message: `${lines} requests could not be saved: ${messageOf(cause)}` })
    }
    this.full.clear()
    this.filling.clear()
  }

  private sayDropped(everyMs: number): void {
    const { dropped } = this.counted
    if (dropped === this.saidDropped || performance.now() - this.saidDroppedAt < everyMs) return
    const message = `${dropped - this.saidDropped} requests were dropped, ${dropped} in all: memory or spool is full, or they were too long`
    this.report({ kind: "dropped", message })
    this.saidDropped = dropped
    this.saidDroppedAt = performance.now()
  }
}
