import type { RecordedEvent } from "../domain/Event.js"
import { PARTITIONS, type Partition, partitionOfStream } from "../domain/Partition.js"
import { compare, max, min, type Position, start } from "../domain/Position.js"
import type { Build, Checkpoint, Put } from "../readmodels/ReadModels.js"
import type { ByPartition } from "./ByPartition.js"
import type { DeadLetters } from "./DeadLetters.js"
import { UnknownEvents, unknownOf } from "./KnownEvents.js"
import type { Stopped } from "./Processors.js"
import type { Projection } from "./Projection.js"
import type { WorkingSet } from "./WorkingSet.js"

/** An event that could not be folded, and its place among those that were given. */
export interface Failed {
  readonly event: RecordedEvent
  readonly index: number
  readonly error: string
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const allPartitions: ReadonlySet<Partition> = new Set(Array.from({ length: PARTITIONS }, (_, p) => p))

/** Those of events in their order that are beyond a position. */
class Beyond implements IterableIterator<RecordedEvent> {
  private isBeyond = false

  constructor(
    private readonly position: Position,
    private readonly events: Iterator<RecordedEvent>,
  ) {}

  [Symbol.iterator](): this {
    return this
  }

  // No generator: every event that is folded goes through here.
  next(): IteratorResult<RecordedEvent> {
    for (;;) {
      const result = this.events.next()
      if (this.isBeyond || result.done === true) return result
      this.isBeyond = compare(result.value.position, this.position) > 0
      if (this.isBeyond) return result
    }
  }
}

/**
 * One build being folded, or some partitions of it: its documents in work, and how far each partition has come.
 */
export class BuildFold {
  private readonly positions: Array<Position>
  private readonly recordedAts: Array<number | null>
  /** Up to here events may have been folded already. */
  furthest: Position
  /** Everything up to here is in the working set. */
  upTo: Position
  /** Up to here everything is in the store. */
  committed: Position
  lastRecordedAt: number | null
  stopped: Stopped | undefined
  /** Where the last `fold` ended before its end, unless the build has stopped there. */
  failed: Failed | undefined
  private isAgain = false

  constructor(
    readonly build: Build,
    readonly projection: Projection,
    checkpoints: ReadonlyMap<Partition, Checkpoint>,
    readonly working: WorkingSet,
    readonly unknown = new UnknownEvents(false),
    /** Missing: the build stops at an event that can't be folded. */
    readonly letters?: DeadLetters,
    /** Those that are folded here; the others are somebody else's. */
    private readonly partitions: ReadonlySet<Partition> = allPartitions,
  ) {
    this.positions = Array.from({ length: PARTITIONS }, (_, p) => checkpoints.get(p)?.position ?? start)
    this.recordedAts = Array.from({ length: PARTITIONS }, (_, p) => checkpoints.get(p)?.recordedAt ?? null)
    const own = [...partitions]
    const positions = own.map((partition) => this.positions[partition] ?? start)
    this.furthest = positions.reduce(max)
    this.upTo = positions.reduce(min)
    this.committed = this.upTo
    // What others of them have beyond is recorded later.
    const last = own.flatMap((partition, i) =>
      positions[i] === this.upTo ? (this.recordedAts[partition] ?? []) : [],
    )
    this.lastRecordedAt = last.length === 0 ? null : Math.max(...last)
  }

  /**
   * The events that are not folded yet, in their order; a subscription that starts again repeats some. The last one
   * is among them whoever folds it: `fold` learns from it how late it is.
   */
  beyond(all: ReadonlyArray<RecordedEvent>): ReadonlyArray<RecordedEvent> {
    const last = all.length - 1
    const events =
      this.partitions === allPartitions
        ? all
        : all.filter(({ stream }, index) => {
            const partition = partitionOfStream(stream)
            return index === last || (partition !== undefined && this.partitions.has(partition))
          })
    const first = events[0]
    if (first === undefined || compare(first.position, this.furthest) > 0) return events
    return events.filter(({ stream, position }) => {
      const partition = partitionOfStream(stream)
      if (partition === undefined || compare(position, this.upTo) <= 0) return false
      return compare(position, this.positions[partition] ?? start) > 0
    })
  }

  /** Whether the event is one of those that the build is of. */
  isOwn({ event }: RecordedEvent): boolean {
    const { merchantId } = this.build
    return merchantId === undefined || event.data.merchantId === merchantId
  }

