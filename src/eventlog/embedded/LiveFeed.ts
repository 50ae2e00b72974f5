import type { MessagePort } from "node:worker_threads"
import type { Metadata, RecordedEvent } from "../../domain/Event.js"
import { fromNumber } from "../../domain/Position.js"
import type { EventsMessage, FromFeed, ToFeed } from "./Protocol.js"

/** Committed events as they came from the writer. Each is parsed at most once, however many read it. */
export class LiveBatch {
  readonly first: number
  readonly last: number
  readonly chars: number
  readonly #parsed: Array<RecordedEvent | undefined>
  readonly #metadata: Array<Metadata> = []

  constructor(private readonly message: EventsMessage) {
    this.first = message.first
    this.last = message.first + message.ids.length - 1
    this.chars = message.chars
    this.#parsed = new Array(message.ids.length)
  }

  streamOf(sequence: number): string {
    const { streams, of } = this.message
    return streams[of[sequence - this.first] as number] as string
  }

  event(sequence: number): RecordedEvent {
    const i = sequence - this.first
    const known = this.#parsed[i]
    if (known !== undefined) return known
    const { streams, of, revisions, ids, events, about } = this.message
    const event: RecordedEvent = {
      eventId: ids[i] as string,
      event: JSON.parse(events[i] as string),
      metadata: this.#metadataOf(about[i] as number),
      stream: streams[of[i] as number] as string,
      revision: revisions[i] as number,
      position: fromNumber(sequence),
    }
    this.#parsed[i] = event
    return event
  }

  #metadataOf(which: number): Metadata {
    this.#metadata[which] ??= JSON.parse(this.message.metadata[which] as string) as Metadata
    return this.#metadata[which]
  }
}

export interface Listener {
  readonly offer: (batch: LiveBatch) => void
  /** Events may have been left out before this moment; from now on none is. */
  readonly resumed: () => void
}

/** This thread's end of the live feed: hands what comes to everyone who listens here. */
export class LiveFeed {
  readonly #listeners = new Set<Listener>()
  #listening = false
  #closed = false
  #events = 0
  #chars = 0

  constructor(
    private readonly port: MessagePort,
    private readonly ackEvents = 1_000,
    private readonly ackChars = 1024 * 1024,
  ) {
    port.on("message", (message: FromFeed) => this.#hear(message))
    port.on("close", () => {
      this.#closed = true
      this.#listening = false
      for (const listener of this.#listeners) listener.resumed()
    })
  }

  /** The writer hands over everything that it commits from now on. */
  get listening(): boolean {
    return this.#listening
  }

  /** The writer is gone: nothing will ever come. */
  get closed(): boolean {
    return this.#closed
  }

  add(listener: Listener): void {
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) this.#tell({ tag: "listen" })
  }

  remove(listener: Listener): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return
    this.#listening = false
    this.#tell({ tag: "unlisten" })
  }

  close(): void {
    this.port.close()
  }

  #hear(message: FromFeed): void {
    if (message.tag === "listening") {
      // An answer to an earlier `listen`, when everyone has left since, is no promise.
      this.#listening = this.#listeners.size > 0
      for (const listener of this.#listeners) listener.resumed()
      return
    }
    if (message.tag === "full") {
      this.#acknowledge()
      return
    }
    const batch = new LiveBatch(message)
    for (const listener of this.#listeners) listener.offer(batch)
    this.#events += message.ids.length
    this.#chars += message.chars
    if (this.#events >= this.ackEvents || this.#chars >= this.ackChars) this.#acknowledge()
  }

  #acknowledge(): void {
    this.#tell({ tag: "ack", events: this.#events, chars: this.#chars })
    this.#events = 0
    this.#chars = 0
  }

  #tell(message: ToFeed): void {
    if (!this.#closed) this.port.postMessage(message)
  }
}
