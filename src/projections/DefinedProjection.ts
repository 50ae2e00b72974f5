import { type EventData, isBusinessType, type RecordedEvent } from "../domain/Event.js"
import type { Position } from "../domain/Position.js"
import type { Docs, Projection } from "../processors/Projection.js"
import { key, partsOf, under } from "../readmodels/Key.js"
import type { Row, Scan } from "../readmodels/ReadModels.js"

/**
 * A projection in one file: what rows there are, and what a business event changes in them. `docs/new-projection.md`
 * builds one.
 */

/** What a fold sees of a business event. Instants are epoch ms. */
export interface MerchantEvent {
  readonly merchantId: string
  readonly type: string
  /** When it happened. */
  readonly at: number
  readonly recordedAt: number
  readonly position: Position
  /** Its client's key; undefined for an event without one. */
  readonly client: string | undefined
  readonly data: EventData
}

/** Rows of one kind: any JSON that is an object. */
export interface TableDefinition<R extends object> {
  /** A row to which nothing has happened yet. */
  readonly empty: () => R
}

export const table = <R extends object>(empty: () => R): TableDefinition<R> => ({ empty })

export type TableDefinitions = Readonly<Record<string, TableDefinition<object>>>

export type RowOf<D> = D extends TableDefinition<infer R> ? R : never

/** The rows of the event's merchant, by any parts of a key. */
export interface Rows<R> {
  /** The row, made if there is none, to be changed in place until the fold returns. */
  readonly edit: (...parts: ReadonlyArray<string>) => R
  /** The row as it is: not to be changed. */
  readonly get: (...parts: ReadonlyArray<string>) => Readonly<R> | undefined
  readonly remove: (...parts: ReadonlyArray<string>) => void
}

export interface Definition<T extends TableDefinitions> {
  readonly name: string
  /** Raise it whenever the same events would give other rows: they are folded anew then. */
  readonly version: number
  /** `import.meta.url`. */
  readonly source: string
  readonly tables: T
  /** Pure: depends on nothing but the event and the rows. It is called for business events alone. */
  readonly fold: (event: MerchantEvent, rows: { readonly [K in keyof T]: Rows<RowOf<T[K]>> }) => void
}

/** A row as it is read; `key` is without the merchant. */
export interface ReadRow<R> {
  readonly merchantId: string
  readonly key: ReadonlyArray<string>
  readonly row: R
}

export interface DefinedProjection<T extends TableDefinitions> extends Projection {
  readonly tables: T
  /** The scan that finds the merchant's rows whose keys begin with these parts. Read what comes with `read`. */
  readonly scan: (table: keyof T & string, merchantId: string, ...parts: ReadonlyArray<string>) => Scan
  readonly read: <K extends keyof T & string>(
    table: K,
    rows: ReadonlyArray<Row>,
  ) => ReadonlyArray<ReadRow<RowOf<T[K]>>>
}

/** Of one table, for the event that is being folded. */
class RowsOf implements Rows<object> {
  private docs: Docs | undefined
  private merchantId = ""

  constructor(
    readonly collection: string,
    private readonly empty: () => object,
  ) {}

  open(docs: Docs, merchantId: string): void {
    this.docs = docs
    this.merchantId = merchantId
  }

  close(): void {
    this.docs = undefined
  }

  edit(...parts: ReadonlyArray<string>): object {
    return this.opened.edit(this.collection, this.keyOf(parts), this.empty)
  }

  get(...parts: ReadonlyArray<string>): object | undefined {
    return this.opened.get(this.collection, this.keyOf(parts))
  }

  remove(...parts: ReadonlyArray<string>): void {
    this.opened.put(this.collection, this.keyOf(parts), undefined)
  }

  private get opened(): Docs {
    if (this.docs === undefined)
      throw new Error(`rows of ${this.collection} were used after the fold returned`)
    return this.docs
  }

  /** Keys begin with the merchant: its rows lie together, and no other partition touches them. */
  private keyOf(parts: ReadonlyArray<string>): string {
    return key(this.merchantId, ...parts)
  }
}

const eventOf = ({ event, metadata, position }: RecordedEvent): MerchantEvent => ({
  merchantId: event.data.merchantId,
  type: event.type,
  at: event.at,
  recordedAt: metadata.recordedAt,
  position,
  client: event.data.clientKey,
  data: event.data,
})

export const defineProjection = <T extends TableDefinitions>({
  name,
  version,
  source,
  tables,
  fold,
}: Definition<T>): DefinedProjection<T> => {
  const names = Object.keys(tables)
  const all = names.map((one) => new RowsOf(one, (tables[one] as TableDefinition<object>).empty))
  const rows = Object.fromEntries(all.map((one) => [one.collection, one])) as unknown as Parameters<
    typeof fold
  >[1]
  return {
    name,
    version,
    source,
    collections: names,
    isByMerchant: true,
    tables,
    apply: (recorded, docs) => {
      if (!isBusinessType(recorded.event.type)) return
      for (const one of all) one.open(docs, recorded.event.data.merchantId)
      try {
        fold(eventOf(recorded), rows)
      } finally {
        for (const one of all) one.close()
      }
    },
    scan: (collection, merchantId, ...parts) => {
      const { from, to } = under(merchantId, ...parts)
      // A row whose key is these parts and no more is one of them.
      return { collection, from: from.slice(0, -1), to }
    },
    read: (_, rows) =>
      rows.map(({ key: text, doc }) => {
        const [merchantId = "", ...parts] = partsOf(text)
        return { merchantId, key: parts, row: doc as never }
      }),
  }
}

/** The UTC day of an instant, such as `2026-03-01`: it sorts by time. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, -14)

/** The UTC hour of an instant, such as `2026-03-01T10`. */
export const hourOf = (at: number): string => new Date(at).toISOString().slice(0, -11)
