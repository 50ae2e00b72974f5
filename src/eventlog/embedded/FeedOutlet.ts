import type { MessagePort } from "node:worker_threads"
import type { Tuning } from "./Options.js"
import type { EventsMessage, FromFeed, ToFeed } from "./Protocol.js"

/**
 * The writer's end of a live feed. Hands over committed events while the other thread listens and keeps
 * up; past the bound it hands over nothing until all was taken, then says from where on it does again.
 */
export class FeedOutlet {
  #listening = false
  #full = false
  #events = 0
  #chars = 0

  constructor(
    private readonly port: MessagePort,
    private readonly tuning: Tuning,
    private readonly head: () => number,
    onClose: () => void,
  ) {
    port.on("message", (message: ToFeed) => this.#hear(message))
    port.on("close", onClose)
  }

  get wants(): boolean {
    return this.#listening && !this.#full
  }

  give(events: EventsMessage): void {
    if (!this.wants) return
    this.#events += events.ids.length
    this.#chars += events.chars
    this.#tell(events)
    if (this.#events <= this.tuning.liveEvents && this.#chars <= this.tuning.liveChars) return
    this.#full = true
    // The other end acknowledges many events together: without a word it would wait for more, and this one for it.
    this.#tell({ tag: "full" })
  }

  close(): void {
    this.port.close()
  }

  #hear(message: ToFeed): void {
    if (message.tag === "ack") {
      this.#events -= message.events
      this.#chars -= message.chars
      if (this.#full && this.#events === 0) {
        this.#full = false
        this.#listen()
      }
    } else if (message.tag === "listen") {
      this.#listening = true
      if (!this.#full) this.#listen()
    } else this.#listening = false
  }

  #listen(): void {
    if (this.#listening) this.#tell({ tag: "listening", head: this.head() })
  }

  #tell(message: FromFeed): void {
    this.port.postMessage(message)
  }
}
