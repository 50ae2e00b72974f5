import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

type Resume<A, E> = (answer: Effect.Effect<A, E>) => void

interface Waiting<K, A, E> {
  readonly key: K
  readonly resumes: Array<Resume<A, E>>
}

/** After everything that goes on now without waiting for the outside, such as other fields of the same question. */
const afterThisTick = (run: () => void): void => queueMicrotask(() => process.nextTick(run))

/**
 * An answer that is handed over once. A fiber that has ended still holds what it ended with and what it was last
 * resumed with, and those of one question are reachable from those of the one before until a full garbage collection:
 * what is large has to be taken out of them.
 */
const handedOver = <A, E>(answer: Exit.Exit<A, E>): Effect.Effect<A, E> => {
  let held: Exit.Exit<A, E> | undefined = answer
  return Effect.suspend(() => {
    const taken = held as Exit.Exit<A, E>
    held = undefined
    return taken
  })
}

/** Runs an effect for those who wait for it; the fiber that it runs in does not keep what it gave. */
const runFor = <A, E>(effect: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void): void => {
  Effect.runFork(Effect.flatMap(Effect.exit(effect), (exit) => Effect.sync(() => done(exit))))
}

/**
 * What is asked in one tick is asked together, and the same key once; a key that is asked later is asked
 * anew, as nothing is remembered. `ask` gives one answer for each key, in order, and may be slow: keys that
 * come meanwhile are asked in a call of their own. `nameOf` says which keys are the same.
 *
 * Each tick has a map of its own: one that is emptied and used again leads from its former contents, once those are
 * old, to its present ones.
 */
export const sameTick = <K, A, E>(
  ask: (keys: ReadonlyArray<K>) => Effect.Effect<ReadonlyArray<A>, E>,
  nameOf: (key: K) => unknown,
): ((key: K) => Effect.Effect<A, E>) => {
  let gathered: Map<unknown, Waiting<K, A, E>> | undefined

  const dispatch = (all: ReadonlyArray<Waiting<K, A, E>>): void =>
    runFor(
      Effect.suspend(() => ask(all.map(({ key }) => key))),
      (exit) =>
        all.forEach(({ resumes }, index) => {
          const answer = Exit.map(exit, (answers) => answers[index] as A)
          for (const resume of resumes) resume(handedOver(answer))
        }),
    )

  const wait = (key: K, resume: Resume<A, E>): void => {
    if (gathered === undefined) {
      const all = new Map<unknown, Waiting<K, A, E>>()
      gathered = all
      afterThisTick(() => {
        gathered = undefined
        dispatch([...all.values()])
      })
    }
    const name = nameOf(key)
    const waiting = gathered.get(name)
    if (waiting === undefined) gathered.set(name, { key, resumes: [resume] })
    else waiting.resumes.push(resume)
  }

  return (key) => Effect.async((resume) => wait(key, resume))
}

/**
 * Equal keys of one tick are asked once, each by itself and at once: what `ask` asks for in turn comes together with
 * what others ask for.
 */
export const onceInTick = <K, A, E>(
  ask: (key: K) => Effect.Effect<A, E>,
  nameOf: (key: K) => unknown,
): ((key: K) => Effect.Effect<A, E>) => {
  let underWay: Map<unknown, Array<Resume<A, E>>> | undefined

  const wait = (key: K, resume: Resume<A, E>): void => {
    if (underWay === undefined) {
      underWay = new Map()
      afterThisTick(() => {
        underWay = undefined
      })
    }
    const name = nameOf(key)
    const known = underWay.get(name)
    if (known !== undefined) {
      known.push(resume)
      return
    }
    const resumes = [resume]
    underWay.set(name, resumes)
    runFor(ask(key), (exit) => {
      // One that ends at once, as by a defect, is not to be joined any more.
      if (underWay?.get(name) === resumes) underWay.delete(name)
      for (const one of resumes.splice(0)) one(handedOver(exit))
    })
  }

  return (key) => Effect.async((resume) => wait(key, resume))
}
