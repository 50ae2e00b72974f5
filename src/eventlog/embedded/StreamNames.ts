import type { DatabaseSyncInstance } from "@photostructure/sqlite"
import { LogDamaged } from "../EventLog.js"

type Get<A> = { get(...parameters: ReadonlyArray<unknown>): A | undefined }

/** The names behind the numbers that streams are stored under; those met lately are kept. */
export class StreamNames {
  #young = new Map<number, string>()
  #old = new Map<number, string>()
  readonly #nameOf: Get<[string]>
  readonly #idOf: Get<[number]>

  constructor(
    db: DatabaseSyncInstance,
    private readonly file: string,
    private readonly size = 50_000,
  ) {
    const nameOf = db.prepare("SELECT name FROM streams WHERE id = ?")
    nameOf.setReturnArrays(true)
    const idOf = db.prepare("SELECT id FROM streams WHERE name = ?")
    idOf.setReturnArrays(true)
    this.#nameOf = nameOf
    this.#idOf = idOf
  }

  idOf(stream: string): number | undefined {
    return this.#idOf.get(stream)?.[0]
  }

  nameOf(id: number, sequence: number): string {
    const young = this.#young.get(id)
    if (young !== undefined) return young
    const name = this.#old.get(id) ?? this.#nameOf.get(id)?.[0]
    if (name === undefined)
      throw new LogDamaged({
        place: `${this.file}, event ${sequence}`,
        reason: `its stream (number ${id}) is missing. Restore the log from a backup`,
      })
    if (this.#young.size >= this.size) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(id, name)
    return name
  }
}
