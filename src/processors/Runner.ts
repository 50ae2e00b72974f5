import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Position } from "../domain/Position.js"
import type { Build, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import type { Progress } from "./Processors.js"

/** Folds the builds that it is told to, wherever that is. What is folded is the business of the `Controller`. */
export interface Runner {
  /**
   * Folds these builds from their checkpoints on; they are open when this answers. A build that is `aside` holds
   * up no other. Several at once share one subscription to the log; those of single merchants have one each.
   */
  readonly start: (
    builds: ReadonlyArray<Build>,
    where: "live" | "aside",
  ) => Effect.Effect<void, ReadModelsUnavailable>
  /** Writes what is folded, and ends. Nothing happens to a build that does not run. */
  readonly stop: (build: string) => Effect.Effect<void>
  /** Removes a build that does not run. */
  readonly drop: (build: string) => Effect.Effect<void, ReadModelsUnavailable>
  /**
   * Stands still at the position or, when it has passed that, where it is, with everything up to there written.
   * Answers with where that is; undefined for a build that does not run.
   */
  readonly hold: (build: string, at: Position) => Effect.Effect<Position | undefined>
  /**
   * Folds what waits behind dead letters, in order, as far as it can be folded now. Done when this answers;
   * interrupted, it goes on where it was when the build is started again.
   */
  readonly retry: (build: string) => Effect.Effect<void, ReadModelsUnavailable>
  /** Goes on. */
  readonly letGo: (build: string) => Effect.Effect<void>
  /** Of every build that runs. */
  readonly progress: Effect.Effect<ReadonlyArray<Progress>>
  /** After each commit; slow listeners miss steps, never the newest. */
  readonly changes: Stream.Stream<Progress>
}
