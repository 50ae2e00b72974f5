import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { EventLog } from "../eventlog/EventLog.js"
import { ReadModels, type ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import type { ControllerTuning } from "./Controller.js"
import type { DeadLetterPolicy } from "./DeadLetters.js"
import { runEngine } from "./Engine.js"
import { Processors } from "./Processors.js"
import type { Projection } from "./Projection.js"
import type { AnyReactor } from "./Reactor.js"

/** The engine in this thread, while the layer lives. */
export const layer = (
  projections: ReadonlyArray<Projection>,
  tuning: ControllerTuning = {},
  deadLetters: DeadLetterPolicy = "live",
  reactors: ReadonlyArray<AnyReactor> = [],
): Layer.Layer<Processors, ReadModelsUnavailable, EventLog | ReadModels> =>
  Layer.scoped(
    Processors,
    Effect.gen(function* () {
      const log = yield* EventLog
      const readModels = yield* ReadModels
      return yield* runEngine({ log, readModels, projections, tuning, deadLetters, reactors })
    }),
  )
