import { Text, textOf } from "../readmodels/DocText.js"
import type { Doc, Put } from "../readmodels/ReadModels.js"
import { memoryOf } from "./memoryOf.js"
import type { Docs } from "./Projection.js"

interface Entry {
  readonly collection: string
  readonly key: string
  /** Undefined: known to be absent. */
  doc: Doc | undefined
  dirty: boolean
}

export interface WorkingSetLimits {
  /** Documents kept in memory between commits. */
  readonly documents: number
  /** Their estimated size in bytes. */
  readonly bytes: number
}

export const defaultLimits: WorkingSetLimits = { documents: 120_000, bytes: 64 * 1024 * 1024 }

/** Of a document that was never measured. */
const UNKNOWN_BYTES = 200
const SAMPLE_EVERY = 64

/**
 * The documents of one build that folds have read or changed since the last commit, and those of
 * earlier commits as far as they fit. As nobody else writes the build, what is kept stays valid.
 * Two generations stand in for a least-recently-used order: when the young one is full, the old one,
 * and with it all that nobody asked for since, is forgotten.
 */
export class WorkingSet implements Docs {
  readonly memo = new Map<string, unknown>()
  private young = new Map<string, Map<string, Entry>>()
  /** The collection that was asked last, of the young ones: mostly it is the next one's too. */
  private lastCollection: string | undefined
  private lastDocs = new Map<string, Entry>()
  private old = new Map<string, Map<string, Entry>>()
  private youngSize = 0
  private changed: Array<Entry> = []
  private changedSize = 0
  /** Mean characters of a document, by collection, sampled at commits. */
  private readonly weights = new Map<string, number>()
  private samples = 0
  private hasReleased = false

  constructor(
    private readonly load: (collection: string, key: string) => Doc | undefined,
    private readonly limits: WorkingSetLimits = defaultLimits,
  ) {}

  get changedCount(): number {
    return this.changed.length
  }

  /** Estimated, of what has changed since the last commit. */
  get changedBytes(): number {
    return this.changedSize
  }

  private docsOf(collection: string): Map<string, Entry> {
    let docs = this.young.get(collection)
    if (docs === undefined) {
      docs = new Map()
      this.young.set(collection, docs)
    }
    this.lastCollection = collection
    this.lastDocs = docs
    return docs
  }

  /** `isReplaced`: what the store has does not matter. */
  private entry(collection: string, key: string, isReplaced: boolean): Entry {
    const docs = collection === this.lastCollection ? this.lastDocs : this.docsOf(collection)
    let entry = docs.get(key)
    if (entry !== undefined) {
      if (entry.doc instanceof Text) entry.doc = JSON.parse(entry.doc.toText())
      return entry
    }
    entry = this.old.get(collection)?.get(key)
    if (entry === undefined) {
      entry = { collection, key, doc: isReplaced ? undefined : this.load(collection, key), dirty: false }
    }
    docs.set(key, entry)
    this.youngSize++
    return entry
  }

  private touch(entry: Entry): void {
    if (entry.dirty) return
    entry.dirty = true
    this.changed.push(entry)
    this.changedSize += this.estimate(entry.collection)
  }

  get<A extends Doc>(collection: string, key: string): A | undefined {
    return this.entry(collection, key, false).doc as A | undefined
  }

  put(collection: string, key: string, doc: Doc | undefined): void {
    const entry = this.entry(collection, key, true)
    entry.doc = doc
    this.touch(entry)
  }

  edit<A extends object>(collection: string, key: string, create: () => A): A {
    const entry = this.entry(collection, key, false)
    if (entry.doc === undefined) entry.doc = create()
    this.touch(entry)
    return entry.doc as A
  }

  /** Puts in a document that was loaded for a fold to come. */
  preload(collection: string, key: string, doc: Doc | undefined): void {
    const docs = this.docsOf(collection)
    if (docs.has(key)) return
    docs.set(key, { collection, key, doc, dirty: false })
    this.youngSize++
  }

  /** The document without loading it: `known` is false for one that is not in memory. */
  peek(collection: string, key: string): { readonly known: boolean; readonly doc: Doc | undefined } {
    const entry = this.young.get(collection)?.get(key) ?? this.old.get(collection)?.get(key)
    return { known: entry !== undefined, doc: entry?.doc }
  }

  /** What has to be written, each document once. */
  puts(): ReadonlyArray<Put> {
    return this.changed
  }

  /**
   * What has changed since the last release, as texts, for who is done with these documents: one that is asked for
   * again before it is written is made again from its text. They are forgotten with the next commit, and undone with
   * all else until then.
   */
  release(): ReadonlyArray<Put> {
    // What a fold changes through a reference from before would not be written.
    this.memo.clear()
    this.hasReleased = true
    const puts: Array<Put> = []
    for (const entry of this.changed) {
      const { collection, key, doc } = entry
      this.sampleNow(entry)
      if (doc !== undefined) entry.doc = new Text(textOf(doc))
      entry.dirty = false
      puts.push({ collection, key, doc: entry.doc })
    }
    this.changed = []
    this.changedSize = 0
    return puts
  }

  /** The puts are written: the documents stay as far as they fit. */
  committed(): void {
    if (this.hasReleased) {
      this.discard()
      return
    }
    // What a fold changes through a reference from before would not be written with the next commit.
    this.memo.clear()
    for (const entry of this.changed) {
      entry.dirty = false
      this.sampleNow(entry)
    }
    this.changed = []
    this.changedSize = 0
    const bytes = this.estimatedBytes()
    if (this.youngSize * 2 < this.limits.documents && bytes * 2 < this.limits.bytes) return
    // What one large commit has left behind would stay beside all of the next one.
    this.old = bytes < this.limits.bytes ? this.young : new Map()
    this.young = new Map()
    this.lastCollection = undefined
    this.youngSize = 0
  }

  /** Undoes all changes since the last commit; what was only read stays. */
  revert(): void {
    if (this.hasReleased) {
      this.discard()
      return
    }
    this.memo.clear()
    for (const { collection, key } of this.changed) {
      if (this.young.get(collection)?.delete(key) === true) this.youngSize--
      this.old.get(collection)?.delete(key)
    }
    this.changed = []
    this.changedSize = 0
  }

  /** Forgets everything, and so all changes since the last commit. */
  discard(): void {
    this.hasReleased = false
    this.memo.clear()
    this.young = new Map()
    this.lastCollection = undefined
    this.old = new Map()
    this.youngSize = 0
    this.changed = []
    this.changedSize = 0
  }

  /** One of many. */
  private sampleNow(entry: Entry): void {
    if (this.samples++ % SAMPLE_EVERY !== 0 || entry.doc === undefined) return
    const size = memoryOf(entry.doc) + entry.key.length
    const mean = this.weights.get(entry.collection) ?? size
    this.weights.set(entry.collection, mean + (size - mean) / 16)
  }

  /** Of the young generation. */
  estimatedBytes(): number {
    let bytes = 0
    for (const [collection, docs] of this.young) {
      bytes += docs.size * this.estimate(collection)
    }
    return bytes
  }

  /** Bytes of one document of the collection. */
  private estimate(collection: string): number {
    return 200 + (this.weights.get(collection) ?? UNKNOWN_BYTES)
  }
}
