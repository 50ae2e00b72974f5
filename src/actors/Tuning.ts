import { STANDARD_IDLE_AFTER_MS } from "../domain/IdleTimes.js"

/** What can be turned. Times are in milliseconds. */
export interface Tuning {
  /** An actor not used for this long is passivated, at the latest after twice as long. */
  readonly passivateAfterMs: number
  /** Actors in memory beyond which quiet ones are passivated sooner. */
  readonly maxLiveActors: number
  /** Events and bytes of one merchant that may wait. */
  readonly merchantEvents: number
  readonly merchantBytes: number
  /** Events and bytes of the whole node that may wait. */
  readonly nodeEvents: number
  readonly nodeBytes: number
  /** Events that a partition decides in one turn. */
  readonly turnEvents: number
  /** Time that a partition gets to finish what waits before it closes. */
  readonly drainMs: number
  /** Silence after which a client is idle where its merchant says nothing else. */
  readonly idleAfterMs: number
  /** How often it is looked whether a deadline has passed. */
  readonly tickMs: number
  /** Who is present is written to a file this often, and sooner after so many changes. */
  readonly keepClientsEveryMs: number
  readonly keepClientsChanges: number
  /** The clock: epoch milliseconds. */
  readonly now: () => number
  /** Told when an owner of a partition begins and ends: tests watch for a second one. */
  readonly owners?: Owners
}

export interface Owners {
  readonly activated: (what: string) => void
  readonly passivated: (what: string) => void
}

export const defaults: Tuning = {
  passivateAfterMs: 120_000,
  maxLiveActors: 50_000,
  merchantEvents: 20_000,
  merchantBytes: 16 << 20,
  // Less than the embedded log lets wait, so that overload is said here, before an outcome gets lost there.
  nodeEvents: 80_000,
  nodeBytes: 48 << 20,
  turnEvents: 1_000,
  drainMs: 5_000,
  idleAfterMs: STANDARD_IDLE_AFTER_MS,
  tickMs: 10,
  keepClientsEveryMs: 20_000,
  keepClientsChanges: 150_000,
  now: Date.now,
}
