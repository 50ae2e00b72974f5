import * as Effect from "effect/Effect"
import type { Freshness } from "./Freshness.js"
import type { LogTail } from "./LogTail.js"
import type { ProgressBoard } from "./ProgressBoard.js"
import type { QueryError } from "./QueryError.js"

/**
 * What is not in a read model may be in the log already: a merchant that was created a moment ago is
 * asked about at once by the one who created it.
 */
export interface CatchUp {
  /** Looks; when nothing is there, looks once more as soon as the read model has what the log has now. */
  readonly orElse: <A>(
    projection: string,
    look: Effect.Effect<A | undefined, QueryError>,
    merchantId?: string,
  ) => Effect.Effect<A | undefined, QueryError>
}

/** Past this the answer is "nothing": who must know sends `atLeast`. */
const WAIT_MS = 10_000

export const makeCatchUp = (freshness: Freshness, tail: LogTail, board: ProgressBoard): CatchUp => ({
  orElse: (projection, look, merchantId) =>
    Effect.gen(function* () {
      const found = yield* look
      if (found !== undefined) return found
      const build = yield* freshness.serving(projection, merchantId)
      const head = yield* tail.head(-1)
      const before = board.of(build.id)?.position
      if (before === head) return yield* look
      yield* board.reached(build.id, head, WAIT_MS)
      return yield* look
    }),
})
