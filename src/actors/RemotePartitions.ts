import * as Context from "effect/Context"
import type { Partition } from "../domain/Partition.js"
import type { Part } from "./Parts.js"

/** The way to a partition that this process does not own, or not yet. Every part is answered once. */
export interface RemotePartitionsService {
  readonly send: (partition: Partition, part: Part) => void
}

export class RemotePartitions extends Context.Tag("tidemark/RemotePartitions")<
  RemotePartitions,
  RemotePartitionsService
>() {}
