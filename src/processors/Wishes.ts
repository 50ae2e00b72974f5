import * as Effect from "effect/Effect"
import type { Wish } from "./PastFold.js"

/** What those who wait for a lock wish of the long stretch that is folded with it. */
export class Wishes {
  private readonly all: Array<Wish> = []

  /** For who waits. `entered`: to be run when the lock is there. */
  wishing<A>(wish: Wish, use: (entered: Effect.Effect<void>) => Effect.Effect<A>): Effect.Effect<A> {
    return Effect.suspend(() => {
      let isWaiting = true
      this.all.push(wish)
      const entered = Effect.sync(() => {
        if (isWaiting) this.all.splice(this.all.indexOf(wish), 1)
        isWaiting = false
      })
      return Effect.ensuring(use(entered), entered)
    })
  }

  get strongest(): Wish {
    return this.all.includes("Leave") ? "Leave" : (this.all[0] ?? "GoOn")
  }
}
