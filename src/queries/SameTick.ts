import DataLoader from "dataloader"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** What was asked in this tick, in a map of its own: a table that was cleared keeps what was in it (decision 0034). */
class Asked<A> {
  private promises = new Map<unknown, Promise<A>>()

  get(name: unknown): Promise<A> | undefined {
    return this.promises.get(name)
  }

  set(name: unknown, promise: Promise<A>): void {
    this.promises.set(name, promise)
  }

  delete(name: unknown): void {
    this.promises.delete(name)
  }

  clear(): void {
    this.promises = new Map()
  }
}

/**
 * What is asked in one tick is asked together, and the same key once; a key that is asked later is asked
 * anew, as nothing is remembered. `ask` gives one answer for each key, in order, and may be slow: keys that
 * come meanwhile are asked in a call of their own. `nameOf` says which keys are the same.
 */
export const sameTick = <K, A, E>(
  ask: (keys: ReadonlyArray<K>) => Effect.Effect<ReadonlyArray<A>, E>,
  nameOf: (key: K) => unknown,
): ((key: K) => Effect.Effect<A, E>) => {
  const loader = new DataLoader<K, Exit.Exit<A, E>, unknown>(
    async (keys) => {
      loader.clearAll()
      const exit = await new Promise<Exit.Exit<ReadonlyArray<A>, E>>((resolve) => {
        // The fiber ends with nothing: it is kept for longer than it runs (decision 0034).
        Effect.runFork(Effect.map(Effect.exit(ask(keys)), resolve))
      })
      return keys.map((_, index) => Exit.map(exit, (answers) => answers[index] as A))
    },
    { cacheKeyFn: nameOf, cacheMap: new Asked() },
  )
  return (key) => Effect.flatten(Effect.promise(() => loader.load(key)))
}
