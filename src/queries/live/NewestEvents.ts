import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { isBusinessType, type RecordedEvent } from "../../domain/Event.js"
import { merchantStream, partitionOf } from "../../domain/Partition.js"
import { compare, type Position } from "../../domain/Position.js"
import type { EventLogService, LogError } from "../../eventlog/EventLog.js"

export const NEWEST = 20

/** Events beyond the read model that are kept in memory; past this they are read from the log again. */
const MAX_BEYOND = 5_000
const MAX_READ = 20_000

/** The newest events of one merchant at or below a position that moves on. */
export class NewestEvents {
  /** In log order. */
  private settled: ReadonlyArray<RecordedEvent> = []
  private beyond: Array<RecordedEvent> = []
  private gap = true

  constructor(
    private readonly log: EventLogService,
    private readonly merchantId: string,
  ) {}

  note(event: RecordedEvent): void {
    if (!isBusinessType(event.event.type)) return
    if (this.beyond.length < MAX_BEYOND) this.beyond.push(event)
    else {
      this.gap = true
      this.beyond = []
    }
  }

  /** Newest first. */
  at(position: Position): Effect.Effect<ReadonlyArray<RecordedEvent>, LogError> {
    return Effect.suspend(() => (this.gap ? this.reload(position) : Effect.void)).pipe(
      Effect.map(() => {
        const later = this.beyond.findIndex((event) => compare(event.position, position) > 0)
        const passed = this.beyond.splice(0, later < 0 ? this.beyond.length : later)
        this.settled = [...this.settled, ...passed].slice(-NEWEST)
        return this.settled.toReversed()
      }),
    )
  }

  /** From the end of the stream backwards until enough lie at or below the position. */
  private reload(position: Position): Effect.Effect<void, LogError> {
    let below = 0
    const stream = merchantStream(partitionOf(this.merchantId), this.merchantId)
    return this.log.readStream(stream, { direction: "backwards", limit: MAX_READ }).pipe(
      Stream.flattenIterables,
      Stream.filter(({ event }) => isBusinessType(event.type)),
      Stream.takeUntil((event) => {
        if (compare(event.position, position) <= 0) below++
        return below >= NEWEST
      }),
      Stream.runCollect,
      Effect.map((chunk) => this.replace(Chunk.toReadonlyArray(chunk).toReversed())),
    )
  }

  private replace(found: ReadonlyArray<RecordedEvent>): void {
    const last = found.at(-1)?.position
    const heard = this.beyond.filter((one) => last === undefined || compare(one.position, last) > 0)
    this.settled = []
    this.beyond = [...found, ...heard]
    this.gap = false
  }
}
