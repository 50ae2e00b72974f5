import { closeSync, fstatSync, openSync } from "node:fs"
import { DatabaseSync, type DatabaseSyncInstance, type StatementSyncInstance } from "@photostructure/sqlite"
import { failureOf, writeFailureOf } from "./Failure.js"
import { filesOf, type LogFiles, PAGE_SIZE } from "./Files.js"
import { type Head, Heads } from "./Heads.js"
import { takeLock } from "./Lock.js"
import { MarkFile } from "./Mark.js"
import { inspect, makeDirectory } from "./Opening.js"
import type { Tuning } from "./Options.js"
import type { AppendedMessage, AppendMessage, EventsMessage } from "./Protocol.js"
import { checksum } from "./Rows.js"
import { checkMeta, prepareDatabase } from "./Schema.js"

export interface Committed {
  readonly answers: ReadonlyArray<AppendedMessage>
  /** What was stored, in log order; undefined when nobody listens or nothing was. */
  readonly events: EventsMessage | undefined
}

type Statement = StatementSyncInstance

/** Checkpoints beside the writer after which it does one itself, which is short by then. */
const RESTART_AFTER = 4

/** The one connection that writes. Blocks while it commits: it lives in a thread of its own. */
export class Writer {
  readonly logId: string
  /** Acknowledged events are gone because a file was cut. */
  readonly warning: string | undefined
  readonly #files: LogFiles
  readonly #lock: { readonly release: () => void }
  readonly #db: DatabaseSyncInstance
  readonly #mark: MarkFile
  readonly #wal: number
  readonly #heads: Heads
  readonly #insert: Statement
  readonly #stored: Statement
  readonly #begin: Statement
  readonly #commit: Statement
  readonly #pause: Int32Array | undefined
  #head: number
  #pagesSinceCheckpoint = 0
  #pagesSinceRestart = 0

  /** Throws LogDamaged or LogUnavailable. */
  constructor(private readonly tuning: Tuning) {
    const files = filesOf(tuning.directory)
    this.#files = files
    const closers: Array<() => void> = []
    try {
      this.warning = undefined
      const held = lockAndInspect(tuning, files)
      this.#lock = held.lock
      closers.push(held.lock.release)
      this.warning = held.warning
      const db = new DatabaseSync(files.database, { timeout: 5_000 })
      this.#db = db
      closers.push(() => db.close())
      prepareDatabase(db)
      if (tuning.maxPages > 0) db.exec(`PRAGMA max_page_count = ${Math.floor(tuning.maxPages)}`)
      this.logId = checkMeta(db, files.database)
      this.#head =
        (db.prepare("SELECT max(sequence) AS head FROM events").get() as { head: number | null }).head ?? 0
      this.#heads = new Heads(db)
      this.#insert = db.prepare(
        "INSERT INTO events (sequence, stream, revision, checksum, id, event, metadata) VALUES (?, ?, ?, ?, ?, ?, ?)",
      )
      this.#stored = db.prepare(
        "SELECT sequence, id FROM events WHERE stream = ? AND revision BETWEEN ? AND ? ORDER BY revision",
      )
      this.#stored.setReturnArrays(true)
      this.#begin = db.prepare("BEGIN IMMEDIATE")
      this.#commit = db.prepare("COMMIT")
      this.#wal = openSync(files.wal, "a+", 0o600)
      closers.push(() => closeSync(this.#wal))
      this.#mark = new MarkFile(files.mark)
      this.#mark.reset({ sequence: this.#head, walBytes: fstatSync(this.#wal).size })
      this.#pause = tuning.slowdownMs > 0 ? new Int32Array(new SharedArrayBuffer(4)) : undefined
    } catch (cause) {
      for (const close of closers.reverse()) close()
      throw failureOf(cause, files.database)
    }
  }

  get head(): number {
    return this.#head
  }

