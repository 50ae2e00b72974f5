import { randomUUID } from "node:crypto"
import { Binary } from "mongodb"
import type { Partition } from "../../domain/Partition.js"
import { type Connection, isDuplicate } from "../../mongodb/Connection.js"
import { decodeCheckpoints, encodeCheckpoints } from "../embedded/Checkpoints.js"
import type { Checkpoint, Put } from "../ReadModels.js"
import { applyCommit } from "./Apply.js"
import { bury } from "./Graves.js"
import { type Head, Heads, noCheckpoints } from "./Heads.js"
import { encodeCommit, type TextPut, textsOf } from "./Journal.js"
import {
  findJournal,
  JOURNAL,
  type JournalHead,
  type JournalPart,
  journalId,
  textsOfJournal,
} from "./Journals.js"

/** Steps of a commit, for tests that stop in between. */
export type Step = "journalled" | "applied" | "moved"

/** Another process has written the build since: what this one has in memory is of no use any more. */
export class TakenOver extends Error {
  constructor(build: string) {
    super(
      `another process writes the read model build ${build}: this one has stopped to. One process may write: end the others, and start this one again`,
    )
  }
}

const TAKE_OVER_ATTEMPTS = 20

/**
 * The one writer of a build. A commit becomes one by inserting its journal under a number that nobody else
 * can take; then its documents are put in place, the head is moved, the journal is removed. A commit that was
 * cut off after the journal is finished by whoever opens the build next. Opening is a commit of nothing: it takes
 * a number too, so that a former writer can't take it.
 */
export class BuildWriter {
  private readonly heads: Heads
  private readonly owner = randomUUID()
  private head: Head | undefined
  private known: Map<Partition, Checkpoint> = new Map()
  /** False while it is not known how far the last attempt came. */
  private isOpen = false
  private isTakenOver = false
  /** Journal of the last commit, which is in place. */
  private finished: string | undefined

  constructor(
    private readonly connection: Connection,
    private readonly build: string,
    private readonly at: (step: Step, build: string) => Promise<void> = async () => {},
  ) {
    this.heads = new Heads(connection)
  }

  /** The namespace of the build that this writer has taken over; undefined before. */
  get space(): number | undefined {
    return this.head?.space
  }

  private get journal() {
    return this.connection.collection<JournalHead>(JOURNAL)
  }

  /** Takes the build over, having finished what its former writer left. */
  async checkpoints(): Promise<ReadonlyMap<Partition, Checkpoint>> {
    if (!(await this.open(false))) return noCheckpoints
    return this.known
  }

  async commit(puts: ReadonlyArray<Put>, checkpoints: ReadonlyMap<Partition, Checkpoint>): Promise<void> {
    const texts = textsOf(puts)
    await this.open(true)
    const all = new Map([...this.known, ...checkpoints])
    await this.write(texts, encodeCheckpoints(all))
    this.known = all
  }

  /** False: there is no such build, and none was made. */
  private async open(create: boolean): Promise<boolean> {
    if (this.isTakenOver) throw new TakenOver(this.build)
    if (this.isOpen) return true
    const isFirst = this.head === undefined
    for (let attempt = 1; ; attempt++) {
      let head = await this.heads.read(this.build)
      if (head === null && !isFirst) this.takenOver()
      if (head === null && !create) return false
      head ??= await this.heads.create(this.build)
      try {
        if (!isFirst) this.checkOwn(head)
        await this.claim(await this.finish(head))
        return true
      } catch (error) {
        // The former writer was quicker, and is still there: what it has committed comes first.
        if (!(error instanceof TakenOver) || !isFirst || attempt === TAKE_OVER_ATTEMPTS) throw error
        this.isTakenOver = false
        this.head = undefined
      }
    }
  }

  /** Nobody else has committed since this writer did. */
  private checkOwn({ space, v }: Head): void {
    const last = this.head as Head
    if (space !== last.space || (v.n !== last.v.n && v.owner !== this.owner)) this.takenOver()
  }

