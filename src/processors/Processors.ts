import { Context, type Effect, type Stream } from "effect"
import type { Position } from "../domain/Position.js"

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
  /** Present when it goes no further until the program is started again. */
  readonly stopped?: Stopped
}

/** What the rest of the program sees of the running processors, wherever they run. */
export interface ProcessorsService {
  /** The latest of every build that runs. */
  readonly progress: Effect.Effect<ReadonlyArray<Progress>>
  /** After each commit; slow listeners miss steps, never the newest. */
  readonly changes: Stream.Stream<Progress>
}

export class Processors extends Context.Tag("tidemark/Processors")<Processors, ProcessorsService>() {}
