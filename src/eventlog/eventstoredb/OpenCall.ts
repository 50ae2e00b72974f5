import type { AllStreamSubscription, StreamingRead } from "@eventstore/db-client"

type Item = unknown

/** What a call of the client gave: something, its end, its error, or nothing for too long. */
export type Pull<A> =
  | { readonly _tag: "Items"; readonly items: ReadonlyArray<A> }
  | { readonly _tag: "End" }
  | { readonly _tag: "Broken"; readonly cause: unknown }
  | { readonly _tag: "Quiet" }

/** Taken in one go, so that what comes live is handed on in batches. */
const MOST_ITEMS = 1_000

/**
 * A read or subscription of the client, taken at the reader's pace: what is not asked for stays on the
 * server. `close` gives back its HTTP/2 stream, however it ended: it has to be called.
 */
export class OpenCall<A> {
  private ended: { readonly cause: unknown } | "end" | undefined
  private wake: (() => void) | undefined

  constructor(
    private readonly source: StreamingRead<Item> | AllStreamSubscription,
    private readonly cancel: () => Promise<void>,
  ) {
    const wake = (): void => this.wake?.()
    source.on("readable", wake)
    source.on("end", () => {
      this.ended ??= "end"
      wake()
    })
    source.on("close", () => {
      this.ended ??= "end"
      wake()
    })
    // Stays for good: an error may come after the call was closed, and nobody waits for it then.
    source.on("error", (cause: unknown) => {
      this.ended ??= { cause }
      wake()
    })
  }

  /** Calls back once, with `Quiet` when nothing comes for so many milliseconds. Returns how to give up. */
  pull(quietMs: number, done: (pull: Pull<A>) => void): () => void {
    const now = this.take()
    if (now !== undefined) {
      done(now)
      return () => {}
    }
    const settle = (pull: Pull<A>): void => {
      clearTimeout(timer)
      this.wake = undefined
      done(pull)
    }
    const timer = setTimeout(() => settle({ _tag: "Quiet" }), quietMs)
    this.wake = () => {
      const pull = this.take()
      if (pull !== undefined) settle(pull)
    }
    return () => {
      clearTimeout(timer)
      this.wake = undefined
    }
  }

  close(): void {
    this.wake = undefined
    // It fails where the call was never begun, and then there is nothing to give back.
    this.cancel().catch(() => {})
    this.source.removeAllListeners("readable")
    // What is buffered is let go, and lets the call come to its end.
    this.source.resume()
  }

  private take(): Pull<A> | undefined {
    const items: Array<A> = []
    for (;;) {
      const item: unknown = items.length < MOST_ITEMS ? this.source.read() : null
      if (item === null) break
      items.push(item as A)
    }
    if (items.length > 0) return { _tag: "Items", items }
    if (this.ended === undefined) return undefined
    return this.ended === "end" ? { _tag: "End" } : { _tag: "Broken", cause: this.ended.cause }
  }
}