  private takenOver(): never {
    this.isTakenOver = true
    throw new TakenOver(this.build)
  }

  /** Puts in place what is in the journal and not in the documents. */
  private async finish(head: Head): Promise<Head> {
    const found = await findJournal(this.connection, head.space, head.v.n + 1)
    if (found === null) return head
    if (this.head !== undefined && found.owner !== this.owner) this.takenOver()
    const texts = await textsOfJournal(this.connection, found)
    if (typeof texts === "string")
      throw new Error(`the journal of ${this.build} lacks its part ${texts}: drop the build`)
    return this.finish(await this.putInPlace(head, found.n, found.owner, found.checkpoints, texts))
  }

  private async claim(head: Head): Promise<void> {
    this.head = head
    this.known = decodeCheckpoints(head.v.checkpoints)
    await this.write([], head.v.checkpoints)
    // What lies below the number that was just taken is in place, or can't become a commit any more.
    const from = `${head.space}/`
    const to = journalId(head.space, head.v.n + 1)
    await this.connection.within(
      "clearing the journal",
      this.journal.deleteMany({ _id: { $gte: from, $lt: to } }),
    )
  }

  private async write(texts: ReadonlyArray<TextPut>, checkpoints: string): Promise<void> {
    const head = this.head as Head
    const n = head.v.n + 1
    this.isOpen = false
    await this.insertJournal(head.space, n, texts, checkpoints)
    await this.at("journalled", this.build)
    // A journal is removed once it is in place: the number was free again if others have gone on since.
    const now = await this.heads.read(this.build)
    if (now === null || now.space !== head.space || now.v.n !== n - 1) {
      await this.connection.within(
        "withdrawing a journal",
        this.journal.deleteOne({ _id: journalId(head.space, n), owner: this.owner }),
      )
      this.takenOver()
    }
    this.head = await this.putInPlace(head, n, this.owner, checkpoints, texts)
    this.isOpen = true
  }

  private async insertJournal(
    space: number,
    n: number,
    texts: ReadonlyArray<TextPut>,
    checkpoints: string,
  ): Promise<void> {
    const _id = journalId(space, n)
    const bodies = encodeCommit(texts).map((body) => new Binary(body))
    const parts: Array<string> = []
    if (bodies.length > 1) {
      const collection = this.connection.collection<JournalPart>(JOURNAL)
      for (const [index, body] of bodies.entries()) {
        const name = `${_id}/${randomUUID()}/${index}`
        parts.push(name)
        await this.connection.within("writing the journal", collection.insertOne({ _id: name, body }))
      }
    }
    const [body] = bodies
    const whole = parts.length > 0 || body === undefined ? {} : { body }
    try {
      await this.connection.within(
        "writing the journal",
        this.journal.insertOne({ _id, n, owner: this.owner, checkpoints, parts, ...whole }),
      )
    } catch (error) {
      if (!isDuplicate(error)) throw error
      const found = await findJournal(this.connection, space, n)
      if (found?.owner !== this.owner) this.takenOver()
      throw new Error("an earlier try of this process, given up, has arrived meanwhile", { cause: error })
    }
  }

  private async putInPlace(
    head: Head,
    n: number,
    owner: string,
    checkpoints: string,
    texts: ReadonlyArray<TextPut>,
  ): Promise<Head> {
    await Promise.all([applyCommit(this.connection, head.space, n, texts), this.removeFinished()])
    await bury(this.connection, head.space, n, texts)
    await this.at("applied", this.build)
    const moved: Head = { ...head, v: { n, owner, checkpoints } }
    if (!(await this.heads.moveTo(moved))) this.takenOver()
    await this.at("moved", this.build)
    this.finished = journalId(head.space, n)
    return moved
  }

  /** With its parts. Left to the next commit, so that nobody waits for it. */
  private async removeFinished(): Promise<void> {
    const name = this.finished
    if (name === undefined) return
    this.finished = undefined
    await this.connection.within(
      "clearing the journal",
      this.journal.deleteMany({ _id: { $gte: name, $lt: `${name}0` } }),
    )
  }
}
