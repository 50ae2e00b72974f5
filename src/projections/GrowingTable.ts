import type { Docs } from "../processors/Projection.js"
import { chunkAt, chunkKey, chunksFor, hashOf, powerOfTwo, type Tables } from "./Table.js"

/**
 * What a document of a table holds, as folds have it: the same object from commit to commit while the working
 * set keeps the document, so that it need not be made again from what is stored.
 */
export interface Part<P> {
  has(name: string): boolean
  add(name: string): void
  /** Called before the part is changed for the first time after a commit: nobody has references into it. */
  begin(): void
  /** Moves every entry into the part that is its own now. Whoever has an entry keeps it. */
  moveAll(partOf: (name: string) => P): void
}

/** How parts lie in documents. */
export interface Parts<P> {
  readonly tables: Tables
  readonly create: () => P
  readonly load: (docs: Docs, key: string) => P | undefined
  readonly save: (docs: Docs, key: string, part: P) => void
  /** How many names the table has, and the part in its head while they are few. */
  readonly loadHead: (
    docs: Docs,
    key: string,
  ) => { readonly n: number; readonly part: P | undefined } | undefined
  readonly saveHead: (docs: Docs, key: string, n: number, part: P | undefined) => void
}

/**
 * A table as `Table.ts` lays it out, for a fold that changes many of its entries until the next commit: each of
 * its documents is looked up once.
 */
export class GrowingTable<P extends Part<P>> {
  private names: number
  private inHead: P | undefined
  private readonly chunks: Array<P | undefined> = []
  private readonly isMarked: Array<boolean> = []
  private isHeadMarked = false

  constructor(
    private readonly docs: Docs,
    private readonly parts: Parts<P>,
    private readonly key: string,
  ) {
    const head = parts.loadHead(docs, key)
    this.names = head?.n ?? 0
    this.inHead = head === undefined ? parts.create() : head.part
  }

  /** `hash`: of the name, as `hashOf` gives it. */
  has(name: string, hash: number): boolean {
    return this.partOf(hash).has(name)
  }

  /** The part that has the entries of names with this hash, for reading only. */
  partOf(hash: number): P {
    return this.inHead ?? this.chunk(chunkAt(hash, this.count))
  }

  /** Every part, for reading only. */
  *everyPart(): Generator<P> {
    if (this.inHead !== undefined) yield this.inHead
    else for (let number = 0; number < this.count; number++) yield this.chunk(number)
  }

  /** The part that has the name's entry, which is made when it is missing. It will be written. */
  open(name: string, hash: number): P {
    const { inHead } = this
    if (inHead !== undefined) {
      this.markHead()
      if (inHead.has(name)) return inHead
      inHead.add(name)
      this.names++
      if (this.names > this.parts.tables.inline) this.leaveHead(inHead)
      this.saveHead()
    } else {
      const chunks = this.count
      const number = chunkAt(hash, chunks)
      const part = this.chunk(number)
      this.mark(number, part)
      if (part.has(name)) return part
      part.add(name)
      this.names++
      this.saveHead()
      if (this.count !== chunks) this.split(chunks - powerOfTwo(chunks), chunks)
    }
    return this.partOf(hash)
  }

  /** Of chunks; 0 while all is in the head. */
  private get count(): number {
    return chunksFor(this.parts.tables, this.names)
  }

  private chunk(number: number): P {
    const known = this.chunks[number]
    if (known !== undefined) return known
    const part = this.parts.load(this.docs, chunkKey(this.key, number)) ?? this.parts.create()
    this.chunks[number] = part
    return part
  }

  private markHead(): void {
    if (this.isHeadMarked) return
    this.isHeadMarked = true
    this.inHead?.begin()
    this.saveHead()
  }

  private saveHead(): void {
    this.parts.saveHead(this.docs, this.key, this.names, this.inHead)
  }

  private mark(number: number, part: P): void {
    if (this.isMarked[number] === true) return
    part.begin()
    this.put(number, part)
  }

  private put(number: number, part: P): void {
    this.isMarked[number] = true
    this.chunks[number] = part
    this.parts.save(this.docs, chunkKey(this.key, number), part)
  }

  private leaveHead(part: P): void {
    this.inHead = undefined
    const { count } = this
    for (let number = 0; number < count; number++) this.put(number, this.parts.create())
    this.moveAll(part)
  }

  private split(source: number, added: number): void {
    const part = this.chunk(source)
    if (this.isMarked[source] !== true) part.begin()
    this.put(source, this.parts.create())
    this.put(added, this.parts.create())
    this.moveAll(part)
  }

  private moveAll(part: P): void {
    const { count } = this
    part.moveAll((name) => this.chunks[chunkAt(hashOf(name), count)] as P)
  }
}
