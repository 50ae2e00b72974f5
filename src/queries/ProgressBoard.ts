import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { compare, type Position } from "../domain/Position.js"
import type { ProcessorsService, Progress } from "../processors/Processors.js"

/** The newest progress of every build, and calls when one moves. One for the whole read service. */
export interface ProgressBoard {
  readonly of: (build: string) => Progress | undefined
  readonly all: () => ReadonlyArray<Progress>
  /** Calls back after each step of any build, until the returned function is called. */
  readonly listen: (listener: (progress: Progress) => void) => () => void
  /** True once the build has come to the position; false when `deadlineMs` passed before. */
  readonly reached: (build: string, position: Position, deadlineMs: number) => Effect.Effect<boolean>
}

const LOOK_MS = 500

/** Follows the processors until the scope ends. */
export const makeProgressBoard = (processors: Pick<ProcessorsService, "progress" | "changes">) =>
  Effect.gen(function* () {
    const latest = new Map<string, Progress>()
    const listeners = new Set<(progress: Progress) => void>()
    const note = (progress: Progress): void => {
      const known = latest.get(progress.build)
      if (known !== undefined && compare(known.position, progress.position) > 0) return
      latest.set(progress.build, progress)
      for (const listener of listeners) listener(progress)
    }
    yield* Stream.runForEach(processors.changes, (progress) => Effect.sync(() => note(progress))).pipe(
      Effect.forkScoped,
    )
    // Also what moved before the stream above began, and speeds that fell to nothing without a step.
    const look = Effect.map(processors.progress, (all) => all.forEach(note))
    yield* look
    yield* look.pipe(Effect.repeat(Schedule.spaced(LOOK_MS)), Effect.forkScoped)

    const listen = (listener: (progress: Progress) => void) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    }
    const isAt = (build: string, position: Position): boolean => {
      const known = latest.get(build)
      return known !== undefined && compare(known.position, position) >= 0
    }
    const reached = (build: string, position: Position, deadlineMs: number): Effect.Effect<boolean> =>
      Effect.suspend(() =>
        isAt(build, position)
          ? Effect.succeed(true)
          : Effect.async<boolean>((resume) => {
              const stop = listen((progress) => {
                if (progress.build === build && compare(progress.position, position) >= 0) finish(true)
              })
              const timer = setTimeout(() => finish(false), deadlineMs)
              const finish = (answer: boolean): void => {
                stop()
                clearTimeout(timer)
                resume(Effect.succeed(answer))
              }
              return Effect.sync(() => {
                stop()
                clearTimeout(timer)
              })
            }),
      )
    const board: ProgressBoard = {
      of: (build) => latest.get(build),
      all: () => [...latest.values()],
      listen,
      reached,
    }
    return board
  })
