import { Written } from "../readmodels/DocText.js"
import type { Part, Parts } from "./GrowingTable.js"
import { type Entries, entryName, nameOf, type Tables } from "./Table.js"

/** What names have: `S` as it is stored, `V` once somebody has asked for it, to be changed in place. */
export interface Kind<V, S> {
  readonly create: () => V
  readonly decode: (stored: S) => V
  /** JSON. */
  readonly textOf: (value: V) => string
  /** Given: what was asked for before a commit is what is stored again after it. */
  readonly rest?: (value: V) => S
}

/** A document with an entry for each of its names. What was stored stays as it is until it is asked for. */
export class NamedPart<V, S> extends Written implements Part<NamedPart<V, S>> {
  private readonly opened = new Map<string, V>()
  private readonly stored = new Map<string, S>()

  constructor(
    private readonly kind: Kind<V, S>,
    entries: Entries<S> = {},
  ) {
    super()
    for (const own in entries) this.stored.set(nameOf(own), entries[own] as S)
  }

  has(name: string): boolean {
    return this.opened.has(name) || this.stored.has(name)
  }

  add(name: string): void {
    this.opened.set(name, this.kind.create())
  }

  /** To be changed. The name must be there. */
  at(name: string): V {
    let value = this.opened.get(name)
    if (value === undefined) {
      value = this.kind.decode(this.stored.get(name) as S)
      this.stored.delete(name)
      this.opened.set(name, value)
    }
    return value
  }

  /** For reading once: what is stored stays so. */
  read(name: string): V | undefined {
    const value = this.opened.get(name)
    if (value !== undefined) return value
    const stored = this.stored.get(name)
    return stored === undefined ? undefined : this.kind.decode(stored)
  }

  *readAll(): Generator<V> {
    yield* this.opened.values()
    for (const stored of this.stored.values()) yield this.kind.decode(stored)
  }

  begin(): void {
    const { rest } = this.kind
    if (rest === undefined) return
    for (const [name, value] of this.opened) this.stored.set(name, rest(value))
    this.opened.clear()
  }

  moveAll(partOf: (name: string) => NamedPart<V, S>): void {
    for (const [name, value] of this.opened) partOf(name).opened.set(name, value)
    for (const [name, stored] of this.stored) partOf(name).stored.set(name, stored)
  }

  toText(): string {
    let text = ""
    for (const [name, value] of this.opened)
      text += `,${JSON.stringify(entryName(name))}:${this.kind.textOf(value)}`
    for (const [name, stored] of this.stored) {
      text += `,${JSON.stringify(entryName(name))}:${JSON.stringify(stored)}`
    }
    return `{${text.slice(1)}}`
  }
}

/** The document that says how many names a table has, and has them while they are few. */
class Head<P extends Written> extends Written {
  constructor(
    readonly n: number,
    readonly e: P | undefined,
  ) {
    super()
  }

  toText(): string {
    const { n, e } = this
    return e === undefined ? `{"n":${n}}` : `{"n":${n},"e":${e.toText()}}`
  }
}

/** As it is stored. */
interface StoredHead<S> {
  readonly n: number
  readonly e?: Entries<S>
}

export const namedParts = <V, S>(tables: Tables, kind: Kind<V, S>): Parts<NamedPart<V, S>> => {
  type P = NamedPart<V, S>
  const { collection } = tables
  const partOf = (doc: P | Entries<S>): P => (doc instanceof NamedPart ? doc : new NamedPart(kind, doc))
  return {
    tables,
    create: () => new NamedPart(kind),
    load: (docs, key) => {
      const found = docs.get<P | Entries<S>>(collection, key)
      return found === undefined ? undefined : partOf(found)
    },
    save: (docs, key, part) => docs.put(collection, key, part),
    loadHead: (docs, key) => {
      const head = docs.get<Head<P> | StoredHead<S>>(collection, key)
      if (head === undefined) return undefined
      return { n: head.n, part: head.e === undefined ? undefined : partOf(head.e) }
    },
    saveHead: (docs, key, n, part) => docs.put(collection, key, new Head(n, part)),
  }
}
