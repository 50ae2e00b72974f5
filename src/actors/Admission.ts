import { SYSTEM } from "../domain/Partition.js"
import type { Incoming } from "./Recorder.js"
import type { Tuning } from "./Tuning.js"

interface Waiting {
  events: number
  bytes: number
}

/** What one request holds until it is answered. */
export interface Grant {
  readonly events: number
  readonly bytes: number
  readonly shares: ReadonlyArray<Share>
}

interface Share extends Waiting {
  readonly merchantId: string
}

export interface Refusal {
  readonly _tag: "Busy"
  readonly scope: "merchant" | "node"
  readonly retryAfterSeconds: number
}

const ASSUMED_BYTES = 400

/** What each merchant has in a request. Mostly there is one, so the map is only made for the second. */
const sharesOf = (events: ReadonlyArray<Incoming>): { shares: ReadonlyArray<Share>; bytes: number } => {
  const shares: Array<Share> = []
  let byMerchant: Map<string, Share> | undefined
  let bytes = 0
  let share: Share | undefined
  for (const event of events) {
    const { merchantId } = event.data
    if (share?.merchantId !== merchantId) {
      if (share !== undefined) byMerchant ??= new Map([[share.merchantId, share]])
      share = byMerchant?.get(merchantId)
      if (share === undefined) {
        share = { merchantId, events: 0, bytes: 0 }
        shares.push(share)
        byMerchant?.set(merchantId, share)
      }
    }
    const size = event.bytes ?? ASSUMED_BYTES
    share.events++
    share.bytes += size
    bytes += size
  }
  return { shares, bytes }
}

/**
 * Counts what waits, for each merchant and for the node, and refuses what would go beyond the bounds. A
 * request is taken whole or not at all; whoever has nothing waiting is always let in.
 */
export class Admission {
  private readonly node: Waiting = { events: 0, bytes: 0 }
  private readonly merchants = new Map<string, Waiting>()
  private drained = 0
  private since = performance.now()
  private rate = 0

  constructor(private readonly tuning: Tuning) {}

  get waiting(): Readonly<Waiting> {
    return this.node
  }

  take(events: ReadonlyArray<Incoming>): Grant | Refusal {
    const { shares, bytes } = sharesOf(events)
    const { tuning, node } = this
    if (
      node.events > 0 &&
      (node.events + events.length > tuning.nodeEvents || node.bytes + bytes > tuning.nodeBytes)
    ) {
      return { _tag: "Busy", scope: "node", retryAfterSeconds: this.retryAfter(node.events) }
    }
    for (const { merchantId, events, bytes } of shares) {
      const waiting = this.merchants.get(merchantId)
      if (
        waiting !== undefined &&
        merchantId !== SYSTEM &&
        (waiting.events + events > tuning.merchantEvents || waiting.bytes + bytes > tuning.merchantBytes)
      ) {
        return { _tag: "Busy", scope: "merchant", retryAfterSeconds: this.retryAfter(waiting.events) }
      }
    }
    for (const { merchantId, events, bytes } of shares) {
      const waiting = this.merchants.get(merchantId)
      if (waiting === undefined) this.merchants.set(merchantId, { events, bytes })
      else {
        waiting.events += events
        waiting.bytes += bytes
      }
    }
    node.events += events.length
    node.bytes += bytes
    return { events: events.length, bytes, shares }
  }

  release(grant: Grant): void {
    this.node.events -= grant.events
    this.node.bytes -= grant.bytes
    for (const { merchantId, events, bytes } of grant.shares) {
      const waiting = this.merchants.get(merchantId)
      if (waiting === undefined) continue
      waiting.events -= events
      waiting.bytes -= bytes
      if (waiting.events <= 0) this.merchants.delete(merchantId)
    }
    this.drained += grant.events
  }

  /** Seconds until so many events are likely done, at the pace of the last seconds; 1 to 30. */
  private retryAfter(events: number): number {
    const seconds = (performance.now() - this.since) / 1000
    if (seconds >= 1) {
      this.rate = this.drained / seconds
      this.drained = 0
      this.since = performance.now()
    }
    const rate = Math.max(this.rate, this.drained, 1)
    return Math.min(30, Math.max(1, Math.ceil(events / rate)))
  }
}
