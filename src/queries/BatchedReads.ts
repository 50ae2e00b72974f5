import * as Effect from "effect/Effect"
import type {
  Answer,
  Doc,
  Question,
  ReadModelsService,
  ReadModelsUnavailable,
  Ref,
} from "../readmodels/ReadModels.js"
import { sameTick } from "./SameTick.js"

/** Questions in one call: between two calls others get their turn. */
export const MAX_QUESTIONS = 256

/** What a question's `follow` threw is its asker's alone: the others of the call are answered. */
interface Guarded {
  readonly question: Question
  thrown: { readonly error: unknown } | undefined
}

const guard = ({ partition, scans, follow }: Question): Guarded => {
  const guarded: Guarded = {
    question: {
      partition,
      scans,
      follow:
        follow &&
        ((rows) => {
          try {
            return follow(rows)
          } catch (error) {
            guarded.thrown = { error }
            return []
          }
        }),
    },
    thrown: undefined,
  }
  return guarded
}

/** Equal scans are one, unless something follows from them. */
const nameOf = (question: Question): unknown =>
  question.follow === undefined ? JSON.stringify([question.partition, question.scans]) : question

const once = <A>(byBuild: (build: string) => A): ((build: string) => A) => {
  const known = new Map<string, A>()
  return (build) => {
    const found = known.get(build) ?? byBuild(build)
    known.set(build, found)
    return found
  }
}

/**
 * The store for those who read: what is read in one tick goes to the store in one call, however many
 * fields of however many merchants a question has.
 */
export const batchedReads = (store: ReadModelsService): ReadModelsService => {
  const answer = (
    build: string,
    questions: ReadonlyArray<Question>,
  ): Effect.Effect<ReadonlyArray<Effect.Effect<Answer>>, ReadModelsUnavailable> =>
    Effect.gen(function* () {
      const answers: Array<Effect.Effect<Answer>> = []
      for (let from = 0; from < questions.length; from += MAX_QUESTIONS) {
        if (from > 0) yield* Effect.sleep(0)
        const guarded = questions.slice(from, from + MAX_QUESTIONS).map(guard)
        const found = yield* store.queryMany(
          build,
          guarded.map(({ question }) => question),
        )
        found.forEach((one, index) => {
          const thrown = guarded[index]?.thrown
          answers.push(thrown === undefined ? Effect.succeed(one) : Effect.die(thrown.error))
        })
      }
      return answers
    })

  const builds = sameTick(
    (keys: ReadonlyArray<"all">) => Effect.map(store.builds, (all) => keys.map(() => all)),
    (key) => key,
  )
  const asked = once((build) =>
    sameTick((questions: ReadonlyArray<Question>) => answer(build, questions), nameOf),
  )
  const loaded = once((build) =>
    sameTick(
      (refs: ReadonlyArray<Ref>): Effect.Effect<ReadonlyArray<Doc>, ReadModelsUnavailable> =>
        store.load(build, refs),
      ({ collection, key }) => `${collection}\u0000${key}`,
    ),
  )
  return {
    ...store,
    builds: builds("all"),
    query: (build, partition, scans, follow) => Effect.flatten(asked(build)({ partition, scans, follow })),
    load: (build, refs) => {
      const [only] = refs
      // Many documents are one call already.
      if (only === undefined || refs.length > 1) return store.load(build, refs)
      return Effect.map(loaded(build)(only), (doc) => [doc])
    },
  }
}
