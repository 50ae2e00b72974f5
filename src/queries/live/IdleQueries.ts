import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import { type RecordedEvent, SystemType } from "../../domain/Event.js"
import { SYSTEM } from "../../domain/Partition.js"
import { compare, type Position } from "../../domain/Position.js"
import type { EventLogService } from "../../eventlog/EventLog.js"
import type { MerchantQueries } from "../MerchantQueries.js"
import type { Profiles } from "../Profiles.js"
import { type QueryError, refused } from "../QueryError.js"
import type { Scope } from "../Scope.js"
import { type Following, makeFeed } from "./Feed.js"
import { followLog } from "./followLog.js"
import { Sliding } from "./Sliding.js"

/** A client that was reported idle now. Instants are epoch ms. */
export interface ClientIdle {
  readonly merchantId: string | null
  readonly clientId: string
  readonly ip: string | null
  readonly lastActivityAt: number
  readonly idleSince: number
  readonly reportedAt: number
}

/** Messages that wait for a reader that does not keep up. */
export const IDLE_WAITING = 1_000
const MAX_SUBSCRIBERS = 1_000
const PATIENCE = Schedule.spaced("500 millis").pipe(Schedule.intersect(Schedule.recurs(20)))

export interface IdleQueries {
  /**
   * Clients as they become idle: of one merchant, or, for those who see everything, of all. What is in the log
   * already never comes, nor does imported history. Ending the iterator frees everything.
   */
  readonly watch: (
    scope: Scope,
    merchantId?: string | null,
  ) => Effect.Effect<AsyncIterableIterator<ClientIdle>, QueryError>
}

type Listener = (event: RecordedEvent) => void

/** One subscription to the whole log for all who watch all merchants. */
const makeWhole = (log: EventLogService, runtime: Runtime.Runtime<never>) => {
  /** Each with the position after which it listens, once that is known. */
  const listeners = new Map<Listener, Position | undefined>()
  let fiber: Fiber.RuntimeFiber<never> | undefined

  const hear = (event: RecordedEvent): void => {
    if (event.event.type !== SystemType.ClientBecameIdle) return
    for (const [listener, after] of listeners) {
      if (after !== undefined && compare(event.position, after) > 0) listener(event)
    }
  }

  const begin = (head: Position): Fiber.RuntimeFiber<never> => {
    let upTo = head
    return Runtime.runFork(runtime)(
      followLog(log, {
        after: () => upTo,
        hear: (batch) => {
          for (const event of batch.events) hear(event)
          upTo = batch.upTo
        },
        name: "idle clients",
      }),
    )
  }

  const follow = (listener: Listener): Pick<Following, "start" | "stop"> => {
    listeners.set(listener, undefined)
    return {
      start: Effect.tap(log.head, (head) =>
        Effect.sync(() => {
          if (!listeners.has(listener)) return
          listeners.set(listener, head)
          fiber ??= begin(head)
        }),
      ),
      stop: () => {
        listeners.delete(listener)
        if (listeners.size > 0 || fiber === undefined) return
        Runtime.runFork(runtime)(Fiber.interrupt(fiber))
        fiber = undefined
      },
    }
  }

  return { follow }
}

export const makeIdleQueries = (deps: {
  readonly log: EventLogService
  readonly merchants: MerchantQueries
  readonly profiles: Profiles
}) =>
  Effect.gen(function* () {
    const { log, merchants, profiles } = deps
    const runtime = yield* Effect.runtime<never>()
    const feed = makeFeed(log, runtime)
    const whole = makeWhole(log, runtime)
    const open = new Set<Sliding<ClientIdle>>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const each of open) each.end()
      }),
    )

    /** One after the other, so that they come in the order of the log. */
    const teller = (to: Sliding<ClientIdle>): Listener => {
      let last: Promise<void> = Promise.resolve()
      return ({ event, metadata }) => {
        const { merchantId, clientKey, silence } = event.data
        if (event.type !== SystemType.ClientBecameIdle || silence === undefined || clientKey === undefined)
          return
        if (silence.historical) return
        const tell = profiles.open([{ merchantId, clientKey }]).pipe(
          Effect.retry(PATIENCE),
          Effect.tap(([profile]) =>
            Effect.sync(() => {
              if (profile === undefined) return
              const { lastActivityAt, idleSince } = silence
              const named = merchantId === SYSTEM ? null : merchantId
              const reportedAt = metadata.recordedAt
              to.offer({ merchantId: named, ...profile, lastActivityAt, idleSince, reportedAt })
            }),
          ),
          Effect.asVoid,
          Effect.catchAll((error) => Effect.logWarning("a subscriber was not told of an idle client", error)),
        )
        last = last.then(() => Runtime.runPromise(runtime)(tell))
      }
    }

    const watch: IdleQueries["watch"] = (scope, merchantId) =>
      Effect.gen(function* () {
        const wanted = merchantId ?? (scope._tag === "Merchant" ? scope.merchantId : undefined)
        if (wanted !== undefined && (yield* merchants.find(scope, wanted)) === undefined) {
          return yield* refused("MERCHANT_UNKNOWN", `there is no merchant "${wanted.slice(0, 64)}"`)
        }
        if (open.size >= MAX_SUBSCRIBERS) {
          return yield* refused(
            "TOO_MANY_SUBSCRIPTIONS",
            `${MAX_SUBSCRIBERS} subscriptions are open already: try again later`,
            { limit: MAX_SUBSCRIBERS },
          )
        }
        let leave = (): void => {}
        const own = new Sliding<ClientIdle>(IDLE_WAITING, () => {
          open.delete(own)
          leave()
        })
        open.add(own)
        const listener = teller(own)
        const following = wanted === undefined ? whole.follow(listener) : feed.follow(wanted, listener)
        leave = following.stop
        // Nobody would end one that was not given away.
        yield* following.start.pipe(Effect.onError(() => Effect.sync(() => own.end())))
        return own
      })

    return { watch } satisfies IdleQueries
  })