  /**
   * Stores what the messages ask for in one transaction with one sync. Throws LogUnavailable when the
   * transaction failed as a whole: then nothing of it is stored.
   */
  commit(messages: ReadonlyArray<AppendMessage>, listened: boolean): Committed {
    const before = this.#head
    const events = listened ? newEvents(before + 1) : undefined
    try {
      if (this.#pause !== undefined) Atomics.wait(this.#pause, 0, 0, this.tuning.slowdownMs)
      this.#begin.run()
      const answers = messages.map((message) => this.#take(message, events))
      this.#commit.run()
      if (this.#head > before) this.#mark.write({ sequence: this.#head, walBytes: fstatSync(this.#wal).size })
      return { answers, events: this.#head > before ? events : undefined }
    } catch (cause) {
      this.#head = before
      this.#heads.clear()
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK")
      throw writeFailureOf(cause, this.#files.database)
    }
  }

  /** Enough was written since the last checkpoint for another one. */
  get isCheckpointDue(): boolean {
    return this.#pagesSinceCheckpoint >= this.tuning.checkpointPages
  }

  /** Another connection has begun one. */
  checkpointBegun(): void {
    this.#pagesSinceCheckpoint = 0
  }

  /**
   * The write-ahead log has grown so far that it is to begin again, for which nobody may be writing: another
   * connection's checkpoint always misses what is written meanwhile.
   */
  get isRestartDue(): boolean {
    return this.#pagesSinceRestart >= RESTART_AFTER * this.tuning.checkpointPages
  }

  /** Moves what was written to the main file; nothing is stored meanwhile. Not needed for durability. */
  checkpoint(): void {
    if (this.#pagesSinceRestart === 0) return
    this.#pagesSinceCheckpoint = 0
    this.#pagesSinceRestart = 0
    this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)")
  }

  close(): void {
    try {
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)")
    } catch {
      // A reader is in the way: the write-ahead log stays, and holds everything.
    }
    // Before SQLite removes the write-ahead log, so that its absence is never a surprise.
    this.#mark.reset({ sequence: this.#head, walBytes: fstatSync(this.#wal).size })
    closeSync(this.#wal)
    this.#db.close()
    this.#mark.close()
    this.#lock.release()
  }

  #take(message: AppendMessage, out: EventsMessage | undefined): AppendedMessage {
    const { streams, expected, counts, ids } = message
    const revisions: Array<number> = []
    const sequences: Array<number> = []
    let at = 0
    for (let i = 0; i < streams.length; i++) {
      const stream = streams[i] as string
      const count = counts[i] as number
      const head = this.#heads.find(stream)
      const revision = head === undefined ? -1 : head.revision
      if (revision === expected[i]) {
        this.#store(head ?? this.#heads.create(stream), stream, message, at, at + count, out)
        revisions.push(revision + count)
        sequences.push(this.#head)
      } else {
        const sequence = this.#again(head, (expected[i] as number) + 1, ids, at, count)
        revisions.push(sequence === 0 ? revision : (expected[i] as number) + count)
        sequences.push(sequence)
      }
      at += count
    }
    return { tag: "appended", id: message.id, revisions, sequences }
  }

  #store(
    head: Head,
    stream: string,
    m: AppendMessage,
    from: number,
    to: number,
    out: EventsMessage | undefined,
  ): void {
    for (let i = from; i < to; i++) {
      const sequence = ++this.#head
      const revision = ++head.revision
      const id = m.ids[i] as string
      const event = m.events[i] as string
      const metadata = m.metadata[m.about[i] as number] as string
      const sum = checksum(sequence, stream, revision, id, event, metadata)
      this.#insert.run(sequence, head.id, revision, sum, id, event, metadata)
      const chars = event.length + metadata.length
      // The row's share of a page, and a page of the index that only this row may touch.
      const pages = 1 + chars / PAGE_SIZE
      this.#pagesSinceCheckpoint += pages
      this.#pagesSinceRestart += pages
      if (out !== undefined) put(out, stream, revision, id, event, metadata, chars)
    }
  }

  /** Sequence of the last of these events when exactly they stand at `first` and after; 0 when not. */
  #again(head: Head | undefined, first: number, ids: Array<string>, at: number, count: number): number {
    if (head === undefined || first < 0 || first + count - 1 > head.revision) return 0
    const rows = this.#stored.all(head.id, first, first + count - 1) as Array<[number, string]>
    if (rows.length !== count) return 0
    for (let i = 0; i < count; i++) if (rows[i]?.[1] !== ids[at + i]) return 0
    return (rows[count - 1] as [number, string])[0]
  }
}

const lockAndInspect = (tuning: Tuning, files: LogFiles) => {
  makeDirectory(tuning.directory)
  const lock = takeLock(files.lock, tuning.directory)
  try {
    return { lock, warning: inspect(files, tuning.checkOnOpenEvents) }
  } catch (cause) {
    lock.release()
    throw cause
  }
}

const newEvents = (first: number): EventsMessage & { chars: number } => ({
  tag: "events",
  first,
  of: [],
  streams: [],
  revisions: [],
  ids: [],
  events: [],
  about: [],
  metadata: [],
  chars: 0,
})

const put = (
  out: { -readonly [K in keyof EventsMessage]: EventsMessage[K] },
  stream: string,
  revision: number,
  id: string,
  event: string,
  metadata: string,
  chars: number,
): void => {
  if (stream !== out.streams[out.streams.length - 1]) out.streams.push(stream)
  out.of.push(out.streams.length - 1)
  out.revisions.push(revision)
  out.ids.push(id)
  out.events.push(event)
  if (metadata !== out.metadata[out.metadata.length - 1]) out.metadata.push(metadata)
  out.about.push(out.metadata.length - 1)
  out.chars += chars
}
