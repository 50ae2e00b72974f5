import type { AllStreamSubscription, StreamingRead } from "@eventstore/db-client"

/** What a call of the client gave: something, its end, its error, or nothing for too long. */
export type Pull<A> =
  | { readonly _tag: "Items"; readonly items: ReadonlyArray<A> }
  | { readonly _tag: "End" }
  | { readonly _tag: "Broken"; readonly cause: unknown }
  | { readonly _tag: "Quiet" }

/** Items that wait here before the call is held up: one has up to 64 KiB. */
const MOST_ITEMS = 1_000

/**
 * A read or subscription of the client, taken at the reader's pace: what has no room here stays on the
 * server. `close` gives back its HTTP/2 stream, however it ended: it has to be called.
 */
export class OpenCall<A> {
  private items: Array<A> = []
  private ended: Pull<A> | undefined
  private wake: (() => void) | undefined

  constructor(
    private readonly source: StreamingRead<unknown> | AllStreamSubscription,
    private readonly cancel: () => Promise<void>,
  ) {
    source.on("data", this.took)
    const ended = (pull: Pull<A>): void => {
      this.ended ??= pull
      this.wake?.()
    }
    source.on("end", () => ended({ _tag: "End" }))
    source.on("close", () => ended({ _tag: "End" }))
    // Stays for good: an error may come after the call was closed, and nobody waits for it then.
    source.on("error", (cause: unknown) => ended({ _tag: "Broken", cause }))
  }

  /** Calls back once, with `Quiet` when nothing comes for so many milliseconds. Returns how to give up. */
  pull(quietMs: number, done: (pull: Pull<A>) => void): () => void {
    let gathering: NodeJS.Immediate | undefined
    let quiet: NodeJS.Timeout | undefined
    const settle = (pull: Pull<A>): void => {
      clearTimeout(quiet)
      this.wake = undefined
      done(pull)
    }
    // Whatever else comes in this turn of the event loop is handed on with it: what comes one by one is
    // taken in batches.
    const gather = (): void => {
      this.wake = undefined
      gathering = setImmediate(() => settle(this.take()))
    }
    if (this.items.length > 0 || this.ended !== undefined) gather()
    else {
      quiet = setTimeout(() => settle({ _tag: "Quiet" }), quietMs)
      this.wake = gather
    }
    return () => {
      clearTimeout(quiet)
      clearImmediate(gathering)
      this.wake = undefined
    }
  }

  close(): void {
    this.wake = undefined
    // It fails where the call was never begun, and then there is nothing to give back.
    this.cancel().catch(() => {})
    this.source.removeListener("data", this.took as () => void)
    this.items = []
    // What is on its way is let go, and lets the call come to its end.
    this.source.resume()
  }

  private readonly took = (item: unknown): void => {
    this.items.push(item as A)
    if (this.items.length >= MOST_ITEMS) this.source.pause()
    this.wake?.()
  }

  private take(): Pull<A> {
    if (this.items.length === 0) return this.ended ?? { _tag: "Quiet" }
    const { items } = this
    this.items = []
    if (items.length >= MOST_ITEMS) this.source.resume()
    return { _tag: "Items", items }
  }
}
