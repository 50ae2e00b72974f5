// By module and not from "effect": the log's threads start in half the time.
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { NewEvent, RecordedEvent } from "../domain/Event.js"
import type { Partition } from "../domain/Partition.js"
import type { Position } from "../domain/Position.js"

/** The revision of a stream that has no event yet. */
export const NO_STREAM = -1

export interface Append {
  readonly stream: string
  /** Revision of the stream's last event as the writer knows it; NO_STREAM when there is none. */
  readonly expectedRevision: number
  /**
   * At least one. An append stands or falls as a whole, on EventStoreDB up to 1,000,000 bytes of JSON: a
   * larger one is stored in parts, in order, and repeating it stores what is missing.
   */
  readonly events: ReadonlyArray<NewEvent>
}

/**
 * `Appended`: on disk; revision and position are those of the append's last event. The same events at
 * the same expected revision again give the same answer again.
 * `WrongExpectedRevision`: nothing of this append was stored; someone else writes this stream.
 */
export type AppendOutcome =
  | { readonly _tag: "Appended"; readonly revision: number; readonly position: Position }
  | { readonly _tag: "WrongExpectedRevision"; readonly stream: string; readonly actual: number }

/**
 * The log can't take or give anything now. The outcome of an append is not known: repeat it unchanged.
 * Unless `refused`: then the request itself is at fault (no events, data that is not JSON), nothing was
 * stored, and repeating it gives the same answer.
 */
export class LogUnavailable extends Data.TaggedError("LogUnavailable")<{
  readonly reason: string
  readonly refused?: true
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.refused === true
      ? `the event log refuses: ${this.reason}`
      : `the event log is not available: ${this.reason}`
  }
}

/** Stored bytes are not what was written. `place` says where, so that a backup can be compared. */
export class LogDamaged extends Data.TaggedError("LogDamaged")<{
  readonly place: string
  readonly reason: string
}> {
  override get message(): string {
    return `the event log is damaged at ${this.place}: ${this.reason}`
  }
}

export type LogError = LogUnavailable | LogDamaged

export interface ReadStreamOptions {
  readonly direction: "forwards" | "backwards"
  /** First revision to return; the beginning (or, backwards, the end) when missing. */
  readonly from?: number
  readonly limit?: number
}

export interface ReadAllOptions {
  readonly direction: "forwards" | "backwards"
  /** Exclusive; the beginning (or, backwards, the end) when missing. */
  readonly from?: Position
  /** Only streams whose name begins with one of these; all when missing. */
  readonly prefixes?: ReadonlyArray<string>
  readonly limit?: number
}

export interface SubscribeOptions {
  /** Events beyond this position. */
  readonly after: Position
  readonly prefixes?: ReadonlyArray<string>
  /**
   * Events of other partitions need not come, but for the last of a batch, which says when its end was recorded. A
   * log that reads them anyway may give them.
   */
  readonly partitions?: ReadonlySet<Partition>
  /**
   * Events that a batch of the past may have, for who does more at a time; a log may give fewer. Missing: as many as
   * suit who has other work.
   */
  readonly most?: number
}

/** Events in log order, and the position up to which nothing is missing (events of other prefixes count). */
export interface LogBatch {
  readonly events: ReadonlyArray<RecordedEvent>
  readonly upTo: Position
}

/** What was recorded more than this many ms ago was recorded long ago: nobody waits for it to be folded. */
export const LONG_AGO_MS = 30_000

export interface PastOptions {
  /** Events beyond this position. */
  readonly after: Position
  /** Events of other partitions are left out. */
  readonly partitions?: ReadonlySet<Partition>
  /** Events of a stretch, and bytes of them as they are stored, about; whole numbers. */
  readonly most: { readonly events: number; readonly bytes: number }
}

/** A stretch of what was recorded long ago, taken apart by partitions. */
export interface Past {
  readonly partitions: Iterable<PastPartition>
  /** How many events it has. */
  readonly events: number
  /** Nothing is missing up to here. */
  readonly upTo: Position
  /** When the event there was recorded, epoch ms. */
  readonly recordedAt: number
}

export interface PastPartition {
  readonly partition: Partition
  /**
   * In the order of the log. Each is taken out of its stored form when its turn comes, and is not kept here; so they
   * can be gone through once; going through them throws at one that can't be taken out of it.
   */
  readonly events: Iterable<RecordedEvent>
}

/** The event log. Two adapters, one contract: `test/contract/EventLogContract.ts`. */
export interface EventLogService {
  /**
   * Appends to many streams; each append stands or falls by itself, and those of one call to one stream
   * are taken in order. Answers when every stored event is on disk.
   */
  readonly append: (
    appends: ReadonlyArray<Append>,
  ) => Effect.Effect<ReadonlyArray<AppendOutcome>, LogUnavailable>
  readonly readStream: (
    stream: string,
    options: ReadStreamOptions,
  ) => Stream.Stream<ReadonlyArray<RecordedEvent>, LogError>
  readonly readAll: (options: ReadAllOptions) => Stream.Stream<ReadonlyArray<RecordedEvent>, LogError>
  /**
   * Everything after a position, in log order, then live, without end and without gaps. A reader that
   * does not keep up is served from disk again; memory stays bounded.
   */
  readonly subscribe: (options: SubscribeOptions) => Stream.Stream<LogBatch, LogError>
  /**
   * Stretch after stretch from a position on. It ends where the rest is short, was recorded just now or can't be read:
   * `subscribe` goes on from there. For who folds history, where a log can read many events before taking any of them apart.
   */
  readonly past?: (options: PastOptions) => Stream.Stream<Past>
  /**
   * How many events each partition has in a sample of the whole log, where that can be said without reading all of
   * it.
   */
  readonly weights?: Effect.Effect<ReadonlyArray<number>, LogError>
  /** Position of the last event; `start` when there is none. */
  readonly head: Effect.Effect<Position, LogError>
}

export class EventLog extends Context.Tag("tidemark/EventLog")<EventLog, EventLogService>() {}
