import { PARTITIONS, type Partition } from "../domain/Partition.js"
import { min, type Position, start } from "../domain/Position.js"
import type { Checkpoint } from "./ReadModels.js"

/**
 * Up to where a build holds the events of all partitions. While one that is folded in lanes has commits of some of
 * them alone, the others stand at the log's start.
 */
export const reachedIn = (checkpoints: ReadonlyMap<Partition, Checkpoint>): Position =>
  checkpoints.size < PARTITIONS
    ? start
    : [...checkpoints.values()].map(({ position }) => position).reduce(min)
