import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EventLogService } from "../eventlog/EventLog.js"
import type { ReadModelsService, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { type ControllerTuning, makeController } from "./Controller.js"
import type { DeadLetterPolicy } from "./DeadLetters.js"
import { allDefinitions } from "./Fingerprint.js"
import { makeFoldRunner } from "./FoldRunner.js"
import type { ProcessorsService } from "./Processors.js"
import type { Projection } from "./Projection.js"
import type { AnyReactor } from "./Reactor.js"
import type { WorkingSetLimits } from "./WorkingSet.js"

export interface EngineOptions {
  readonly log: EventLogService
  readonly readModels: ReadModelsService
  /** Several versions of one projection may be among them. */
  readonly projections: ReadonlyArray<Projection>
  readonly limits?: WorkingSetLimits
  readonly reactors?: ReadonlyArray<AnyReactor>
  readonly tuning?: ControllerTuning
  /** `live` when missing. */
  readonly deadLetters?: DeadLetterPolicy
}

/** Runs the projections in this thread until the scope closes; what is folded by then is committed. */
export const runEngine = (
  options: EngineOptions,
): Effect.Effect<ProcessorsService, ReadModelsUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { log, readModels, projections, reactors = [], tuning } = options
    const runner = yield* makeFoldRunner(options)
    const definitions = allDefinitions(projections, reactors)
    return yield* makeController({ log, readModels, runner, definitions, ...(tuning && { tuning }) })
  })
