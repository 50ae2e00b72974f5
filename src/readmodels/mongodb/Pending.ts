import type { Connection } from "../../mongodb/Connection.js"
import type { Scan } from "../ReadModels.js"
import type { Head } from "./Heads.js"
import { byCollection } from "./Journal.js"
import { findJournal, textsOfJournal } from "./Journals.js"

/** Texts by key; undefined for a document that the commit removes. */
type Texts = ReadonlyMap<string, string | undefined>

/** As MongoDB orders strings: by their UTF-8 bytes. */
export const compareKeys = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

const none: Texts = new Map()

/**
 * A commit whose documents are being put in place, as its journal has it. Laid over the documents that are
 * there it gives all of them as of this commit, however many are in place.
 */
export class Pending {
  private constructor(
    readonly space: number,
    readonly n: number,
    readonly checkpoints: string,
    private readonly collections: ReadonlyMap<string, Texts>,
  ) {}

  /** The one that follows on a head; undefined when there is none, or it has just been put in place. */
  static async read(connection: Connection, { space, v }: Head): Promise<Pending | undefined> {
    const journal = await findJournal(connection, space, v.n + 1)
    if (journal === null) return undefined
    const texts = await textsOfJournal(connection, journal)
    if (typeof texts === "string") return undefined
    const collections = [...byCollection(texts)].map(
      ([name, some]) => [name, new Map(some.map(({ key, text }) => [key, text]))] as const,
    )
    return new Pending(space, journal.n, journal.checkpoints, new Map(collections))
  }

  /** What it changes in the range of a scan. */
  within({ collection, from, to }: Scan): Texts {
    const texts = this.collections.get(collection)
    if (texts === undefined) return none
    return new Map([...texts].filter(([key]) => compareKeys(key, from) >= 0 && compareKeys(key, to) < 0))
  }
}
