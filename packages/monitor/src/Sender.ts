import type { Counters } from "./Counters.js"
import type { Outcome, Post } from "./post.js"
import { messageOf, type OnReport } from "./Report.js"
import type { Batch, Spool } from "./Spool.js"

export interface SenderOptions {
  readonly spool: Spool
  readonly post: Post
  readonly counters: Counters
  readonly report: OnReport
  /** A batch is sent when this many bytes wait, or `sendEveryMs` after the last one. */
  readonly batchBytes: number
  readonly sendEveryMs: number
  /** Longest pause between two attempts, ms. */
  readonly pauseMs: number
}

/** Why it rests: nothing waits; a batch fills; the last attempt failed, or a backlog is sent with breaks. */
type Rest = "empty" | "filling" | "pause"
type Trouble = "away" | "refused" | "disk"
type Taken = Extract<Outcome, { readonly _tag: "Taken" }>

const FIRST_PAUSE_MS = 250
/** Between two batches of a backlog: the requests that are watched come first. */
const BREAK_MS = 20

/** Sends what waits on the spool, in order, one batch at a time, and again what was not taken. */
export class Sender {
  private readonly memory: Buffer
  private limit: number
  private resting: { readonly why: Rest; readonly end: () => void } | undefined
  private hurry = false
  private closed = false
  private failed = 0
  private trouble: Trouble | undefined
  private sentAt = Number.NEGATIVE_INFINITY
  private readonly done: Promise<void>

  constructor(private readonly options: SenderOptions) {
    this.memory = Buffer.allocUnsafeSlow(options.batchBytes)
    this.limit = options.batchBytes
    this.done = this.run()
  }

  /** To be called when something was spooled. */
  wake(): void {
    const why = this.resting?.why
    const isFull = this.options.spool.waiting >= this.options.batchBytes
    if (why === "empty" || (why === "filling" && isFull)) this.resting?.end()
  }

  /** Sends what waits without waiting for more. Resolves with whether all was taken within the time. */
  async drain(withinMs: number): Promise<boolean> {
    const { spool } = this.options
    const deadline = performance.now() + withinMs
    this.hurry = true
    this.resting?.end()
    while (spool.waiting > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    this.hurry = false
    return spool.waiting <= 0
  }

  /** Ends when the batch under way is answered or lost: close the connection first. */
  async close(): Promise<void> {
    this.closed = true
    this.resting?.end()
    await this.done
  }

  private async run(): Promise<void> {
    const { spool, batchBytes, sendEveryMs, pauseMs } = this.options
    while (!this.closed) {
      const early = this.sentAt + sendEveryMs - performance.now()
      if (spool.waiting <= 0) await this.rest("empty")
      else if (spool.waiting < batchBytes && early > 0 && !this.hurry) await this.rest("filling", early)
      else {
        const pause = await this.step().catch((cause: unknown) => {
          this.fail("disk", `the spool can't be read: ${messageOf(cause)}`)
          return pauseMs
        })
        await this.rest("pause", this.hurry ? Math.min(pause, FIRST_PAUSE_MS) : pause)
      }
    }
  }

  /** Until `end` is called, or the time is over. It does not keep the process from ending. */
  private async rest(why: Rest, ms?: number): Promise<void> {
    if (this.closed) return
    await new Promise<void>((end) => {
      this.resting = { why, end }
      if (ms !== undefined) setTimeout(end, ms).unref()
    })
    this.resting = undefined
  }

  /** Sends one batch; gives how long to wait before the next. */
  private async step(): Promise<number> {
    const { spool, post, counters, pauseMs } = this.options
    const batch = await spool.read(this.memory.subarray(0, this.limit))
    if (batch === undefined) return 0
    const outcome = await post(batch.bytes)
    this.sentAt = performance.now()
    // Cut off by the end of the monitor: nobody needs to know.
    if (this.closed && outcome._tag !== "Taken") return 0
    switch (outcome._tag) {
      case "Taken":
        await this.taken(batch, outcome)
        return BREAK_MS
      case "TooLarge":
        return this.halve(batch, outcome.reason)
      case "Refused":
        counters.failures += 1
        this.fail("refused", `Tidemark refuses the requests (${outcome.reason}): they wait on the spool`)
        return pauseMs
      case "Away": {
        counters.failures += 1
        this.fail("away", `Tidemark takes nothing now (${outcome.reason}): requests wait on the spool`)
        const growing = FIRST_PAUSE_MS * 2 ** Math.min(this.failed++, 16)
        return Math.min(pauseMs, outcome.waitMs ?? growing * (0.75 + Math.random() / 2))
      }
    }
  }

  private async taken(batch: Batch, { accepted, duplicates, rejected }: Taken): Promise<void> {
    const { counters, report, spool } = this.options
    counters.batches += 1
    counters.accepted += accepted
    counters.duplicates += duplicates
    counters.rejected += rejected.length
    const first = rejected[0]
    if (first !== undefined) {
      report({
        kind: "rejected",
        message: `${rejected.length} requests were not taken; the first: ${first.code}: ${first.message}`,
      })
    }
    this.limit = this.options.batchBytes
    await spool.advance(batch.next)
    if (this.trouble !== undefined) report({ kind: "back", message: "Tidemark takes requests again" })
    this.trouble = undefined
    this.failed = 0
  }

  /** What is in front of Tidemark may take less than Tidemark does. A single line that is too much is given up. */
  private async halve({ bytes, next }: Batch, reason: string): Promise<number> {
    const { counters, report, spool } = this.options
    const isOne = bytes.indexOf(10) === bytes.length - 1
    if (!isOne) {
      this.limit = Math.max(bytes.indexOf(10) + 1, Math.floor(bytes.length / 2))
      return 0
    }
    counters.rejected += 1
    report({ kind: "rejected", message: `a request of ${bytes.length} bytes was not taken: ${reason}` })
    await spool.advance(next)
    return 0
  }

  /** Says it once for each row of failures. */
  private fail(trouble: Trouble, message: string): void {
    if (this.trouble !== trouble) this.options.report({ kind: trouble, message })
    this.trouble = trouble
  }
}
