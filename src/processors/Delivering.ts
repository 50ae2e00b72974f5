import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { max, type Position, start } from "../domain/Position.js"
import type { ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import { type DeliveryOptions, deliver, type Stretches } from "./Delivery.js"

/** How often it looks without a commit: another build may have come to serve. */
const LOOK_MS = 1_000
/** After each failure twice as long, up to the longest. */
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 60_000

export interface DeliveringOptions<A, E> extends Omit<DeliveryOptions<A, E>, "stretches"> {
  /** Told of each commit of the build. */
  readonly wake: Queue.Dequeue<boolean>
  /** Where a build is that is folded here too. */
  readonly at: (build: string) => Position | undefined
}

/** Does what waits in a build of a reactor as soon as it is written, until it is interrupted. */
export const deliverAll = <A, E>(options: DeliveringOptions<A, E>): Effect.Effect<never> =>
  Effect.gen(function* () {
    const { reactor, wake } = options
    let waitMs = FIRST_WAIT_MS
    for (;;) {
      yield* Queue.take(wake).pipe(Effect.timeoutOption(LOOK_MS))
      yield* deliver({ ...options, stretches: stretchesOf(options) }).pipe(
        Effect.matchCauseEffect({
          onSuccess: () =>
            Effect.sync(() => {
              waitMs = FIRST_WAIT_MS
            }),
          onFailure: (cause) =>
            Effect.gen(function* () {
              yield* Effect.logWarning(`${reactor.name} could not act; trying again in ${waitMs} ms`, cause)
              yield* Effect.sleep(Duration.millis(waitMs))
              waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2)
            }),
        }),
      )
    }
  })

/** What is the build's as it is registered now, and up to where the build that serves has what is its own. */
const stretchesOf = <A, E>({
  readModels,
  build,
  at,
}: DeliveringOptions<A, E>): Effect.Effect<Stretches, ReadModelsUnavailable> =>
  Effect.map(readModels.builds, (builds) => {
    const own = builds.find(({ id }) => id === build)
    const serving = builds.find(
      ({ projection, state }) => projection === own?.projection && state === "SERVING",
    )
    if (own === undefined || serving === undefined) return { own: [], othersUpTo: start }
    const begun = serving.acts?.at(-1)?.after ?? start
    // What the serving build has folded nobody else will ever have; what it has not, a switch may hand to another.
    const othersUpTo = serving.id === build ? begun : max(begun, at(serving.id) ?? start)
    return { own: own.acts ?? [], othersUpTo }
  })
