import type { DatabaseSyncInstance } from "@photostructure/sqlite"
import { type Partition, partitionOfStream } from "../../domain/Partition.js"
import { LogDamaged } from "../EventLog.js"

type Get<A> = { get(...parameters: ReadonlyArray<unknown>): A | undefined }

export interface KnownStream {
  readonly name: string
  /** Undefined for a stream that is not Tidemark's. */
  readonly partition: Partition | undefined
}

/** The names behind the numbers that streams are stored under. Those met lately are kept, and not looked up again. */
export class StreamNames {
  #young = new Map<number, KnownStream>()
  #old = new Map<number, KnownStream>()
  readonly #nameOf: Get<[unknown]>
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

  /** `sequence`: of an event in the stream, for the error. Throws LogDamaged. */
  nameOf(id: number, sequence: number): string {
    return this.known(id, sequence).name
  }

  known(id: number, sequence: number): KnownStream {
    const young = this.#young.get(id)
    if (young !== undefined) return young
    const known = this.#old.get(id) ?? this.#find(id, sequence)
    if (this.#young.size >= this.size) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(id, known)
    return known
  }

  #find(id: number, sequence: number): KnownStream {
    const name = this.#nameOf.get(id)?.[0]
    if (typeof name === "string") return { name, partition: partitionOfStream(name) }
    throw new LogDamaged({
      place: `${this.file}, event ${sequence}`,
      reason: `its stream (number ${id}) is missing, or its name is no text. Restore the log from a backup`,
    })
  }
}
