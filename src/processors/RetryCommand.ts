import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { ReadModelsService, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { CommandRefused } from "./Command.js"
import { type DeadLetter, deadLettersOf } from "./DeadLetters.js"
import type { Runner } from "./Runner.js"

/** Who commands waits so long; what is left then goes on by itself. */
const WAIT_MS = 30_000

const merchants = (count: number): string => `${count} merchant${count === 1 ? "" : "s"}`

/** Why a build should not take over, or has not come to its end; undefined when nothing waits. */
export const toldOf = (letters: ReadonlyArray<DeadLetter>): string | undefined => {
  const [first] = letters
  if (first === undefined) return undefined
  const { eventType, position, error, merchantId } = first
  return `events of ${merchants(letters.length)} wait behind one that could not be folded, the first at position ${position} (${eventType} of ${merchantId}: ${error})`
}

/** Folds what waits in these builds. Refused when something could not be folded this time either. */
export const retryIn = (
  readModels: ReadModelsService,
  runner: Runner,
  builds: ReadonlyArray<string>,
): Effect.Effect<void, CommandRefused | ReadModelsUnavailable> =>
  Effect.gen(function* () {
    // Who has waited long enough leaves it to go on.
    const retrying = yield* Effect.forEach(builds, runner.retry, { discard: true }).pipe(Effect.forkDaemon)
    const ended = yield* Fiber.join(retrying).pipe(Effect.timeoutOption(WAIT_MS))
    if (Option.isNone(ended)) return
    for (const build of builds) {
      const left = (yield* deadLettersOf(readModels, build)).filter(({ retrying }) => retrying !== true)
      const told = toldOf(left)
      if (told === undefined) continue
      return yield* new CommandRefused({
        code: "DEAD_LETTERS_REMAIN",
        message: `${build} was retried, and ${told}: put right what is wrong, and retry again`,
      })
    }
  })