  /**
   * Folds events that `beyond` gave. Where a fold throws, either `failed` says so, and the build is reverted, as
   * the event may have been folded in part; or everything since the last commit is thrown away and the build
   * stops: its checkpoint stays before the event, so that nothing is skipped.
   */
  fold(events: ReadonlyArray<RecordedEvent>, upTo: Position): void {
    const apply = this.projection.apply
    this.failed = undefined
    const letters = this.letters === undefined || this.letters.size === 0 ? undefined : this.letters
    for (let index = 0; index < events.length; index++) {
      const event = events[index] as RecordedEvent
      const partition = partitionOfStream(event.stream)
      if (partition === undefined) continue
      if (!this.partitions.has(partition)) {
        this.lastRecordedAt = event.metadata.recordedAt
        continue
      }
      if (!this.isOwn(event)) {
        this.recordedAts[partition] = event.metadata.recordedAt
        this.lastRecordedAt = event.metadata.recordedAt
        continue
      }
      if (letters?.holds(event, partition) === true) {
        letters.wait(event, partition)
        this.recordedAts[partition] = event.metadata.recordedAt
        continue
      }
      const unknown = unknownOf(event.event)
      if (unknown !== undefined && this.unknown.strict) {
        this.stop({
          position: event.position,
          eventType: event.event.type,
          reason: `this program does not know events of ${unknown}, and a rebuild must not leave any out: rebuild with the version that recorded it`,
        })
        return
      }
      try {
        if (unknown === undefined) apply(event, this.working)
        else if (!this.isAgain) this.unknown.passOver(unknown)
      } catch (error) {
        if (this.letters !== undefined) {
          // At once: who is interrupted from here on commits what the working set holds.
          this.revert()
          this.failed = { event, index, error: messageOf(error) }
          return
        }
        this.stop({
          position: event.position,
          eventType: event.event.type,
          reason: `${this.projection.name} could not fold it: ${messageOf(error)}`,
        })
        return
      }
      this.recordedAts[partition] = event.metadata.recordedAt
      this.lastRecordedAt = event.metadata.recordedAt
    }
    this.goOnTo(upTo)
  }

  /**
   * Folds events that `beyond` gave partition after partition: partitions share no documents, so that the order
   * between them changes nothing, and a fold that meets the same merchants again has their documents at hand. False
   * where an event could not be folded: then the build is reverted, and all of it is to be folded in the log's order,
   * which says at which event it fails.
   */
  foldByPartition({ groups, lastRecordedAt }: ByPartition, upTo: Position): boolean {
    const { working, partitions } = this
    const apply = this.projection.apply
    const { merchantId } = this.build
    this.failed = undefined
    try {
      for (const { partition, events } of groups) {
        if (!partitions.has(partition)) continue
        if (merchantId === undefined) for (const event of events) apply(event, working)
        else for (const event of events) if (event.event.data.merchantId === merchantId) apply(event, working)
      }
    } catch {
      this.revert()
      return false
    }
    for (const { partition, events } of groups) {
      if (!partitions.has(partition)) continue
      this.recordedAts[partition] = (events.at(-1) ?? events[0]).metadata.recordedAt
    }
    this.lastRecordedAt = lastRecordedAt ?? this.lastRecordedAt
    this.goOnTo(upTo)
    return true
  }

  /** Whether these events may be folded in another order than the log's. */
  isOrderFree({ areKnown }: ByPartition): boolean {
    return areKnown && (this.letters === undefined || this.letters.size === 0)
  }

  /**
   * Whether a partition's events may be folded all at once: none waits behind a dead letter, and no other merchant's
   * come between.
   */
  get mayFoldPast(): boolean {
    return this.build.merchantId === undefined && (this.letters === undefined || this.letters.size === 0)
  }

  /**
   * Folds events of one partition that follow on what is folded of it; those that are folded already are passed over.
   * Throws where one can't be folded: then the build is to be reverted.
   */
  foldPast(partition: Partition, events: Iterable<RecordedEvent>): void {
    const { projection, working } = this
    const beyond = new Beyond(this.reached(partition), events[Symbol.iterator]())
    if (projection.applyAll !== undefined) projection.applyAll(beyond, working)
    else for (const event of beyond) projection.apply(event, working)
  }

