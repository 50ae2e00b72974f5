import * as Effect from "effect/Effect"
import { type AnyReactor, anyReactor } from "../processors/Reactor.js"
import { reactors } from "../reactors/index.js"
import { alertReactors, alertSettings } from "./AlertSettings.js"

/**
 * Every reactor that runs: those of `src/reactors/index.ts`, and one for each target of alerts that the environment
 * names. Asked in each thread, as the environment is the same in all of them.
 */
export const reactorsHere = (): ReadonlyArray<AnyReactor> => [
  ...reactors,
  ...alertReactors(Effect.runSync(alertSettings)).map(anyReactor),
]
