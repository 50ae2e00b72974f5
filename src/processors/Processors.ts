import { Context, type Effect, type Stream } from "effect"
import type { Position } from "../domain/Position.js"

/** How far a build has come. `recordedAt` is that of the event at `position`, epoch ms. */
export interface Progress {
  readonly projection: string
  readonly build: string
  readonly position: Position
  readonly recordedAt: number | null
  readonly eventsPerSecond: number
}

/** What the rest of the program sees of the running processors, wherever they run. */
export interface ProcessorsService {
  /** The latest of every build that runs. */
  readonly progress: Effect.Effect<ReadonlyArray<Progress>>
  /** After each commit; slow listeners miss steps, never the newest. */
  readonly changes: Stream.Stream<Progress>
}

export class Processors extends Context.Tag("tidemark/Processors")<Processors, ProcessorsService>() {}
