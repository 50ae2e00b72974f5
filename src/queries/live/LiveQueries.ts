import * as Effect from "effect/Effect"
import { type QueryError, refused } from "../QueryError.js"
import type { Scope } from "../Scope.js"
import { makeFeed } from "./Feed.js"
import { Latest } from "./Latest.js"
import { type LiveDeps, type LiveMetrics, LiveView } from "./LiveView.js"

export type { LiveEvent, LiveMetrics } from "./LiveView.js"

/** Between two messages to one reader. */
export const GAP_MS = 1_000
export const MAX_SUBSCRIBERS = 10_000

export interface LiveQueries {
  /**
   * The merchant's live numbers: at once, or, when `after` names a position, as soon as they include it;
   * then whenever they change, at most one a second, always the newest. Ending the iterator frees everything.
   */
  readonly watch: (
    scope: Scope,
    merchantId: string,
    after?: string | null,
  ) => Effect.Effect<AsyncIterableIterator<LiveMetrics>, QueryError>
  readonly stats: () => { readonly subscribers: number; readonly merchants: number; readonly feeds: number }
}

export const makeLiveQueries = (deps: LiveDeps) =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<never>()
    const feed = makeFeed(deps.log, runtime)
    const views = new Map<string, LiveView>()
    let subscribers = 0
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const view of views.values()) view.close()
      }),
    )

    const watch: LiveQueries["watch"] = (scope, merchantId, after) =>
      Effect.gen(function* () {
        const merchant = yield* deps.merchants.find(scope, merchantId)
        if (merchant === undefined) {
          return yield* refused("MERCHANT_UNKNOWN", `there is no merchant "${merchantId.slice(0, 64)}"`)
        }
        const system = yield* deps.merchants.system
        const position =
          after === null || after === undefined ? undefined : yield* deps.freshness.checkPosition(after)
        if (subscribers >= MAX_SUBSCRIBERS) {
          return yield* refused(
            "TOO_MANY_SUBSCRIPTIONS",
            `${MAX_SUBSCRIBERS} subscriptions are open already: try again later`,
            { limit: MAX_SUBSCRIBERS },
          )
        }
        subscribers++
        let view = views.get(merchantId)
        if (view === undefined) {
          view = new LiveView(merchant, system, deps, feed, runtime)
          views.set(merchantId, view)
        }
        const joined = view
        let leave = (): void => {}
        const latest = new Latest<LiveMetrics>(GAP_MS, () => {
          subscribers--
          leave()
          if (joined.watchers > 0 || views.get(merchantId) !== joined) return
          views.delete(merchantId)
          joined.close()
        })
        leave = joined.join(latest, position)
        return latest
      })

    const service: LiveQueries = {
      watch,
      stats: () => ({ subscribers, merchants: views.size, feeds: feed.size() }),
    }
    return service
  })
