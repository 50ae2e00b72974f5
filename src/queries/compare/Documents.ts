import { createHash, type Hash } from "node:crypto"
import { isDeepStrictEqual } from "node:util"
import * as Effect from "effect/Effect"
import { afterKey, key, partsOf, under } from "../../readmodels/Key.js"
import type {
  Build,
  Doc,
  ReadModelsService,
  ReadModelsUnavailable,
  Row,
} from "../../readmodels/ReadModels.js"

/** A document that is not the same in both builds. Undefined: there is none. */
export interface DifferentDocument {
  readonly collection: string
  /** The parts of its key; the first is a merchant's id nearly everywhere. */
  readonly key: ReadonlyArray<string>
  readonly before: Doc | undefined
  readonly after: Doc | undefined
}

export interface Walked {
  /** Of all documents of the build: equal digests, equal documents. */
  readonly before: string
  readonly after: string
  readonly documents: number
}

const PAGE = 500

/** `from` included, `to` excluded. */
interface KeyRange {
  readonly from: string
  readonly to: string
}

/** Of a merchant: its id, and all keys that begin with it. */
const rangeOf = (merchantId: string | undefined): KeyRange =>
  merchantId === undefined ? { from: "", to: "\uffff" } : { from: key(merchantId), to: under(merchantId).to }

/** JSON with the names of objects in order: equal values, equal texts. */
export const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null"
  const names = Object.keys(value).sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical((value as Record<string, unknown>)[name])}`).join()}}`
}

/** The rows of one collection of a build one after the other, a page in memory at a time. */
class Cursor {
  private rows: ReadonlyArray<Row> = []
  private at = 0
  private ended = false

  constructor(
    private readonly store: ReadModelsService,
    private readonly build: string,
    private readonly collection: string,
    private readonly range: KeyRange,
    private readonly digest: Hash,
  ) {}

  get row(): Row | undefined {
    return this.rows[this.at]
  }

  next(): void {
    const { row } = this
    if (row !== undefined)
      this.digest.update(`${this.collection}\u0000${row.key}\u0000${canonical(row.doc)}\u0000`)
    this.at++
  }

  /** To be run before `row` is read. */
  readonly fill: Effect.Effect<void, ReadModelsUnavailable> = Effect.suspend(() => {
    if (this.at < this.rows.length || this.ended) return Effect.void
    const last = this.rows.at(-1)
    const { from: first, to } = this.range
    const from = last === undefined ? first : afterKey(last.key)
    const scan = { collection: this.collection, from, to, limit: PAGE }
    return Effect.map(this.store.query(this.build, 0, [scan]), ({ rows }) => {
      this.rows = rows[0] ?? []
      this.at = 0
      this.ended = this.rows.length < PAGE
    })
  })
}

/** As the stores order them: by the bytes of UTF-8, which JavaScript's own comparison is not beyond U+FFFF. */
const compareKeys = (a: string, b: string): number =>
  a === b ? 0 : Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"))

const sideOf = (a: Row | undefined, b: Row | undefined): number =>
  a === undefined ? 1 : b === undefined ? -1 : compareKeys(a.key, b.key)

/**
 * Walks all documents of two builds side by side, in order of keys, and tells of each that differs. Where one is of a
 * merchant, those of that merchant alone.
 */
export const walkBuilds = (
  store: ReadModelsService,
  before: Build,
  after: Build,
  collections: ReadonlyArray<string>,
  tell: (different: DifferentDocument) => void,
): Effect.Effect<Walked, ReadModelsUnavailable> =>
  Effect.gen(function* () {
    const digests = [createHash("sha256"), createHash("sha256")] as const
    const range = rangeOf(before.merchantId ?? after.merchantId)
    let documents = 0
    for (const collection of collections) {
      const left = new Cursor(store, before.id, collection, range, digests[0])
      const right = new Cursor(store, after.id, collection, range, digests[1])
      for (;;) {
        yield* left.fill
        yield* right.fill
        const [a, b] = [left.row, right.row]
        if (a === undefined && b === undefined) break
        documents++
        const side = sideOf(a, b)
        if (side !== 0 || !isDeepStrictEqual(a?.doc, b?.doc)) {
          tell({
            collection,
            key: partsOf((side <= 0 ? a?.key : b?.key) ?? ""),
            before: side <= 0 ? a?.doc : undefined,
            after: side >= 0 ? b?.doc : undefined,
          })
        }
        if (side <= 0) left.next()
        if (side >= 0) right.next()
        if (documents % PAGE === 0) yield* Effect.sleep(0)
      }
    }
    return { before: digests[0].digest("hex"), after: digests[1].digest("hex"), documents }
  })
