import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
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

/**
 * Everything up to `position` in the partition is in the documents, but what waits behind dead letters.
 * `recordedAt` is that event's, in epoch ms.
 */
export interface Checkpoint {
  readonly position: Position
  readonly recordedAt: number | null
  /** Events of some merchants of the partition could not be folded: the build's dead letters say which. */
  readonly hasDeadLetters?: true
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

/**
 * Kept are BUILDING, SERVING, STANDBY and FAILED. A building one that is less than a second behind shows as
 * READY, and one whose code the program does not have as FROZEN: both follow from what runs.
 */
export type BuildState = "BUILDING" | "READY" | "SERVING" | "STANDBY" | "FROZEN" | "FAILED"

/** Who did something, and when (epoch ms). */
export interface Act {
  readonly by: string
  readonly at: number
  /** In the past tense, such as "promoted metrics-2". */
  readonly what: string
}

/** After this position, up to that one; without an end while the build serves. */
export interface Acting {
  readonly after: Position
  readonly upTo?: Position
}

export interface Build {
  readonly id: string
  readonly projection: string
  /** Name and version of the code that folds it, such as `metrics@1`. */
  readonly definition: string
  readonly state: BuildState
  /** It folds the events of this merchant alone, to answer what is asked about it. Missing: of all merchants. */
  readonly merchantId?: string
  /**
   * Of a merchant's build that is SERVING: the build of all merchants in whose place it answers. While another one of
   * all merchants serves, it does not (`servingIn`).
   */
  readonly over?: string
  /** Of the text of that code when the build was made: it shows code that was changed under its version. */
  readonly fingerprint?: string
  readonly made?: Act
  /** When it came to serve. */
  readonly promoted?: Act
  /** Since when it stands by. */
  readonly replaced?: Act
  /** Of a reactor: it notes nothing to do because of events up to here. */
  readonly gate?: Position
  /** Of a reactor: it acts because of the events in these stretches of the log, which no other build has. */
  readonly acts?: ReadonlyArray<Acting>
  /** It is to serve as soon as it is level. */
  readonly promoteWhenLevel?: boolean
  /** Why it has failed. */
  readonly failure?: string
  /** It is about to be removed: nobody reads or folds it any more. */
  readonly dropped?: Act
}

/** What is registered of one projection. Small, and written as a whole. */
export interface Registered {
  readonly projection: string
  /** Rises by one with each write; the first one is 1. */
  readonly revision: number
  readonly builds: ReadonlyArray<Build>
  /** Number of the newest build ever made: none is used again. */
  readonly numbered: number
  /** Nothing is folded while it is there. */
  readonly paused?: Act
  /** The last command that changed something. */
  readonly last?: Act
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

/** Who serves and what is folded. Shared by all processes: each write names the revision that it follows. */
export interface Registry {
  /** Of all projections, in order of their names. */
  readonly registered: Effect.Effect<ReadonlyArray<Registered>, ReadModelsUnavailable>
  /**
   * Writes what is registered of a projection, if what is stored has the revision before this one's. False, and
   * nothing is written, when it has another.
   */
  readonly register: (next: Registered) => Effect.Effect<boolean, ReadModelsUnavailable>
}

/** The read models' store. Its contract: `test/contract/ReadModelsContract.ts`. */
export interface ReadModelsService extends Registry {
  /** Those that are registered, without those that are about to be removed. */
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
