import type { Binary } from "mongodb"
import type { Connection } from "../../mongodb/Connection.js"
import { decodeCommit, type TextPut } from "./Journal.js"

/** A commit on its way: the last part to be written, and so the one that decides. */
export interface JournalHead {
  /** `space/n`: only one commit can have it. */
  readonly _id: string
  readonly n: number
  readonly owner: string
  readonly checkpoints: string
  /** Names the parts that lie apart, in order; the whole commit is in `body` when there are none. */
  readonly parts: ReadonlyArray<string>
  readonly body?: Binary
}

export interface JournalPart {
  readonly _id: string
  readonly body: Binary
}

export const JOURNAL = "journal"

export const journalId = (space: number, n: number): string => `${space}/${String(n).padStart(16, "0")}`

export const findJournal = (connection: Connection, space: number, n: number): Promise<JournalHead | null> =>
  connection.within(
    "reading the journal",
    connection.collection<JournalHead>(JOURNAL).findOne({ _id: journalId(space, n) }),
  )

/** Its documents; the name of a part that is not there, as parts go once the commit is in place. */
export const textsOfJournal = async (
  connection: Connection,
  { body, parts }: JournalHead,
): Promise<ReadonlyArray<TextPut> | string> => {
  const bodies: Array<Binary> = body === undefined ? [] : [body]
  const collection = connection.collection<JournalPart>(JOURNAL)
  for (const name of body === undefined ? parts : []) {
    const part = await connection.within("reading the journal", collection.findOne({ _id: name }))
    if (part === null) return name
    bodies.push(part.body)
  }
  return decodeCommit(bodies.map(({ buffer }) => Buffer.from(buffer)))
}
