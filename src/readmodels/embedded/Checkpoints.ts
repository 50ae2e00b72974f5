import type { Partition } from "../../domain/Partition.js"
import type { Position } from "../../domain/Position.js"
import type { Checkpoint } from "../ReadModels.js"

/**
 * All checkpoints of a build as one text, because nearly always they share one position: a row for each
 * of 256 partitions would cost more than the documents of a small batch.
 * `[[position, [partition, recordedAt, partition, recordedAt, …], [partition with dead letters, …]], …]`; the
 * last part is missing where there are none.
 */
type Stored = ReadonlyArray<
  readonly [
    position: Position,
    recorded: ReadonlyArray<number | null>,
    withDeadLetters?: ReadonlyArray<Partition>,
  ]
>

interface Group {
  readonly recorded: Array<number | null>
  readonly withDeadLetters: Array<Partition>
}

export const encodeCheckpoints = (checkpoints: ReadonlyMap<Partition, Checkpoint>): string => {
  const groups = new Map<Position, Group>()
  for (const [partition, checkpoint] of checkpoints) {
    let group = groups.get(checkpoint.position)
    if (group === undefined) {
      group = { recorded: [], withDeadLetters: [] }
      groups.set(checkpoint.position, group)
    }
    group.recorded.push(partition, checkpoint.recordedAt)
    if (checkpoint.hasDeadLetters === true) group.withDeadLetters.push(partition)
  }
  return JSON.stringify(
    [...groups].map(([position, { recorded, withDeadLetters }]) =>
      withDeadLetters.length === 0 ? [position, recorded] : [position, recorded, withDeadLetters],
    ),
  )
}

export const decodeCheckpoints = (text: string): Map<Partition, Checkpoint> => {
  const checkpoints = new Map<Partition, Checkpoint>()
  for (const [position, group, withDeadLetters = []] of JSON.parse(text) as Stored) {
    for (let i = 0; i < group.length; i += 2) {
      checkpoints.set(group[i] as number, { position, recordedAt: group[i + 1] ?? null })
    }
    for (const partition of withDeadLetters) {
      const { recordedAt = null } = checkpoints.get(partition) ?? {}
      checkpoints.set(partition, { position, recordedAt, hasDeadLetters: true })
    }
  }
  return checkpoints
}
