import type { RecordedEvent } from "../domain/Event.js"
import { PARTITIONS, type Partition, partitionOfStream } from "../domain/Partition.js"
import { unknownOf } from "./KnownEvents.js"

/** Events by the partition that they are of, each partition's in the order of the log. */
export interface ByPartition {
  readonly groups: ReadonlyArray<{
    readonly partition: Partition
    readonly events: readonly [RecordedEvent, ...Array<RecordedEvent>]
  }>
  /** Whether this program knows all of them: if not, where a fold stops or what it passes over has an order. */
  readonly areKnown: boolean
  /** When the last of all was recorded, whoever folds it; null when there is none. */
  readonly lastRecordedAt: number | null
}

const divide = (events: ReadonlyArray<RecordedEvent>): ByPartition => {
  const byPartition = new Array<[RecordedEvent, ...Array<RecordedEvent>] | undefined>(PARTITIONS).fill(
    undefined,
  )
  let areKnown = true
  for (const event of events) {
    const partition = partitionOfStream(event.stream)
    if (partition === undefined) continue
    if (unknownOf(event.event) !== undefined) areKnown = false
    const group = byPartition[partition]
    if (group === undefined) byPartition[partition] = [event]
    else group.push(event)
  }
  return {
    groups: byPartition.flatMap((group, partition) =>
      group === undefined ? [] : { partition, events: group },
    ),
    areKnown,
    lastRecordedAt: events.at(-1)?.metadata.recordedAt ?? null,
  }
}

const divided = new WeakMap<ReadonlyArray<RecordedEvent>, ByPartition>()

/** Divides a list of events once for all builds that fold it. */
export const byPartition = (events: ReadonlyArray<RecordedEvent>): ByPartition => {
  let found = divided.get(events)
  if (found === undefined) {
    found = divide(events)
    divided.set(events, found)
  }
  return found
}
