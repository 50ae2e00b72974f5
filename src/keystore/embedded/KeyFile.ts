import { randomBytes } from "node:crypto"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync, type DatabaseSyncInstance, type StatementSyncInstance } from "@photostructure/sqlite"

/** Length of a key in bytes (AES-256). */
export const KEY = 32

/** The keys of clients in one SQLite file. Blocks the thread it runs on: the writer has one of its own. */
export class KeyFile {
  private readonly db: DatabaseSyncInstance
  private readonly select: StatementSyncInstance
  private readonly insert: StatementSyncInstance | undefined

  constructor(directory: string, mode: "write" | "read") {
    const file = join(directory, "keys.sqlite")
    if (mode === "write") mkdirSync(directory, { recursive: true, mode: 0o700 })
    this.db = new DatabaseSync(file, { readOnly: mode === "read", timeout: 5_000 })
    if (mode === "write") {
      // `secure_delete` writes zeros over what is deleted: a forgotten key must not be found in free pages.
      this.db.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON")
      this.db.exec(
        "CREATE TABLE IF NOT EXISTS keys (client TEXT PRIMARY KEY, secret BLOB) WITHOUT ROWID, STRICT",
      )
    }
    this.select = this.db.prepare("SELECT secret FROM keys WHERE client = ?")
    this.insert =
      mode === "write" ? this.db.prepare("INSERT INTO keys (client, secret) VALUES (?, ?)") : undefined
  }

  /** The key; null when the client was forgotten, undefined when it never had one. */
  find(client: string): Uint8Array | null | undefined {
    const row = this.select.get(client) as { secret: Uint8Array | null } | undefined
    return row === undefined ? undefined : row.secret
  }

  /** Within a transaction of the caller's. */
  ensure(client: string): Uint8Array | null {
    const found = this.find(client)
    if (found !== undefined) return found
    const secret = randomBytes(KEY)
    this.insert?.run(client, secret)
    return secret
  }

  /** Within a transaction of the caller's. A row without a key stays, so that no new one is made. */
  forget(client: string): void {
    this.db
      .prepare("INSERT INTO keys (client, secret) VALUES (?, NULL) ON CONFLICT DO UPDATE SET secret = NULL")
      .run(client)
  }

  /** In the order of clients, those behind one; the secret is null for a client that was forgotten. */
  beyond(
    after: string,
    limit: number,
  ): ReadonlyArray<{ readonly client: string; readonly secret: Uint8Array | null }> {
    const rows = this.db.prepare("SELECT client, secret FROM keys WHERE client > ? ORDER BY client LIMIT ?")
    return rows.all(after, limit) as unknown as ReturnType<KeyFile["beyond"]>
  }

  /** All of `work` is on disk when this returns, or none of it is. */
  transaction(work: () => void): void {
    this.db.exec("BEGIN IMMEDIATE")
    try {
      work()
      this.db.exec("COMMIT")
    } catch (error) {
      if (this.db.isTransaction) this.db.exec("ROLLBACK")
      throw error
    }
  }

  /** Takes what was forgotten out of the write-ahead log too. */
  scrub(): void {
    this.db.exec("PRAGMA wal_checkpoint(TRUNCATE)")
  }

  close(): void {
    this.db.close()
  }
}