  /** Where the partition is once this event of it is folded; it may be further already. */
  after(partition: Partition, { position, metadata }: RecordedEvent): Checkpoint {
    const before = this.reached(partition)
    return compare(before, position) >= 0
      ? { position: before, recordedAt: this.recordedAts[partition] ?? null }
      : { position, recordedAt: metadata.recordedAt }
  }

  /** Up to here everything of the partition is folded. */
  private reached(partition: Partition): Position {
    return max(this.positions[partition] ?? start, this.upTo)
  }

  /** Of these partitions everything is written up to there, whatever is of others. */
  markWritten(checkpoints: ReadonlyMap<Partition, Checkpoint>): void {
    this.working.committed()
    for (const [partition, { position, recordedAt }] of checkpoints) {
      this.positions[partition] = max(this.positions[partition] ?? start, position)
      this.recordedAts[partition] = recordedAt
      this.furthest = max(this.furthest, position)
    }
  }

  /** Everything up to here is folded; `last`: the last events of partitions that had any and are not written. */
  pastFolded(last: ReadonlyMap<Partition, Checkpoint>, upTo: Position, recordedAt: number): void {
    for (const [partition, one] of last) this.recordedAts[partition] = one.recordedAt
    // Others in the group may be behind, and the stretch theirs.
    if (compare(upTo, this.upTo) > 0) this.lastRecordedAt = recordedAt
    this.goOnTo(upTo)
  }

  private goOnTo(upTo: Position): void {
    this.upTo = max(this.upTo, upTo)
    this.furthest = max(this.furthest, this.upTo)
  }

  /** Back to what is in the store. What is folded until `foldedAgain` was folded before. */
  revert(): void {
    this.failed = undefined
    this.isAgain = true
    this.working.revert()
    this.letters?.revert()
    this.upTo = this.committed
    this.furthest = this.positions.reduce(max)
  }

  foldedAgain(): void {
    this.isAgain = false
  }

  /** Sets aside an event before which everything is folded and committed. */
  park({ event, error }: Failed): void {
    const partition = partitionOfStream(event.stream)
    if (this.letters === undefined || partition === undefined) return
    this.letters.park(event, partition, error, { folded: this.upTo, foldedAt: this.lastRecordedAt })
    this.recordedAts[partition] = event.metadata.recordedAt
    this.goOnTo(event.position)
  }

  /** Folds those of the events that wait. Gives the first that can't be folded; then the build is to be reverted. */
  foldWaiting(events: ReadonlyArray<RecordedEvent>): Failed | undefined {
    const { letters, projection, working } = this
    if (letters === undefined) return undefined
    for (let index = 0; index < events.length; index++) {
      const event = events[index] as RecordedEvent
      const partition = partitionOfStream(event.stream)
      if (partition === undefined || !letters.isNext(event, partition)) continue
      const unknown = unknownOf(event.event)
      try {
        if (unknown === undefined) projection.apply(event, working)
        else this.unknown.passOver(unknown)
      } catch (error) {
        return { event, index, error: messageOf(error) }
      }
      letters.folded(event, partition)
    }
    return undefined
  }

  /** Whether a commit would change anything. */
  get isPending(): boolean {
    return (
      this.working.changedCount > 0 ||
      this.letters?.isChanged === true ||
      compare(this.upTo, this.committed) > 0
    )
  }

  stop(stopped: Stopped): void {
    this.stopped = stopped
    this.working.discard()
  }

  /** What a commit has to write: documents, and every partition at `upTo`. */
  pending(): { readonly puts: ReadonlyArray<Put>; readonly checkpoints: ReadonlyMap<Partition, Checkpoint> } {
    const checkpoints = new Map<Partition, Checkpoint>()
    const { letters } = this
    const stalled = letters === undefined || letters.size === 0 ? undefined : letters.partitions
    for (const partition of this.partitions) {
      const position = max(this.positions[partition] ?? start, this.upTo)
      checkpoints.set(partition, {
        ...{ position, recordedAt: this.recordedAts[partition] ?? null },
        ...(stalled?.has(partition) === true ? { hasDeadLetters: true as const } : {}),
      })
    }
    const puts = this.working.puts()
    return { puts: letters?.isChanged === true ? [...puts, ...letters.puts()] : puts, checkpoints }
  }

  markCommitted(): void {
    for (const partition of this.partitions) {
      this.positions[partition] = max(this.positions[partition] ?? start, this.upTo)
    }
    this.committed = this.upTo
    this.working.committed()
    this.letters?.committed()
  }
}
