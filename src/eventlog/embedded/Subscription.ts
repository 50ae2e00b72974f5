import type { RecordedEvent } from "../../domain/Event.js"
import { fromNumber } from "../../domain/Position.js"
import { type LogBatch, LogUnavailable, type SubscribeOptions } from "../EventLog.js"
import type { DiskReader, Page } from "./DiskReader.js"
import type { Listener, LiveBatch, LiveFeed } from "./LiveFeed.js"

/** Live events that one step gives at most, about. */
const STEP_EVENTS = 2_000
/** Characters of the texts that a batch of several pages has at most, about. */
const MOST_CHARS = 12 * 1024 * 1024

export interface SubscriptionBounds {
  readonly liveEvents: number
  readonly liveChars: number
}

/** `Batch`: hand it on. `Again`: call at once. `Wait`: call when woken. */
export type Step =
  | { readonly _tag: "Batch"; readonly batch: LogBatch }
  | { readonly _tag: "Again" }
  | { readonly _tag: "Wait" }

/**
 * One reader that follows the log. It owns its place (`#at`), and both sources say sequence numbers, so
 * that a batch from memory is taken only where it continues that place: what is older is skipped, and
 * before a gap the disk is read. The queue of live batches is bounded: when it overflows it is dropped,
 * and the disk serves until its end is reached again.
 */
export class Subscription implements Listener {
  #queue: Array<LiveBatch> = []
  #events = 0
  #chars = 0
  #collecting = false
  #live = false
  #wake: (() => void) | undefined
  #roused = false

  constructor(
    private readonly reader: DiskReader,
    private readonly feed: LiveFeed | undefined,
    private readonly bounds: SubscriptionBounds,
    private readonly wanted: Pick<SubscribeOptions, "prefixes" | "partitions" | "most">,
    private at: number,
  ) {
    feed?.add(this)
  }

  close(): void {
    this.feed?.remove(this)
    this.#drop()
  }

  offer(batch: LiveBatch): void {
    if (!this.#collecting) return
    this.#queue.push(batch)
    this.#events += batch.last - batch.first + 1
    this.#chars += batch.chars
    if (this.#events > this.bounds.liveEvents || this.#chars > this.bounds.liveChars) {
      this.#drop()
      this.#live = false
    }
    this.#rouse()
  }

  resumed(): void {
    this.#live = false
    this.#rouse()
  }

  /** Calls back once, when there may be something new. */
  onWake(wake: () => void): void {
    if (this.#roused) wake()
    else this.#wake = wake
  }

  /** Throws LogDamaged or LogUnavailable. */
  step(): Step {
    this.#roused = false
    return this.#live ? this.#fromMemory() : this.#fromDisk()
  }

  #fromDisk(): Step {
    const joins = this.feed?.listening === true
    // What is committed while the disk is read must not be missed: collect first, then read.
    const { events, scannedTo } = this.#pages()
    if (scannedTo > this.at) {
      this.at = scannedTo
      return { _tag: "Batch", batch: { events, upTo: fromNumber(scannedTo) } }
    }
    if (this.feed?.closed === true)
      throw new LogUnavailable({ reason: "the log's writer has ended: subscribe again when it is back" })
    if (!joins) return { _tag: "Wait" }
    if (!this.#collecting) {
      this.#collecting = true
      return { _tag: "Again" }
    }
    this.#live = true
    return { _tag: "Again" }
  }

  /** A page, or as many as a batch may have. */
  #pages(): Page {
    const { prefixes, partitions, most = STEP_EVENTS } = this.wanted
    const first = this.reader.after(this.at, prefixes, Math.min(most, STEP_EVENTS), partitions)
    if (most <= STEP_EVENTS || prefixes !== undefined) return first
    const pages = [first]
    let { scannedTo, chars } = first
    while (chars < MOST_CHARS && scannedTo - this.at < most) {
      const left = Math.min(STEP_EVENTS, most - (scannedTo - this.at))
      const page = this.#pageAfter(scannedTo, left)
      if (page === undefined || page.scannedTo === scannedTo) break
      pages.push(page)
      scannedTo = page.scannedTo
      chars += page.chars
    }
    return pages.length === 1 ? first : { events: pages.flatMap(({ events }) => events), scannedTo, chars }
  }

  /** Undefined where it can't be read: what lies before it is handed on first, and the next step says why. */
  #pageAfter(sequence: number, limit: number): Page | undefined {
    try {
      return this.reader.after(sequence, undefined, limit, this.wanted.partitions)
    } catch {
      return undefined
    }
  }

  #fromMemory(): Step {
    const events: Array<RecordedEvent> = []
    const before = this.at
    let taken = 0
    for (const batch of this.#queue) {
      if (batch.first > this.at + 1) {
        this.#live = false
        break
      }
      if (this.at - before >= STEP_EVENTS) break
      for (let sequence = Math.max(batch.first, this.at + 1); sequence <= batch.last; sequence++) {
        if (this.#wants(batch.streamOf(sequence))) events.push(batch.event(sequence))
      }
      this.at = Math.max(this.at, batch.last)
      this.#events -= batch.last - batch.first + 1
      this.#chars -= batch.chars
      taken++
    }
    this.#queue.splice(0, taken)
    if (this.at > before) return { _tag: "Batch", batch: { events, upTo: fromNumber(this.at) } }
    return this.#live ? { _tag: "Wait" } : { _tag: "Again" }
  }

  #wants(stream: string): boolean {
    const { prefixes } = this.wanted
    return prefixes === undefined || prefixes.some((prefix) => stream.startsWith(prefix))
  }

  #drop(): void {
    this.#queue = []
    this.#events = 0
    this.#chars = 0
    this.#collecting = false
  }

  #rouse(): void {
    const wake = this.#wake
    this.#wake = undefined
    this.#roused = true
    wake?.()
  }
}
