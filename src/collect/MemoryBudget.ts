import type { CollectCounters } from "./CollectStats.js"

/** Bytes of bodies that this process may hold at once, from the first byte read until the answer. */
export class MemoryBudget {
  constructor(
    private readonly limit: number,
    private readonly counters: CollectCounters,
  ) {}

  /** False when there is no room. */
  take(bytes: number): boolean {
    if (this.counters.bytesInMemory + bytes > this.limit) return false
    this.counters.bytesInMemory += bytes
    return true
  }

  give(bytes: number): void {
    this.counters.bytesInMemory -= bytes
  }
}
