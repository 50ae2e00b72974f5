import type { RecordedEvent } from "../domain/Event.js"
import { PARTITIONS, type Partition } from "../domain/Partition.js"
import { compare, max, min, type Position, start } from "../domain/Position.js"
import type { Build, Checkpoint, Put } from "../readmodels/ReadModels.js"
import { UnknownEvents, unknownOf } from "./KnownEvents.js"
import type { Stopped } from "./Processors.js"
import type { Projection } from "./Projection.js"
import type { WorkingSet } from "./WorkingSet.js"

/** The partition in a stream's name, `merchant-ppp.…` or `client-ppp.…`; undefined for a foreign stream. */
export const partitionOfStream = (stream: string): Partition | undefined => {
  const at = stream.startsWith("merchant-") ? 9 : stream.startsWith("client-") ? 7 : -1
  if (at < 0) return undefined
  const partition =
    (stream.charCodeAt(at) - 48) * 100 +
    (stream.charCodeAt(at + 1) - 48) * 10 +
    stream.charCodeAt(at + 2) -
    48
  return partition >= 0 && partition < PARTITIONS ? partition : undefined
}

/** One build being folded: its documents in work, and how far each partition has come. */
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

  constructor(
    readonly build: Build,
    readonly projection: Projection,
    checkpoints: ReadonlyMap<Partition, Checkpoint>,
    readonly working: WorkingSet,
    readonly unknown = new UnknownEvents(false),
  ) {
    this.positions = Array.from({ length: PARTITIONS }, (_, p) => checkpoints.get(p)?.position ?? start)
    this.recordedAts = Array.from({ length: PARTITIONS }, (_, p) => checkpoints.get(p)?.recordedAt ?? null)
    this.furthest = this.positions.reduce(max)
    this.upTo = this.positions.reduce(min)
    this.committed = this.upTo
    this.lastRecordedAt = this.recordedAts.reduce(
      (a, b) => (a === null ? b : b === null ? a : Math.max(a, b)),
      null,
    )
  }

  /** The events that are not folded yet, in their order; a subscription that starts again repeats some. */
  beyond(events: ReadonlyArray<RecordedEvent>): ReadonlyArray<RecordedEvent> {
    const first = events[0]
    if (first === undefined || compare(first.position, this.furthest) > 0) return events
    return events.filter(({ stream, position }) => {
      const partition = partitionOfStream(stream)
      if (partition === undefined || compare(position, this.upTo) <= 0) return false
      return compare(position, this.positions[partition] ?? start) > 0
    })
  }

  /**
   * Folds events that `beyond` gave. Where a fold throws, everything since the last commit is thrown
   * away and the build stops: its checkpoint stays before the event, so that nothing is skipped.
   */
  fold(events: ReadonlyArray<RecordedEvent>, upTo: Position): void {
    const apply = this.projection.apply
    for (const event of events) {
      const partition = partitionOfStream(event.stream)
      if (partition === undefined) continue
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
        else this.unknown.passOver(unknown)
      } catch (error) {
        this.stop({
          position: event.position,
          eventType: event.event.type,
          reason: `${this.projection.name} could not fold it: ${error instanceof Error ? error.message : String(error)}`,
        })
        return
      }
      this.recordedAts[partition] = event.metadata.recordedAt
      this.lastRecordedAt = event.metadata.recordedAt
    }
    this.upTo = max(this.upTo, upTo)
    this.furthest = max(this.furthest, this.upTo)
  }

  /** Whether a commit would change anything. */
  get isPending(): boolean {
    return this.working.changedCount > 0 || compare(this.upTo, this.committed) > 0
  }

  stop(stopped: Stopped): void {
    this.stopped = stopped
    this.working.discard()
  }

  /** What a commit has to write: documents, and every partition at `upTo`. */
  pending(): { readonly puts: ReadonlyArray<Put>; readonly checkpoints: ReadonlyMap<Partition, Checkpoint> } {
    const checkpoints = new Map<Partition, Checkpoint>()
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const position = max(this.positions[partition] ?? start, this.upTo)
      checkpoints.set(partition, { position, recordedAt: this.recordedAts[partition] ?? null })
    }
    return { puts: this.working.puts(), checkpoints }
  }

  markCommitted(): void {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      this.positions[partition] = max(this.positions[partition] ?? start, this.upTo)
    }
    this.committed = this.upTo
    this.working.committed()
  }
}
