import { type MessagePort, Worker } from "node:worker_threads"
import { fromNumber } from "../../domain/Position.js"
import { threadUrl } from "../../threads/threadUrl.js"
import { type Append, type AppendOutcome, LogUnavailable } from "../EventLog.js"
import { revive } from "./Failure.js"
import type { Tuning } from "./Options.js"
import { type AppendResult, Outgoing } from "./Outgoing.js"
import type { AppendedMessage, FromWriter, ToWriter } from "./Protocol.js"

const SWEEP_MS = 250

const unknown = "the outcome is not known: repeat the append unchanged"

/**
 * The main thread's end of the writer. Gathers all appends of one turn of the event loop, and all that
 * come while the writer is busy, into one message.
 */
export class WriterClient {
  logId = ""
  warning: string | undefined
  /** Why the writer is gone; undefined while it runs. */
  failure: LogUnavailable | undefined
  readonly #worker: Worker
  readonly #underWay = new Map<number, Outgoing>()
  readonly #onFailure: (error: LogUnavailable) => void
  #outgoing = new Outgoing(1)
  #scheduled = false
  #sweep: NodeJS.Timeout | undefined
  #waitingEvents = 0
  #waitingChars = 0

  private constructor(
    worker: Worker,
    private readonly tuning: Tuning,
    onFailure: (error: LogUnavailable) => void,
  ) {
    this.#worker = worker
    this.#onFailure = onFailure
  }

  /** Resolves when the log is open; rejects with LogDamaged or LogUnavailable. */
  static open(tuning: Tuning, onFailure: (error: LogUnavailable) => void): Promise<WriterClient> {
    const worker = new Worker(threadUrl("./writerThread.js", import.meta.url), { workerData: tuning })
    const client = new WriterClient(worker, tuning, onFailure)
    return new Promise((resolve, reject) => {
      worker.on("error", (cause) => {
        client.#fail(new LogUnavailable({ reason: `the log's writer died: ${cause.message}`, cause }))
        reject(client.failure)
      })
      worker.on("exit", () => {
        client.#fail(new LogUnavailable({ reason: "the log's writer has ended" }))
        reject(client.failure)
      })
      worker.on("message", (message: FromWriter) => {
        switch (message.tag) {
          case "appended":
            return client.#answered(message)
          case "failed":
            return client.#refused(message.ids, message.reason)
          case "opened":
            client.logId = message.logId
            client.warning = message.warning
            return resolve(client)
          case "refused":
            return reject(revive(message.error))
          case "closed":
            return
        }
      })
    })
  }

  /** `done` is called exactly once, later. */
  append(appends: ReadonlyArray<Append>, done: (result: AppendResult) => void): void {
    const turnedAway = this.failure ?? this.#full()
    if (turnedAway !== undefined) {
      fail(done, turnedAway)
      return
    }
    const outgoing = this.#outgoing
    const [events, chars] = [outgoing.eventCount, outgoing.chars]
    const refusal = outgoing.add(appends, Date.now() + this.tuning.deadlineMs, done)
    if (refusal !== undefined) {
      fail(done, refusal)
      return
    }
    this.#waitingEvents += outgoing.eventCount - events
    this.#waitingChars += outgoing.chars - chars
    this.#schedule()
  }

  #full(): LogUnavailable | undefined {
    return this.#waitingEvents > this.tuning.waitingEvents || this.#waitingChars > this.tuning.waitingChars
      ? new LogUnavailable({ reason: "too many appends wait for the disk: repeat it later" })
      : undefined
  }

  connect(port: MessagePort): void {
    this.#worker.postMessage({ tag: "connect", port } satisfies ToWriter, [port])
  }

  /** Waits for what is under way, then for the writer to close its files; ends it by force after a while. */
  async close(): Promise<void> {
    this.#flush(Number.POSITIVE_INFINITY)
    if (this.failure === undefined) {
      const ended = new Promise((resolve) => this.#worker.once("exit", resolve))
      this.#worker.postMessage({ tag: "close" } satisfies ToWriter)
      const timer = setTimeout(() => void this.#worker.terminate(), this.tuning.deadlineMs)
      await ended
      clearTimeout(timer)
    }
    clearInterval(this.#sweep)
    await this.#worker.terminate()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#flush(this.tuning.messagesUnderWay)
    })
  }

  #flush(underWay: number): void {
    if (this.#outgoing.calls.length === 0 || this.#underWay.size >= underWay) return
    const outgoing = this.#outgoing
    this.#outgoing = new Outgoing(outgoing.message.id + 1)
    this.#underWay.set(outgoing.message.id, outgoing)
    this.#worker.postMessage(outgoing.message)
    this.#sweep ??= setInterval(() => this.#expire(), SWEEP_MS).unref()
  }

  #answered(message: AppendedMessage): void {
    const outgoing = this.#landed(message.id)
    if (outgoing === undefined) return
    const { revisions, sequences } = message
    let at = 0
    for (const call of outgoing.calls) {
      const outcomes: Array<AppendOutcome> = new Array(call.appends.length)
      for (let i = 0; i < call.appends.length; i++, at++) {
        const revision = revisions[at] as number
        const sequence = sequences[at] as number
        outcomes[i] =
          sequence === 0
            ? { _tag: "WrongExpectedRevision", stream: (call.appends[i] as Append).stream, actual: revision }
            : { _tag: "Appended", revision, position: fromNumber(sequence) }
      }
      call.settle({ _tag: "Done", outcomes })
    }
  }

  #refused(ids: ReadonlyArray<number>, reason: string): void {
    const error = new LogUnavailable({ reason: `${reason}; ${unknown}` })
    for (const id of ids)
      for (const call of this.#landed(id)?.calls ?? []) call.settle({ _tag: "Failed", error })
  }

  #landed(id: number): Outgoing | undefined {
    const outgoing = this.#underWay.get(id)
    if (outgoing === undefined) return undefined
    this.#underWay.delete(id)
    this.#waitingEvents -= outgoing.eventCount
    this.#waitingChars -= outgoing.chars
    this.#flush(this.tuning.messagesUnderWay)
    return outgoing
  }

  /** Calls past their deadline fail; what they asked for may still be stored. */
  #expire(): void {
    const now = Date.now()
    const error = new LogUnavailable({ reason: `no answer within ${this.tuning.deadlineMs} ms; ${unknown}` })
    for (const outgoing of [...this.#underWay.values(), this.#outgoing])
      for (const call of outgoing.calls) if (call.deadline <= now) call.settle({ _tag: "Failed", error })
  }

  #fail(error: LogUnavailable): void {
    if (this.failure !== undefined) return
    this.failure = error
    clearInterval(this.#sweep)
    const lost = [...this.#underWay.values(), this.#outgoing]
    this.#underWay.clear()
    this.#outgoing = new Outgoing(0)
    const failed = new LogUnavailable({ reason: `${error.reason}; ${unknown}`, cause: error.cause })
    for (const outgoing of lost)
      for (const call of outgoing.calls) call.settle({ _tag: "Failed", error: failed })
    this.#onFailure(error)
  }
}

const fail = (done: (result: AppendResult) => void, error: LogUnavailable): void => {
  setImmediate(() => done({ _tag: "Failed", error }))
}
