import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type RecordedEvent, type StoredEvent, SystemType } from "../domain/Event.js"
import { PARTITIONS, type Partition, parseStream, prefixesOf } from "../domain/Partition.js"
import { compare, min, type Position } from "../domain/Position.js"
import type { EventLogService, LogError } from "../eventlog/EventLog.js"
import { endsWatch } from "./clients/Facts.js"
import * as Merchant from "./Merchant.js"
import type { Mark, PresenceFact, StreamIndex } from "./StreamIndex.js"

export const allPartitions: ReadonlyArray<Partition> = Array.from({ length: PARTITIONS }, (_, index) => index)

const changesMerchant = (type: string): boolean =>
  type === SystemType.MerchantCreated ||
  type === SystemType.MerchantSettingsChanged ||
  type === SystemType.SystemSettingsChanged ||
  type === SystemType.ApiKeyIssued ||
  type === SystemType.ApiKeyRevoked

/** The presence of a client, or a merchant, after an event of its stream. */
export const presenceAfter = (
  before: PresenceFact | undefined,
  { type, data }: StoredEvent,
  position: Position,
): PresenceFact | undefined => {
  if (type === SystemType.ClientReturned || type === SystemType.MerchantResumed) return { position }
  // Watched no more: a silence that lasts is forgotten.
  if (before?.silence !== undefined && endsWatch(data.settings)) return { position }
  if (data.silence === undefined) return before
  return { silence: data.silence, position }
}

/** Adds an event of the log to the index, unless it is there already. Other streams are not Tidemark's. */
export const fold = (index: StreamIndex, event: RecordedEvent, wanted?: ReadonlySet<Partition>): void => {
  const name = parseStream(event.stream)
  if (name === undefined || (wanted !== undefined && !wanted.has(name.partition))) return
  const before = index.find(event.stream)
  if (before !== undefined && before.revision >= event.revision) return
  const state = name.kind === "merchant" ? (before?.merchant ?? Merchant.initial) : undefined
  const changed = state !== undefined && changesMerchant(event.event.type)
  const presence = presenceAfter(before?.presence, event.event, event.position)
  index.record({
    stream: event.stream,
    partition: name.partition,
    revision: event.revision,
    position: event.position,
    recordedAt: event.metadata.recordedAt,
    eventIds: [event.eventId],
    ...(state === undefined ? {} : { merchant: changed ? Merchant.evolve(state, event.event) : state }),
    ...(changed ? { merchantChanged: true } : {}),
    ...(presence === undefined ? {} : { presence }),
  })
}

const room = (index: StreamIndex): Effect.Effect<void> =>
  index.hasRoom() ? Effect.void : Effect.async((resume) => index.whenRoom(() => resume(Effect.void)))

/**
 * Reads the log from where the index of these partitions stands to its end. Running it again, or over
 * events that are in the index already, changes nothing.
 */
export const catchUp = (
  index: StreamIndex,
  log: EventLogService,
  partitions: ReadonlyArray<Partition>,
): Effect.Effect<void, LogError> =>
  Effect.gen(function* () {
    if (partitions.length === 0) return
    const head = yield* log.head
    const from = partitions.map(index.positionOf).reduce(min)
    const all = partitions.length === PARTITIONS
    const wanted = new Set(partitions)
    let folded = 0
    let said = yield* Clock.currentTimeMillis
    let last: Position = from
    yield* log
      .readAll({
        direction: "forwards",
        from,
        ...(all ? {} : { prefixes: partitions.flatMap((partition) => prefixesOf(partition)) }),
      })
      .pipe(
        Stream.runForEach((events) =>
          Effect.gen(function* () {
            for (const event of events) fold(index, event, wanted)
            last = events[events.length - 1]?.position ?? last
            index.readUpTo(partitions, last)
            folded += events.length
            yield* room(index)
            const now = yield* Clock.currentTimeMillis
            if (now - said < 2_000) return
            said = now
            yield* Effect.logInfo(`actors read the log: ${folded} events, at position ${last} of ${head}`)
          }),
        ),
      )
    index.readUpTo(partitions, head)
  })

/** Reads what the index lacks of one stream: someone else has written to it. */
export const catchUpStream = (
  index: StreamIndex,
  log: EventLogService,
  stream: string,
): Effect.Effect<void, LogError> =>
  log.readStream(stream, { direction: "forwards", from: (index.find(stream)?.revision ?? -1) + 1 }).pipe(
    Stream.runForEach((events) =>
      Effect.sync(() => {
        for (const event of events) fold(index, event)
      }),
    ),
  )

/** True when the log has the event that the index ends with: else it is another log, or an older copy. */
const belongs = (index: StreamIndex, log: EventLogService): Effect.Effect<boolean, LogError> =>
  Effect.gen(function* () {
    const mark = index.mark()
    if (mark === undefined) return compare(index.latest(), yield* log.head) <= 0
    return yield* holds(log, mark)
  })

/** True when the log has this event. */
export const holds = (log: EventLogService, mark: Mark): Effect.Effect<boolean, LogError> =>
  Effect.gen(function* () {
    const found = yield* log
      .readStream(mark.stream, { direction: "forwards", from: mark.revision, limit: 1 })
      .pipe(Stream.runFold([] as ReadonlyArray<RecordedEvent>, (all, some) => [...all, ...some]))
    const event = found[0]
    return (
      event !== undefined &&
      event.revision === mark.revision &&
      event.eventId === mark.eventId &&
      event.metadata.recordedAt === mark.recordedAt
    )
  })

/** Brings the index to the end of the log, from the beginning if it was made from another log. */
export const recover = (index: StreamIndex, log: EventLogService): Effect.Effect<void, LogError> =>
  Effect.gen(function* () {
    if (!(yield* belongs(index, log))) {
      yield* Effect.logWarning(
        "the actors' index does not belong to this event log (restored from a backup?): making it again from the log",
      )
      yield* Effect.promise(() => index.clear())
    }
    yield* catchUp(index, log, allPartitions)
  })
