import { Worker } from "node:worker_threads"
import { threadUrl } from "../../threads/threadUrl.js"

/**
 * The writer's end of a thread that checkpoints beside it: SQLite lets one connection move pages to the main file while
 * another one appends to the write-ahead log. In the writer's own thread that is a tenth of a second for each
 * 5,000 events of as many streams, in which nothing is stored.
 */
export class Checkpointer {
  readonly #worker: Worker
  readonly #exited: Promise<void>
  #underWay = false
  #failed = false

  /**
   * Throws where no thread can be had.
   * @param onDone called after each run, never before `begin` has returned.
   */
  constructor(database: string, onDone: () => void) {
    this.#worker = new Worker(threadUrl("./checkpointThread.js", import.meta.url), {
      workerData: database,
      trackUnmanagedFds: false,
    })
    this.#worker.on("message", () => {
      this.#underWay = false
      onDone()
    })
    // From then on the writer does this work itself.
    this.#worker.on("error", () => {
      this.#failed = true
    })
    this.#exited = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        this.#failed = true
        resolve()
      })
    })
  }

  get isUnderWay(): boolean {
    return this.#underWay && !this.#failed
  }

  /** False when the thread is no more. */
  begin(): boolean {
    if (this.#failed) return false
    this.#underWay = true
    this.#worker.postMessage("checkpoint")
    return true
  }

  /** Resolves when its connection is closed. */
  async close(): Promise<void> {
    this.#worker.postMessage("close")
    await this.#exited
  }
}
