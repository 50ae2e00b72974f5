import type { RecordedEvent } from "../domain/Event.js"
import { PARTITIONS, partitionOfStream } from "../domain/Partition.js"
import { compare, type Position, start } from "../domain/Position.js"
import type { Docs, Projection } from "./Projection.js"

/** What is wrong with the log itself. */
export interface LogFault {
  readonly position: Position
  readonly stream: string
  readonly what: string
}

const STREAMS = "streams"
const IDS = "ids"

/**
 * Checks every event against those before it: no event id twice, revisions without gaps, positions that
 * rise, recording times that never step back within a partition. As a projection, because what it has to
 * remember does not fit in memory either. `report` is called for each fault.
 */
export const logChecks = (report: (fault: LogFault) => void): Projection => {
  const recorded = new Float64Array(PARTITIONS).fill(Number.NEGATIVE_INFINITY)
  let last: Position = start
  const check = (event: RecordedEvent, docs: Docs): void => {
    const { stream, position, revision, eventId, metadata } = event
    const fault = (what: string) => report({ position, stream, what })
    if (compare(position, last) <= 0) fault(`its position does not come after ${last}`)
    last = position

    const previous = docs.get<number>(STREAMS, stream) ?? -1
    if (revision !== previous + 1) fault(`revision ${revision} follows revision ${previous}`)
    docs.put(STREAMS, stream, revision)

    if (docs.get(IDS, eventId) !== undefined) fault(`event id ${eventId} is stored twice`)
    docs.put(IDS, eventId, 1)

    const partition = partitionOfStream(stream)
    if (partition === undefined) {
      fault("the stream's name has no partition")
      return
    }
    const before = recorded[partition] as number
    if (metadata.recordedAt < before) {
      fault(`recorded at ${metadata.recordedAt}, before ${before}, which its partition had reached`)
    }
    recorded[partition] = Math.max(before, metadata.recordedAt)
  }
  return { name: "log-checks", version: 1, collections: [STREAMS, IDS], apply: check }
}
