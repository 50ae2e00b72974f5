import { performance } from "node:perf_hooks"
import { utilizationSince } from "../../threads/utilization.js"

/** How many silences may be reported, by when the first of those that wait for as long as it was due. */
export interface Pace {
  /** At this time of a recording clock, at most `limit`; none before it is due. */
  readonly allowed: (due: number, clock: number, limit: number) => number
  /** So many are being reported. */
  readonly spend: (count: number, due: number, clock: number) => void
}

export const atOnce: Pace = {
  allowed: (due, clock, limit) => (due > clock ? 0 : limit),
  spend: () => {},
}

/** A silence that is this much overdue, in ms, comes late anyway. */
const OVERDUE_MS = 5_000
const LOOK_MS = 100
/** Requests wait when the thread that answers them has more to do than this. */
const BUSY = 0.5
/** So many come as fast as requests in between allow: about a second's work. */
const AT_FIRST = 5_000
/** In one tick, of all partitions. */
const IN_TICK = 250
const TICK_MS = 10
/** After them, how many for each of these ticks, and how many more with each look that finds time for them. */
const FEWEST = 5
const MOST = 100
const STEP = 5

/**
 * After a longer stop the silences of all clients are due at once. Were they all reported at once, events would wait
 * until that is done; so beyond some thousands they come a few with each tick, as many as leave half of the time to
 * requests.
 */
export class Overdue implements Pace {
  private most = FEWEST
  /** Those that may still come fast: as many are added with each tick as may come later on. */
  private fast = AT_FIRST
  /** In this tick. */
  private left = IN_TICK
  private lookedAt: number
  private tickedAt: number

  constructor(
    /** How much of its time the thread worked since this was last called, 0 to 1. */
    private readonly utilization = utilizationSince(),
    private readonly now = (): number => performance.now(),
  ) {
    this.lookedAt = now()
    this.tickedAt = this.lookedAt
  }

  allowed(due: number, clock: number, limit: number): number {
    if (due > clock) return 0
    return due > clock - OVERDUE_MS ? limit : Math.min(this.left, limit)
  }

  spend(count: number, due: number, clock: number): void {
    if (due > clock - OVERDUE_MS) return
    this.left -= count
    this.fast -= count
  }

  /** To be called every some milliseconds; while the thread is busy it comes less often, and counts for more. */
  tick(): void {
    const now = this.now()
    if (now - this.lookedAt >= LOOK_MS) {
      this.lookedAt = now
      const isBusy = this.utilization() > BUSY
      this.most = isBusy ? Math.max(FEWEST, Math.floor(this.most / 2)) : Math.min(MOST, this.most + STEP)
    }
    const ticks = Math.max(1, (now - this.tickedAt) / TICK_MS)
    this.tickedAt = now
    this.fast = Math.min(AT_FIRST, this.fast + Math.floor(this.most * ticks))
    this.left = Math.min(IN_TICK, this.fast)
  }
}
