import * as Effect from "effect/Effect"
import { compare } from "../domain/Position.js"
import { type DeadLetter, deadLettersOf } from "../processors/DeadLetters.js"
import type { ReadModelsService } from "../readmodels/ReadModels.js"
import { type Page, type PageArgs, pageArgs, toPage } from "./Page.js"
import type { QueryError } from "./QueryError.js"

/** A dead letter, and the build that could not fold it. */
export interface DeadLetterOf extends DeadLetter {
  readonly build: string
}

/** The dead letters of all builds of a projection, in the order of the log. */
export type DeadLetterQueries = (
  projection: string,
  args: PageArgs,
) => Effect.Effect<Page<DeadLetterOf>, QueryError>

/** Several builds may have the same one. */
const keyOf = ({ position, build }: DeadLetterOf): string => `${position.padStart(20, "0")} ${build}`

export const makeDeadLetterQueries =
  (readModels: ReadModelsService): DeadLetterQueries =>
  (projection, args) =>
    Effect.gen(function* () {
      const { first, after } = yield* pageArgs(args)
      const builds = (yield* readModels.builds).filter((build) => build.projection === projection)
      const all = yield* Effect.forEach(builds, ({ id }) =>
        Effect.map(deadLettersOf(readModels, id), (letters) =>
          letters.map((letter): DeadLetterOf => ({ ...letter, build: id })),
        ),
      )
      const items = all
        .flat()
        .toSorted((a, b) => compare(a.position, b.position) || (a.build < b.build ? -1 : 1))
        .map((node) => ({ key: keyOf(node), node }))
        .filter(({ key }) => after === undefined || key > after)
      return toPage(items.slice(0, first + 1), first, after)
    })
