import { Context, Data, Effect } from "effect"
import type { Partition } from "../domain/Partition.js"
import type { Position } from "../domain/Position.js"

/**
 * Read models are collections of documents, ordered by key, one set of collections for each build of a
 * projection. A key is a string; `Key.ts` makes them so that string order is the order of their parts.
 * A document is any JSON value.
 */
export type Doc = unknown

export interface Ref {
  readonly collection: string
  readonly key: string
}

export interface Put extends Ref {
  /** Undefined removes the document. */
  readonly doc: Doc | undefined
}

/** Everything up to `position` in the partition is in the documents. `recordedAt` is that event's, in epoch ms. */
export interface Checkpoint {
  readonly position: Position
  readonly recordedAt: number | null
}

export interface Scan {
  readonly collection: string
  /** From this key, included, up to `to`, excluded. To go on after a key, `afterKey` of it. */
  readonly from: string
  readonly to: string
  readonly limit?: number
  readonly reverse?: boolean
}

export interface Row {
  readonly key: string
  readonly doc: Doc
}

/** `SERVING` answers queries. The other states come with rebuilding. */
export type BuildState = "BUILDING" | "READY" | "SERVING" | "STANDBY" | "FROZEN" | "FAILED"

export interface Build {
  readonly id: string
  readonly projection: string
  /** Name and version of the code that folds it, such as `metrics@1`. */
  readonly definition: string
  readonly state: BuildState
}

export class ReadModelsUnavailable extends Data.TaggedError("ReadModelsUnavailable")<{
  readonly reason: string
  readonly cause?: unknown
  /** True when trying again can't help. */
  readonly isFinal?: boolean
}> {
  override get message(): string {
    return this.reason
  }
}

export type Rows = ReadonlyArray<ReadonlyArray<Row>>

/** Given the rows of the first scans, says what else is to be read at the same moment. */
export type Follow = (rows: Rows) => ReadonlyArray<Scan>

export interface Question {
  readonly partition: Partition
  readonly scans: ReadonlyArray<Scan>
  /**
   * Called after `scans`, and again should they have been read again with other rows; what it returns depends
   * on the rows alone, and what it throws fails the whole call.
   */
  readonly follow?: Follow | undefined
}

/** The rows of each scan, in order; those of the scans that `follow` gave come last. */
export interface Answer {
  /** Of the question's partition. */
  readonly checkpoint: Checkpoint
  readonly rows: Rows
}

/** The read models' store. Its contract: `test/contract/ReadModelsContract.ts`. */
export interface ReadModelsService {
  readonly builds: Effect.Effect<ReadonlyArray<Build>, ReadModelsUnavailable>
  /**
   * Records a new build, or a new state of one that exists. When it is to be SERVING, the projection's
   * serving build becomes STANDBY in the same moment.
   */
  readonly saveBuild: (build: Build) => Effect.Effect<void, ReadModelsUnavailable>
  /** Removes the build with its documents and checkpoints. */
  readonly dropBuild: (build: string) => Effect.Effect<void, ReadModelsUnavailable>
  readonly checkpoints: (
    build: string,
  ) => Effect.Effect<ReadonlyMap<Partition, Checkpoint>, ReadModelsUnavailable>
  /** One document for each ref, in order; undefined where there is none. */
  readonly load: (
    build: string,
    refs: ReadonlyArray<Ref>,
  ) => Effect.Effect<ReadonlyArray<Doc | undefined>, ReadModelsUnavailable>
  /** The same for one document, at once: for stores that can answer synchronously. */
  readonly loadNow?: (build: string, ref: Ref) => Doc | undefined
  /** Documents and checkpoints become visible together, or not at all. */
  readonly commit: (
    build: string,
    puts: ReadonlyArray<Put>,
    checkpoints: ReadonlyMap<Partition, Checkpoint>,
  ) => Effect.Effect<void, ReadModelsUnavailable>
  /** One answer for each question, in order, all read at one moment. */
  readonly queryMany: (
    build: string,
    questions: ReadonlyArray<Question>,
  ) => Effect.Effect<ReadonlyArray<Answer>, ReadModelsUnavailable>
  /** The same for one question. */
  readonly query: (
    build: string,
    partition: Partition,
    scans: ReadonlyArray<Scan>,
    follow?: Follow,
  ) => Effect.Effect<Answer, ReadModelsUnavailable>
}

/** `query` of a store that has `queryMany`. */
export const queryThrough =
  (queryMany: ReadModelsService["queryMany"]): ReadModelsService["query"] =>
  (build, partition, scans, follow) =>
    Effect.map(queryMany(build, [{ partition, scans, follow }]), ([answer]) => answer as Answer)

export class ReadModels extends Context.Tag("tidemark/ReadModels")<ReadModels, ReadModelsService>() {}
