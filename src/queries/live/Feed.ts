import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import type { RecordedEvent } from "../../domain/Event.js"
import { type Partition, partitionOf, prefixesOf } from "../../domain/Partition.js"
import { compare, type Position } from "../../domain/Position.js"
import type { EventLogService, LogError } from "../../eventlog/EventLog.js"
import { followLog } from "./followLog.js"

type Listener = (event: RecordedEvent) => void

interface PartitionFeed {
  readonly listeners: Map<string, Set<Listener>>
  /** The listeners were there before every event after this position. Another one after each that failed. */
  start: Deferred.Deferred<Position, LogError>
  readonly fiber: Fiber.RuntimeFiber<void>
  upTo: Position | undefined
}

export interface Following {
  /** Every event of the merchant after this position is given to the listener. */
  readonly start: Effect.Effect<Position, LogError>
  /** Whether every event up to the position was given. */
  readonly has: (position: Position) => boolean
  readonly stop: () => void
}

/** Events of watched merchants as they are recorded: one subscription for each partition that is watched. */
export interface Feed {
  readonly follow: (merchantId: string, listener: Listener) => Following
  readonly size: () => number
}

const again = Schedule.spaced("500 millis")

const unstarted = () => Deferred.unsafeMake<Position, LogError>(FiberId.none)

export const makeFeed = (log: EventLogService, runtime: Runtime.Runtime<never>): Feed => {
  const feeds = new Map<Partition, PartitionFeed>()

  const open = (partition: Partition): PartitionFeed => {
    const listeners = new Map<string, Set<Listener>>()
    const hear = (event: RecordedEvent): void => {
      for (const listener of listeners.get(event.event.data.merchantId) ?? []) listener(event)
    }
    // Who waits hears of a failure; who asks later gets the next attempt.
    const failed = (error: LogError) =>
      Effect.suspend(() => {
        const { start } = feed
        feed.start = unstarted()
        return Deferred.fail(start, error)
      })
    const run = Effect.gen(function* () {
      const head = yield* log.head.pipe(Effect.tapError(failed), Effect.retry(again), Effect.orDie)
      feed.upTo = head
      yield* Deferred.succeed(feed.start, head)
      yield* followLog(log, {
        after: () => feed.upTo ?? head,
        prefixes: prefixesOf(partition),
        hear: ({ events, upTo }) => {
          for (const event of events) hear(event)
          feed.upTo = upTo
        },
        name: "live",
      })
    })
    const feed: PartitionFeed = {
      listeners,
      start: unstarted(),
      fiber: Runtime.runFork(runtime)(Effect.yieldNow().pipe(Effect.zipRight(run), Effect.asVoid)),
      upTo: undefined,
    }
    return feed
  }

  const follow = (merchantId: string, listener: Listener): Following => {
    const partition = partitionOf(merchantId)
    let feed = feeds.get(partition)
    if (feed === undefined) {
      feed = open(partition)
      feeds.set(partition, feed)
    }
    const joined = feed
    const own = joined.listeners.get(merchantId) ?? new Set()
    joined.listeners.set(merchantId, own.add(listener))
    const stop = (): void => {
      own.delete(listener)
      if (own.size === 0) joined.listeners.delete(merchantId)
      if (joined.listeners.size > 0 || feeds.get(partition) !== joined) return
      feeds.delete(partition)
      Runtime.runFork(runtime)(Fiber.interrupt(joined.fiber))
    }
    return {
      // One that joins later hears everything after what the feed has given by now.
      start: Effect.suspend(() =>
        joined.upTo === undefined ? Deferred.await(joined.start) : Effect.succeed(joined.upTo),
      ),
      has: (position) => joined.upTo !== undefined && compare(joined.upTo, position) >= 0,
      stop,
    }
  }

  return { follow, size: () => feeds.size }
}
