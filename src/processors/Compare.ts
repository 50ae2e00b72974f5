import { isDeepStrictEqual } from "node:util"
import * as Effect from "effect/Effect"
import { afterKey, partsOf } from "../readmodels/Key.js"
import type { Build, Doc, ReadModelsService, ReadModelsUnavailable, Row } from "../readmodels/ReadModels.js"

/** A document that is not what a fresh fold gives. Undefined: there is none. */
export interface Difference {
  readonly projection: string
  readonly build: string
  readonly collection: string
  /** The parts of its key; the first is a merchant's id nearly everywhere. */
  readonly key: ReadonlyArray<string>
  readonly stored: Doc | undefined
  readonly expected: Doc | undefined
}

const PAGE = 2_000
const LAST = "\uffff"

/** Gives the rows of one collection one after the other, a page in memory at a time. */
class Cursor {
  private rows: ReadonlyArray<Row> = []
  private at = 0
  private ended = false

  constructor(
    private readonly store: ReadModelsService,
    private readonly build: string,
    private readonly collection: string,
  ) {}

  get row(): Row | undefined {
    return this.rows[this.at]
  }

  next(): void {
    this.at++
  }

  /** To be run before `row` is read. */
  readonly fill: Effect.Effect<void, ReadModelsUnavailable> = Effect.suspend(() => {
    if (this.at < this.rows.length || this.ended) return Effect.void
    const last = this.rows.at(-1)
    const from = last === undefined ? "" : afterKey(last.key)
    const scan = { collection: this.collection, from, to: LAST, limit: PAGE }
    return Effect.flatMap(this.store.query(this.build, 0, [scan]), ({ rows }) => {
      this.rows = rows[0] ?? []
      this.at = 0
      this.ended = this.rows.length < PAGE
      return Effect.void
    })
  })
}

/**
 * Walks one collection of two stores side by side, in order of keys, and reports each document that is
 * not the same in both. Gives the number of documents seen.
 */
export const differencesOf = (
  stored: ReadModelsService,
  storedBuild: Build,
  fresh: ReadModelsService,
  freshBuild: Build,
  collection: string,
  report: (difference: Difference) => void,
): Effect.Effect<number, ReadModelsUnavailable> =>
  Effect.gen(function* () {
    const left = new Cursor(stored, storedBuild.id, collection)
    const right = new Cursor(fresh, freshBuild.id, collection)
    const tell = (key: string, is: Doc | undefined, expected: Doc | undefined) =>
      report({
        projection: storedBuild.projection,
        build: storedBuild.id,
        collection,
        key: partsOf(key),
        stored: is,
        expected,
      })
    let documents = 0
    for (;;) {
      yield* left.fill
      yield* right.fill
      const [a, b] = [left.row, right.row]
      if (a === undefined && b === undefined) return documents
      documents++
      const order = a === undefined ? 1 : b === undefined ? -1 : compareKeys(a.key, b.key)
      if (order <= 0) left.next()
      if (order >= 0) right.next()
      if (order !== 0 || !isDeepStrictEqual(a?.doc, b?.doc)) {
        tell(
          (order <= 0 ? a?.key : b?.key) ?? "",
          order <= 0 ? a?.doc : undefined,
          order >= 0 ? b?.doc : undefined,
        )
      }
    }
  })

/** As the stores order them: by the bytes of UTF-8, which JavaScript's own comparison is not beyond U+FFFF. */
const compareKeys = (a: string, b: string): number =>
  a === b ? 0 : Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"))
