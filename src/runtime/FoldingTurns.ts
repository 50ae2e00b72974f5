import { availableParallelism } from "node:os"
import { performance } from "node:perf_hooks"
import type { Worker } from "node:worker_threads"
import { utilizationSince } from "../threads/utilization.js"

/** The thread that answers requests is busy when more of its time than this is spent in work. */
const BUSY = 0.05
const LOOK_MS = 250
/** Requests come and go: it is busy for this long after it was seen to be. */
const BUSY_LASTS_MS = 2_000

export interface FoldingTurnsOptions {
  /** How many fold at a time while requests are answered. */
  readonly beside: number
  /** How much of its time the thread that answers requests worked since this was last called, 0 to 1. */
  readonly utilization: () => number
  /** In ms. */
  readonly now: () => number
}

/**
 * Whose turn it is to fold history, of all threads that do, however many builds they are of. While requests are
 * answered one core is left to them: as many threads as there are others have a turn, and each passes it on after a
 * slice. Otherwise whoever asks has one.
 */
export class FoldingTurns<Folder = Worker> {
  private readonly folding = new Set<Folder>()
  /** In the order in which they asked, and how to tell each that it may go on. */
  private readonly waiting = new Map<Folder, () => void>()
  private lookedAt: number
  /** Who has a turn may not ask for long: while somebody waits, it is looked at times whether the load is over. */
  private lookAgain: NodeJS.Timeout | undefined
  private busyUntil = Number.NEGATIVE_INFINITY

  constructor(
    private readonly options: FoldingTurnsOptions = {
      beside: Math.max(1, availableParallelism() - 1),
      utilization: utilizationSince(),
      now: () => performance.now(),
    },
  ) {
    this.lookedAt = options.now()
  }

  /** Ends the folder's turn, if it has one, and calls `go`, now or later, when it has the next. */
  ask(folder: Folder, go: () => void): void {
    this.look()
    this.folding.delete(folder)
    this.waiting.set(folder, go)
    this.passOn()
  }

  /** The folder has no turn any more, and waits for none. */
  leave(folder: Folder): void {
    this.folding.delete(folder)
    this.waiting.delete(folder)
    this.passOn()
  }

  private look(): void {
    const now = this.options.now()
    if (now - this.lookedAt < LOOK_MS) return
    this.lookedAt = now
    if (this.options.utilization() > BUSY) this.busyUntil = now + BUSY_LASTS_MS
  }

  private passOn(): void {
    const isBusy = this.options.now() < this.busyUntil
    const most = isBusy ? this.options.beside : Number.POSITIVE_INFINITY
    for (const [folder, go] of this.waiting) {
      if (this.folding.size >= most) {
        this.lookAgain ??= setTimeout(this.again, BUSY_LASTS_MS).unref()
        return
      }
      this.waiting.delete(folder)
      this.folding.add(folder)
      go()
    }
  }

  private readonly again = (): void => {
    this.lookAgain = undefined
    this.look()
    this.passOn()
  }
}
