import type { DatabaseSyncInstance } from "@photostructure/sqlite"

/** A stream as the writer knows it: the number it is stored under and the revision of its last event. */
export interface Head {
  readonly id: number
  revision: number
}

type Get<A> = { get(...parameters: ReadonlyArray<unknown>): A | undefined }

/**
 * The streams written lately, so that an append needs no look-up. Two generations: when the younger is
 * full the older is forgotten, which keeps what is used at the cost of a map.
 */
export class Heads {
  #young = new Map<string, Head>()
  #old = new Map<string, Head>()
  readonly #idOf: Get<[number]>
  readonly #revisionOf: Get<[number | null]>
  readonly #create: { run(...parameters: ReadonlyArray<unknown>): { lastInsertRowid: number | bigint } }

  constructor(
    db: DatabaseSyncInstance,
    private readonly size = 50_000,
  ) {
    const idOf = db.prepare("SELECT id FROM streams WHERE name = ?")
    idOf.setReturnArrays(true)
    const revisionOf = db.prepare(
      "SELECT revision FROM events WHERE stream = ? ORDER BY revision DESC LIMIT 1",
    )
    revisionOf.setReturnArrays(true)
    this.#idOf = idOf
    this.#revisionOf = revisionOf
    this.#create = db.prepare("INSERT INTO streams (name) VALUES (?)")
  }

  /** Undefined for a stream without events. */
  find(stream: string): Head | undefined {
    const young = this.#young.get(stream)
    if (young !== undefined) return young
    const head = this.#old.get(stream) ?? this.#load(stream)
    if (head !== undefined) this.#keep(stream, head)
    return head
  }

  /** A new stream: its first event must follow in the same transaction. */
  create(stream: string): Head {
    const head = { id: Number(this.#create.run(stream).lastInsertRowid), revision: -1 }
    this.#keep(stream, head)
    return head
  }

  /** After a rollback nothing that was noted can be trusted. */
  clear(): void {
    this.#young.clear()
    this.#old.clear()
  }

  #load(stream: string): Head | undefined {
    const id = this.#idOf.get(stream)?.[0]
    if (id === undefined) return undefined
    return { id, revision: this.#revisionOf.get(id)?.[0] ?? -1 }
  }

  #keep(stream: string, head: Head): void {
    if (this.#young.size >= this.size) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(stream, head)
  }
}
