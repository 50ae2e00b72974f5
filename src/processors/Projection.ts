import type { RecordedEvent } from "../domain/Event.js"
import type { Partition } from "../domain/Partition.js"
import type { Doc } from "../readmodels/ReadModels.js"

/** The documents of the build that an event is folded into. Writes are seen by later reads. */
export interface Docs {
  readonly get: <A extends Doc>(collection: string, key: string) => A | undefined
  /** Documents are values: put a new one, never change the one that `get` gave. Undefined removes. */
  readonly put: (collection: string, key: string, doc: Doc | undefined) => void
  /**
   * The document, or the one that `create` makes, to be changed in place until `apply` returns and to be
   * written with the batch. For folds that count: copying a document for each event costs more than all else.
   */
  readonly edit: <A extends object>(collection: string, key: string, create: () => A) => A
  /**
   * References to parts of documents that a fold has edited since the last commit, under names that the
   * fold chooses; emptied when documents may be written, replaced or forgotten. It spares a fold that
   * edits the same parts for event after event the way to them. A fold gives the same without it.
   */
  readonly memo: Map<string, unknown>
}

/**
 * A pure fold of the log into documents. `apply` sees each event once, in the order of its partition,
 * and depends on nothing but the event and the documents: it may be run twice and thrown away once.
 * Documents of one partition are never touched by another's events, so their keys hold a merchant id.
 */
export interface Projection {
  readonly name: string
  /** Raise it whenever the same events would give other documents. */
  readonly version: number
  readonly collections: ReadonlyArray<string>
  /** `import.meta.url` of its module: code that was changed under its version is found by the text of it. */
  readonly source?: string
  /**
   * The partition of a document that events of several merchants are folded into; undefined for one that is a
   * merchant's alone. Folded in another order, as after a retry of dead letters, such a document may say the same
   * in other bytes. Missing: there are none of these.
   */
  readonly sharedBy?: (key: string) => Partition | undefined
  /**
   * One merchant can be rebuilt by itself: every document is of one merchant, whose events alone are folded into it,
   * and its key begins with that merchant's id; or it is `sharedBy` several, and no question about one merchant is
   * answered from it. Missing: it crosses merchants, and is rebuilt whole only.
   */
  readonly isByMerchant?: true
  readonly apply: (event: RecordedEvent, docs: Docs) => void
  /**
   * Gives the same documents as `apply` with one event after the other, for less. The events are of one partition, in
   * its order. Missing: there is no cheaper way.
   */
  readonly applyAll?: (events: Iterable<RecordedEvent>, docs: Docs) => void
}

export const definitionOf = ({ name, version }: Pick<Projection, "name" | "version">): string =>
  `${name}@${version}`
