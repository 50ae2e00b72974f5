import type { Partition } from "../../domain/Partition.js"
import type { Position } from "../../domain/Position.js"
import type { Checkpoint } from "../ReadModels.js"

/**
 * All checkpoints of a build as one text, because nearly always they share one position: a row for each
 * of 256 partitions would cost more than the documents of a small batch.
 * `[[position, [partition, recordedAt, partition, recordedAt, …]], …]`
 */
type Stored = ReadonlyArray<readonly [Position, ReadonlyArray<number | null>]>

export const encodeCheckpoints = (checkpoints: ReadonlyMap<Partition, Checkpoint>): string => {
  const groups = new Map<Position, Array<number | null>>()
  for (const [partition, checkpoint] of checkpoints) {
    let group = groups.get(checkpoint.position)
    if (group === undefined) {
      group = []
      groups.set(checkpoint.position, group)
    }
    group.push(partition, checkpoint.recordedAt)
  }
  return JSON.stringify([...groups])
}

export const decodeCheckpoints = (text: string): Map<Partition, Checkpoint> => {
  const checkpoints = new Map<Partition, Checkpoint>()
  for (const [position, group] of JSON.parse(text) as Stored) {
    for (let i = 0; i < group.length; i += 2) {
      checkpoints.set(group[i] as number, { position, recordedAt: group[i + 1] ?? null })
    }
  }
  return checkpoints
}
