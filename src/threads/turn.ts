import * as Effect from "effect/Effect"

/** Lets everything else that waits on this thread have its turn. */
export const turn: Effect.Effect<void> = Effect.async((resume) => {
  const handle = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(handle))
})
