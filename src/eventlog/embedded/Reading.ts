import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../../domain/Event.js"
import { fromNumber } from "../../domain/Position.js"
import { turn } from "../../threads/turn.js"
import type {
  EventLogService,
  LogBatch,
  LogError,
  ReadAllOptions,
  ReadStreamOptions,
  SubscribeOptions,
} from "../EventLog.js"
import type { DiskReader } from "./DiskReader.js"
import { failureOf } from "./Failure.js"
import type { LiveFeed } from "./LiveFeed.js"
import { pastOf } from "./Past.js"
import { Subscription, type SubscriptionBounds } from "./Subscription.js"

type Events = ReadonlyArray<RecordedEvent>

/** What `weights` looks at: some pages of the index of a table that may have gigabytes. */
const SAMPLED_STRETCHES = 128
const SAMPLED_EVENTS = 32

/** How often the disk is asked where there is no live feed. */
const POLL_MS = 100

const attempt = <A>(file: string, read: () => A): Effect.Effect<A, LogError> =>
  Effect.try({ try: read, catch: (cause) => failureOf(cause, file) })

/** Pages from a state to the next, until there is none; empty pages are left out. */
const pages = <S>(
  file: string,
  first: S,
  read: (state: S) => { readonly events: Events; readonly next: S | undefined },
): Stream.Stream<Events, LogError> =>
  Stream.paginateChunkEffect(first, (state) =>
    Effect.map(
      Effect.zipRight(
        turn,
        attempt(file, () => read(state)),
      ),
      ({ events, next }) => [
        events.length === 0 ? Chunk.empty<Events>() : Chunk.of(events),
        Option.fromNullable(next),
      ],
    ),
  )

const readAll = (reader: DiskReader, options: ReadAllOptions): Stream.Stream<Events, LogError> => {
  const { from, prefixes, direction, limit = Number.POSITIVE_INFINITY } = options
  const backwards = direction === "backwards"
  const start = from !== undefined ? Number(from) : backwards ? Number.POSITIVE_INFINITY : 0
  if (limit <= 0) return Stream.empty
  return pages(reader.file, { at: start, left: limit }, ({ at, left }) => {
    const here = backwards ? Math.min(at, reader.head() + 1) : at
    const page = backwards ? reader.before(here, prefixes, left) : reader.after(here, prefixes, left)
    const events = page.events.length > left ? page.events.slice(0, left) : page.events
    const ended = backwards ? page.scannedTo <= 1 : page.scannedTo === here
    return {
      events,
      next: ended || events.length >= left ? undefined : { at: page.scannedTo, left: left - events.length },
    }
  })
}

const readStream = (
  reader: DiskReader,
  stream: string,
  options: ReadStreamOptions,
): Stream.Stream<Events, LogError> => {
  const { direction, from, limit = Number.POSITIVE_INFINITY } = options
  const backwards = direction === "backwards"
  const start = from ?? (backwards ? Number.MAX_SAFE_INTEGER : 0)
  if (limit <= 0) return Stream.empty
  return pages(reader.file, { at: start, left: limit }, ({ at, left }) => {
    const events = reader.stream(stream, at, backwards, left)
    const last = events.at(-1)
    const ended = last === undefined || events.length >= left || (backwards && last.revision === 0)
    return {
      events,
      next: ended ? undefined : { at: last.revision + (backwards ? -1 : 1), left: left - events.length },
    }
  })
}

const subscribe = (
  reader: DiskReader,
  feed: LiveFeed | undefined,
  bounds: SubscriptionBounds,
  { after, ...wanted }: SubscribeOptions,
) => {
  const acquire = Effect.acquireRelease(
    Effect.sync(() => new Subscription(reader, feed, bounds, wanted, Number(after))),
    (subscription) => Effect.sync(() => subscription.close()),
  )
  const woken = (subscription: Subscription): Effect.Effect<void> =>
    feed === undefined
      ? Effect.sleep(POLL_MS)
      : Effect.async((resume) => subscription.onWake(() => resume(Effect.void)))
  const next = (subscription: Subscription): Effect.Effect<LogBatch, LogError> =>
    Effect.flatMap(
      attempt(reader.file, () => subscription.step()),
      (step) => {
        switch (step._tag) {
          case "Batch":
            return Effect.as(turn, step.batch)
          case "Again":
            return Effect.suspend(() => next(subscription))
          case "Wait":
            return Effect.zipRight(
              woken(subscription),
              Effect.suspend(() => next(subscription)),
            )
        }
      },
    )
  return Stream.unwrapScoped(Effect.map(acquire, (subscription) => Stream.repeatEffect(next(subscription))))
}

type Weights = Effect.Effect<ReadonlyArray<number>, LogError>

const weights = (reader: DiskReader): Weights =>
  Effect.suspend(() => {
    const counting = reader.weights(SAMPLED_STRETCHES, SAMPLED_EVENTS)
    const next: Weights = Effect.flatMap(
      attempt(reader.file, () => counting.next()),
      ({ value, done }) => (done === true ? Effect.succeed(value) : Effect.zipRight(turn, next)),
    )
    return next
  })

/** The reading half of the port, over one connection and, when there is one, a live feed. */
export const readingOf = (
  reader: DiskReader,
  feed: LiveFeed | undefined,
  bounds: SubscriptionBounds,
): Pick<EventLogService, "readAll" | "readStream" | "subscribe" | "head"> & {
  readonly weights: Weights
  readonly past: NonNullable<EventLogService["past"]>
} => ({
  readAll: (options) => Stream.suspend(() => readAll(reader, options)),
  readStream: (stream, options) => Stream.suspend(() => readStream(reader, stream, options)),
  subscribe: (options) => subscribe(reader, feed, bounds, options),
  weights: weights(reader),
  past: pastOf(reader, (read) => attempt(reader.file, read)),
  head: Effect.map(
    attempt(reader.file, () => reader.head()),
    fromNumber,
  ),
})
