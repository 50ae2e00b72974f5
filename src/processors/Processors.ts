import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Position } from "../domain/Position.js"
import type { ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import type { Command, CommandRefused } from "./Command.js"

/** Why a build has stopped: nothing beyond its position is in it, and nothing was skipped. */
export interface Stopped {
  /** The event that could not be folded; undefined when the log itself could not be read. */
  readonly position: Position | undefined
  readonly eventType: string | undefined
  readonly reason: string
}

/** How far a build has come. `recordedAt` is that of the event at `position`, epoch ms. */
export interface Progress {
  readonly projection: string
  readonly build: string
  readonly position: Position
  readonly recordedAt: number | null
  readonly eventsPerSecond: number
  /** Events that this program does not know and has passed over since its start, by type; missing when none. */
  readonly passedOver?: Readonly<Record<string, number>>
  /** Merchants that wait behind an event that could not be folded, and how many events wait; missing when none. */
  readonly deadLetters?: { readonly merchants: number; readonly waiting: number }
  /** Present when it goes no further until the program is started again. */
  readonly stopped?: Stopped
}

/** Code that this program has. */
export interface Definition {
  readonly projection: string
  /** Name and version, such as `metrics@1`. */
  readonly definition: string
  /** Of the text of the code. */
  readonly fingerprint: string
  /** It acts on the world. */
  readonly isReactor?: true
  /** One merchant can be rebuilt by itself. */
  readonly isByMerchant?: true
}

/** What the rest of the program sees of the running processors, wherever they run. */
export interface ProcessorsService {
  /** The latest of every build that runs. */
  readonly progress: Effect.Effect<ReadonlyArray<Progress>>
  /** After each commit; slow listeners miss steps, never the newest. */
  readonly changes: Stream.Stream<Progress>
  readonly definitions: ReadonlyArray<Definition>
  /** Carries out a command, in the name of `by`. It is done when this answers, and survives a restart. */
  readonly command: (
    command: Command,
    by: string,
  ) => Effect.Effect<void, CommandRefused | ReadModelsUnavailable>
  /**
   * Brings two builds of a projection to one position, with everything up to there written, and holds them there
   * until the scope ends. Answers with the position.
   */
  readonly holdLevel: (
    from: string,
    to: string,
  ) => Effect.Effect<Position, CommandRefused | ReadModelsUnavailable, Scope.Scope>
}

export class Processors extends Context.Tag("tidemark/Processors")<Processors, ProcessorsService>() {}
