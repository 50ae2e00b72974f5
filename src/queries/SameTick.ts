import DataLoader from "dataloader"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

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
      const exit = await Effect.runPromiseExit(ask(keys))
      return keys.map((_, index) => Exit.map(exit, (answers) => answers[index] as A))
    },
    { cacheKeyFn: nameOf },
  )
  return (key) => Effect.flatten(Effect.promise(() => loader.load(key)))
}
