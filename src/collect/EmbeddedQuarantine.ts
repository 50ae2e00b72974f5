import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync, type DatabaseSyncInstance, type StatementSyncInstance } from "@photostructure/sqlite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  InvalidCursor,
  Quarantine,
  type QuarantineEntry,
  type QuarantinePage,
  type QuarantineService,
  type QuarantineStats,
  QuarantineUnavailable,
  type Refusal,
} from "./Quarantine.js"
import { redact } from "./redact.js"

export interface EmbeddedQuarantineOptions {
  readonly directory: string
  /** Older entries are gone, ms. */
  readonly keepMs?: number
  /** Of more than these the oldest are gone. */
  readonly maxEntries?: number
  /** Most entries, and bytes of them, that wait to be written; what comes on top is dropped and counted. */
  readonly maxWaiting?: number
  readonly maxWaitingBytes?: number
  readonly clock?: () => number
}

const DAY = 86_400_000
/** Entries written, or expired, in one go: a few ms, as this shares the thread of the requests. */
const CHUNK = 100
const WRITE_AFTER_MS = 20
const EXPIRE_EVERY_MS = 60_000
/** An event as JSON that is longer after redaction is not kept, only its size. */
const MAX_EVENT = 64 * 1024

const schema = `
  CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    merchant_id TEXT,
    entry TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS entries_by_merchant ON entries (merchant_id, id);
  CREATE INDEX IF NOT EXISTS entries_by_time ON entries (at);
`

interface Row {
  readonly id: number
  readonly at: number
  readonly merchant_id: string | null
  readonly entry: string
}

const entryText = (refusal: Refusal): string => {
  const { keyId, index, code, message, size } = refusal
  const { path, event } = redact(refusal.event, refusal.path)
  const text = JSON.stringify({ keyId, index, code, path, message, size, event })
  return text.length <= MAX_EVENT ? text : JSON.stringify({ keyId, index, code, path, message, size })
}

const toEntry = (row: Row): QuarantineEntry => {
  const rest = JSON.parse(row.entry) as Omit<QuarantineEntry, "id" | "at" | "merchantId">
  const entry = { id: String(row.id), at: row.at, ...rest }
  return row.merchant_id === null ? entry : { ...entry, merchantId: row.merchant_id }
}

/** Kept in an SQLite file of its own. Writes happen in small pieces after the answer has gone out. */
export class EmbeddedQuarantine implements QuarantineService {
  private readonly database: DatabaseSyncInstance
  private readonly insert: StatementSyncInstance
  private readonly keepMs: number
  private readonly maxEntries: number
  private readonly maxWaiting: number
  private readonly maxWaitingBytes: number
  private readonly clock: () => number
  private readonly expiry: NodeJS.Timeout
  private queue: Refusal[] = []
  /** Where the part of the queue that is not written yet begins. */
  private next = 0
  private waitingBytes = 0
  private scheduled = false
  private closed = false
  private count: number
  private written = 0
  private dropped = 0

  constructor(options: EmbeddedQuarantineOptions) {
    this.keepMs = options.keepMs ?? 7 * DAY
    this.maxEntries = options.maxEntries ?? 100_000
    this.maxWaiting = options.maxWaiting ?? 10_000
    this.maxWaitingBytes = options.maxWaitingBytes ?? 16 * 1024 * 1024
    this.clock = options.clock ?? Date.now
    mkdirSync(options.directory, { recursive: true, mode: 0o700 })
    this.database = new DatabaseSync(join(options.directory, "quarantine.sqlite"))
    this.database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON")
    this.database.exec(schema)
    this.insert = this.database.prepare("INSERT INTO entries (at, merchant_id, entry) VALUES (?, ?, ?)")
    const counted = this.database.prepare("SELECT count(*) AS count FROM entries").get() as { count: number }
    this.count = counted.count
    this.expiry = setInterval(() => this.guarded(() => this.expire()), EXPIRE_EVERY_MS)
    this.expiry.unref()
    this.guarded(() => this.expire())
  }

  /** Opens it for the length of a scope; what waits is written when it closes. */
  static layer(options: EmbeddedQuarantineOptions): Layer.Layer<Quarantine, QuarantineUnavailable> {
    return Layer.scoped(
      Quarantine,
      Effect.acquireRelease(
        Effect.try({
          try: () => new EmbeddedQuarantine(options),
          catch: (cause) =>
            new QuarantineUnavailable({
              reason: `cannot open the quarantine in ${options.directory}: ${cause instanceof Error ? cause.message : String(cause)}. Check that it can be written to; when it is broken, remove it: it only holds what was refused`,
              cause,
            }),
        }),
        (quarantine) => Effect.sync(() => quarantine.close()),
      ),
    )
  }

