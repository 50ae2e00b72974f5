import { existsSync, mkdirSync } from "node:fs"
import { DatabaseSync } from "@photostructure/sqlite"
import type { Registered } from "../ReadModels.js"
import { type Database, openToRead, registryFile, type Statement, whereTableExists } from "./Tables.js"

/** Who serves and what is folded, in a file that any process of the machine may write. Errors are thrown. */
export class RegistryFile {
  private reader: Database | undefined
  private writer: Database | undefined
  private all: Statement | undefined

  constructor(private readonly directory: string) {}

  close(): void {
    this.all = undefined
    this.reader?.close()
    this.writer?.close()
    this.reader = undefined
    this.writer = undefined
  }

  private statement(): Statement | undefined {
    if (this.all !== undefined) return this.all
    const file = registryFile(this.directory)
    if (this.reader === undefined && existsSync(file)) this.reader = openToRead(file)
    const { reader } = this
    if (reader === undefined) return undefined
    this.all = whereTableExists(() => reader.prepare("SELECT record FROM registered ORDER BY projection"))
    return this.all
  }

  registered(): ReadonlyArray<Registered> {
    const rows = (this.statement()?.all() ?? []) as ReadonlyArray<{ readonly record: string }>
    return rows.map(({ record }) => JSON.parse(record) as Registered)
  }

  /** Commands are few, and who was told that one is done must find it done after a power cut. */
  private open(): Database {
    if (this.writer !== undefined) return this.writer
    mkdirSync(this.directory, { recursive: true })
    const writer = new DatabaseSync(registryFile(this.directory))
    writer.exec(`
      PRAGMA busy_timeout = 5000;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS registered (
        projection TEXT PRIMARY KEY, revision INTEGER NOT NULL, record TEXT NOT NULL
      ) WITHOUT ROWID;
    `)
    this.writer = writer
    return writer
  }

  register(next: Registered): boolean {
    const database = this.open()
    const { projection, revision } = next
    const record = JSON.stringify(next)
    const { changes } =
      revision === 1
        ? database.prepare("INSERT OR IGNORE INTO registered VALUES (?, 1, ?)").run(projection, record)
        : database
            .prepare("UPDATE registered SET revision = ?, record = ? WHERE projection = ? AND revision = ?")
            .run(revision, record, projection, revision - 1)
    return Number(changes) === 1
  }

  /** Stays at what is stored now, until it is closed. */
  hold(): void {
    if (this.statement() === undefined) return
    this.reader?.exec("BEGIN")
    this.registered()
  }
}
