// What tests may do to the stand-in while it runs.
import { status as code, Metadata } from "@grpc/grpc-js"

export class Faults {
  #replies = []
  #delayMs = 0
  #batches = new Set()
  #subscriptions = new Set()
  #hangAll = false
  /** Calls of Streams.Read that are open, and how many there were. */
  openReads = 0
  reads = 0
  batches = 0
  appends = 0

  trailer(entries) {
    const metadata = new Metadata()
    for (const [name, value] of Object.entries(entries)) metadata.set(name, value)
    return metadata
  }

  /** What happens to the next answer of an append: undefined for nothing. */
  takeReply() {
    this.appends++
    return this.#replies.shift()
  }

  later(run) {
    if (this.#delayMs === 0) run()
    else setTimeout(run, this.#delayMs)
  }

  batchCall(call) {
    const closed = { is: false }
    this.batches++
    this.#batches.add(call)
    const end = () => {
      closed.is = true
      this.#batches.delete(call)
    }
    call.once("cancelled", end)
    call.once("close", end)
    call.once("end", end)
    return closed
  }

  readCall(call) {
    this.reads++
    this.openReads++
    let open = true
    const end = () => {
      if (!open) return
      open = false
      this.openReads--
    }
    call.once("cancelled", end)
    call.once("finish", end)
    call.once("close", end)
  }

  subscription(call) {
    const state = { call, ended: false, hangs: this.#hangAll }
    this.#subscriptions.add(state)
    const end = () => {
      state.ended = true
      this.#subscriptions.delete(state)
    }
    call.once("cancelled", end)
    call.once("close", end)
    return state
  }

  /** The commands, by name. */
  commands = {
    /** The next answers of appends are lost, the appends are not: the call dies, or nothing ever comes. */
    loseReplies: ({ count = 1, how = "silent" }) => {
      this.#replies.push(...Array(count).fill(how))
    },
    endSubscriptions: ({ how = "error" }) => {
      const states = [...this.#subscriptions]
      for (const state of states) {
        if (how === "hang") state.hangs = true
        else if (how === "end") {
          state.ended = true
          state.call.end()
        } else state.call.emit("error", { code: code.UNAVAILABLE, details: "the subscription was dropped" })
      }
      return states.length
    },
    endBatches: () => {
      for (const call of this.#batches)
        call.emit("error", { code: code.UNAVAILABLE, details: "the call was dropped" })
    },
    delay: ({ ms }) => {
      this.#delayMs = ms
    },
    counts: () => ({
      openReads: this.openReads,
      reads: this.reads,
      batches: this.batches,
      appends: this.appends,
      subscriptions: this.#subscriptions.size,
    }),
  }
}