  readonly put = (refusals: ReadonlyArray<Refusal>): void => {
    for (const refusal of refusals) {
      // A body that was not read takes no memory, however large it was.
      const bytes = refusal.event === undefined ? 0 : refusal.size
      const full =
        this.queue.length - this.next >= this.maxWaiting || this.waitingBytes + bytes > this.maxWaitingBytes
      if (full || this.closed) {
        this.dropped += 1
        continue
      }
      this.waitingBytes += bytes
      this.queue.push(refusal)
    }
    this.schedule(WRITE_AFTER_MS)
  }

  readonly stats = (): QuarantineStats => ({
    waiting: this.queue.length - this.next,
    written: this.written,
    dropped: this.dropped,
  })

  readonly list = (page: {
    readonly merchantId?: string
    readonly first: number
    readonly after?: string
  }): Effect.Effect<QuarantinePage, QuarantineUnavailable | InvalidCursor> =>
    Effect.suspend((): Effect.Effect<QuarantinePage, QuarantineUnavailable | InvalidCursor> => {
      const before = page.after === undefined ? Number.MAX_SAFE_INTEGER : Number(page.after)
      if (page.after !== undefined && !/^[1-9][0-9]{0,15}$/.test(page.after)) {
        return Effect.fail(new InvalidCursor({ cursor: page.after }))
      }
      return Effect.try({
        try: () => this.read(page.merchantId, Math.min(1_000, Math.max(1, Math.trunc(page.first))), before),
        catch: (cause) =>
          new QuarantineUnavailable({ reason: "the quarantine can't be read: try again", cause }),
      })
    })

  /** Writes everything that waits. */
  flush(): void {
    while (this.next < this.queue.length) this.guarded(() => this.write())
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    clearInterval(this.expiry)
    this.flush()
    this.database.close()
  }

  private read(merchantId: string | undefined, first: number, before: number): QuarantinePage {
    const oldest = this.clock() - this.keepMs
    const rows = (merchantId === undefined
      ? this.database
          .prepare("SELECT * FROM entries WHERE id < ? AND at >= ? ORDER BY id DESC LIMIT ?")
          .all(before, oldest, first + 1)
      : this.database
          .prepare(
            "SELECT * FROM entries WHERE merchant_id = ? AND id < ? AND at >= ? ORDER BY id DESC LIMIT ?",
          )
          .all(merchantId, before, oldest, first + 1)) as unknown as Row[]
    const entries = rows.slice(0, first).map(toEntry)
    const last = entries[entries.length - 1]
    return rows.length > first && last !== undefined ? { entries, next: last.id } : { entries }
  }

  private schedule(afterMs: number): void {
    if (this.scheduled || this.closed || this.next >= this.queue.length) return
    this.scheduled = true
    const timer = setTimeout(() => {
      this.scheduled = false
      if (this.closed) return
      this.guarded(() => this.write())
      this.schedule(1)
    }, afterMs)
    timer.unref()
  }

  private write(): void {
    const chunk = this.queue.slice(this.next, this.next + CHUNK)
    this.next += chunk.length
    if (this.next === this.queue.length) {
      this.queue = []
      this.next = 0
    }
    for (const refusal of chunk) if (refusal.event !== undefined) this.waitingBytes -= refusal.size
    try {
      this.database.exec("BEGIN IMMEDIATE")
      for (const refusal of chunk) {
        this.insert.run(refusal.at, refusal.merchantId ?? null, entryText(refusal))
      }
      const surplus = this.count + chunk.length - this.maxEntries
      if (surplus > 0) this.removeOldest(surplus)
      this.database.exec("COMMIT")
      this.count = Math.min(this.maxEntries, this.count + chunk.length)
      this.written += chunk.length
    } catch (cause) {
      this.dropped += chunk.length
      if (this.database.isTransaction) this.database.exec("ROLLBACK")
      throw cause
    }
  }

  private removeOldest(entries: number): void {
    this.database
      .prepare("DELETE FROM entries WHERE id IN (SELECT id FROM entries ORDER BY id LIMIT ?)")
      .run(entries)
  }

  private expire(): void {
    if (this.closed) return
    const removed = this.database
      .prepare("DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE at < ? ORDER BY at LIMIT ?)")
      .run(this.clock() - this.keepMs, CHUNK * 10)
    this.count -= Number(removed.changes)
    if (Number(removed.changes) === CHUNK * 10) {
      setTimeout(() => this.guarded(() => this.expire()), 10).unref()
    }
  }

  /** A disk that fails must not take the collecting path with it: `dropped` tells. */
  private guarded(work: () => void): void {
    try {
      work()
    } catch {
      // Counted where it happened.
    }
  }
}
