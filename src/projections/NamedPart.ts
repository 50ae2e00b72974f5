import { Written } from "../readmodels/DocText.js"
import type { Part, Parts } from "./GrowingTable.js"
import { type Entries, entryName, nameOf, type Tables } from "./Table.js"

/** What names have: `S` as it is stored, `V` once somebody has asked for it, to be changed in place. */
export interface Kind<V, S> {
  readonly create: () => V
  readonly decode: (stored: S) => V
  /** JSON. */
  readonly textOf: (value: V) => string
  readonly textOfStored: (stored: S) => string
  /** Given: what was asked for before a commit is what is stored again after it. */
  readonly rest?: (value: V) => S
}

/** What one name has: either of both. */
class Entry<V, S> {
  constructor(
    /** How its text begins, which is made once: a document is written for every change of any entry. */
    readonly name: string,
    public value: V | undefined,
    public stored: S | undefined,
  ) {}
}

const nameText = (own: string): string => `${JSON.stringify(own)}:`

/** A document with an entry for each of its names. What was stored stays as it is until it is asked for. */
export class NamedPart<V, S> extends Written implements Part<NamedPart<V, S>> {
  private readonly entries = new Map<string, Entry<V, S>>()

  constructor(
    private readonly kind: Kind<V, S>,
    stored: Entries<S> = {},
  ) {
    super()
    for (const own in stored) {
      this.entries.set(nameOf(own), new Entry<V, S>(nameText(own), undefined, stored[own]))
    }
  }

  has(name: string): boolean {
    return this.entries.has(name)
  }

  add(name: string): void {
    this.entries.set(name, new Entry<V, S>(nameText(entryName(name)), this.kind.create(), undefined))
  }

  /** To be changed. The name must be there. */
  at(name: string): V {
    const entry = this.entries.get(name) as Entry<V, S>
    if (entry.value === undefined) {
      entry.value = this.kind.decode(entry.stored as S)
      entry.stored = undefined
    }
    return entry.value
  }

  /** For reading once: what is stored stays so. */
  read(name: string): V | undefined {
    const entry = this.entries.get(name)
    return entry === undefined ? undefined : this.readEntry(entry)
  }

  *readAll(): Generator<V> {
    for (const entry of this.entries.values()) yield this.readEntry(entry)
  }

  private readEntry({ value, stored }: Entry<V, S>): V {
    return value ?? this.kind.decode(stored as S)
  }

  begin(): void {
    const { rest } = this.kind
    if (rest === undefined) return
    for (const entry of this.entries.values()) {
      if (entry.value === undefined) continue
      entry.stored = rest(entry.value)
      entry.value = undefined
    }
  }

  moveAll(partOf: (name: string) => NamedPart<V, S>): void {
    for (const [name, entry] of this.entries) partOf(name).entries.set(name, entry)
  }

  toText(): string {
    const { textOf, textOfStored } = this.kind
    let text = "{"
    for (const { name, value, stored } of this.entries.values()) {
      if (text.length > 1) text += ","
      text += name
      text += value === undefined ? textOfStored(stored as S) : textOf(value)
    }
    return `${text}}`
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
