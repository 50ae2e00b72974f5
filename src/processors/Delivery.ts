import * as Effect from "effect/Effect"
import { compare, type Position } from "../domain/Position.js"
import { afterKey } from "../readmodels/Key.js"
import type { Acting, Put, ReadModelsService, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { OUTBOX, type Reactor, type Waiting } from "./Reactor.js"

const PAGE = 500
/** How long the end of a build waits for a note of what was done. */
const NOTE_MS = 5_000

export interface DeliveryOptions<A, E> {
  readonly readModels: ReadModelsService
  readonly build: string
  readonly reactor: Reactor<A, E>
  /**
   * Asked when it is known what waits: which stretches of the log are the build's now, and up to where those of
   * other builds are known. What lies up to there and is not its own is not its business, and is dropped.
   */
  readonly stretches: Effect.Effect<Stretches, ReadModelsUnavailable>
  /** Keeps other commits of the build out meanwhile. */
  readonly alone: <B, F>(use: Effect.Effect<B, F>) => Effect.Effect<B, F>
}

export interface Stretches {
  readonly own: ReadonlyArray<Acting>
  readonly othersUpTo: Position
}

const lies = (position: Position, { after, upTo }: Acting): boolean =>
  compare(position, after) > 0 && (upTo === undefined || compare(position, upTo) <= 0)

/**
 * Does what waits in a build, in the order of the log, and gives how much that was. It ends at the first thing that
 * fails, or that may be the business of this build or another.
 */
export const deliver = <A, E>(
  options: DeliveryOptions<A, E>,
): Effect.Effect<number, E | ReadModelsUnavailable> =>
  Effect.gen(function* () {
    const { readModels, build, reactor, stretches, alone } = options
    const forget = (puts: ReadonlyArray<Put>) =>
      puts.length === 0 ? Effect.void : alone(readModels.commit(build, puts, new Map()))
    let acted = 0
    for (let from = ""; ; ) {
      const scan = { collection: OUTBOX, from, to: "\uffff", limit: PAGE }
      const rows = (yield* readModels.query(build, 0, [scan])).rows[0] ?? []
      const last = rows.at(-1)
      if (last === undefined) return acted
      // After the rows: an event that the next build has was folded here when that was registered already.
      const { own, othersUpTo } = yield* stretches
      const dropped: Array<Put> = []
      for (const { key, doc } of rows) {
        const { position, place, recordedAt, what } = doc as Waiting<A>
        const done: Put = { collection: OUTBOX, key, doc: undefined }
        if (own.some((acting) => lies(position, acting))) {
          const noted = forget([done])
          // Also when the build is stopped or moved meanwhile: else it would be done again.
          yield* Effect.uninterruptibleMask((restore) =>
            restore(
              reactor.act({ id: `${reactor.name} ${position} ${place}`, position, recordedAt, what }),
            ).pipe(
              Effect.zipRight(
                restore(noted).pipe(
                  Effect.onInterrupt(() =>
                    noted.pipe(Effect.interruptible, Effect.timeoutOption(NOTE_MS), Effect.ignore),
                  ),
                ),
              ),
            ),
          )
          acted++
        } else if (compare(position, othersUpTo) <= 0) dropped.push(done)
        else {
          yield* forget(dropped)
          return acted
        }
      }
      yield* forget(dropped)
      if (rows.length < PAGE) return acted
      from = afterKey(last.key)
    }
  })
