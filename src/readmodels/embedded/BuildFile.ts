import { existsSync, statSync } from "node:fs"
import type { Partition } from "../../domain/Partition.js"
import { start } from "../../domain/Position.js"
import { textOf } from "../DocText.js"
import type { Answer, Checkpoint, Doc, Put, Question, Ref, Row, Scan } from "../ReadModels.js"
import { decodeCheckpoints, encodeCheckpoints } from "./Checkpoints.js"
import { KnownKeys } from "./KnownKeys.js"
import {
  createTable,
  type Database,
  databaseFile,
  hasCollections,
  openReader,
  openWriter,
  removeDatabase,
  type Statement,
  Table,
  WAIT_MS,
  whereTableExists,
} from "./Tables.js"

interface DocRow {
  readonly key: string
  readonly doc: string
}

/** When readers keep the write-ahead log from starting over, it is forced to, but not all the time. */
const LARGE_WAL = 256 * 1024 * 1024
const FORCE_EVERY_MS = 30_000
/** Another writer reads nearly all the time, and lets go of what it reads often: this one may wait for it. */
const LARGE_WAL_OF_SEVERAL = 128 * 1024 * 1024
const FORCE_EVERY_MS_OF_SEVERAL = 1_000
/** After so many documents a writer among several reads on from what the others have committed meanwhile. */
const LOADS = 512

interface TextPut extends Put {
  /** Of the document, where it is made already. */
  readonly text?: string
}

const withText = ({ collection, key, doc }: Put): TextPut =>
  doc === undefined ? { collection, key, doc } : { collection, key, doc, text: textOf(doc) }

/** Puts of each collection in order of their keys: neighbours lie in the same pages. */
const sorted = (puts: ReadonlyArray<TextPut>): ReadonlyMap<string, ReadonlyArray<TextPut>> => {
  const collections = new Map<string, Array<TextPut>>()
  for (const put of puts) {
    const known = collections.get(put.collection)
    if (known === undefined) collections.set(put.collection, [put])
    else known.push(put)
  }
  for (const some of collections.values()) some.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  return collections
}

const none: Answer["checkpoint"] = { position: start, recordedAt: null }

/**
 * The documents of one build in one SQLite file, synchronously; errors are thrown. Any number of readers in other
 * threads and processes, and one writer; or several, which are told so, and none of which touches another's
 * documents and partitions: they take turns to commit. A build that has no file has no documents.
 */
export class BuildFile {
  private database: Database | undefined
  private checkpointRow: Statement | undefined
  /** Undefined for one that the writer, who alone makes tables, knows is not there. */
  private readonly tables = new Map<string, Table | undefined>()
  private lastCheckpoints: { readonly text: string; readonly map: Map<Partition, Checkpoint> } | undefined
  private forcedAt = 0
  /** Of the file that is open, to a reader. */
  private inode = 0
  private isHeld = false
  private loads = 0
  /** Of this writer, from when the file had no document. */
  private known: KnownKeys | undefined

  constructor(
    private readonly directory: string,
    private readonly build: string,
    private readonly mode: "writer" | "reader",
    private readonly writers = 1,
  ) {}

  private get file(): string {
    return databaseFile(this.directory, this.build)
  }

  close(): void {
    this.tables.clear()
    this.checkpointRow = undefined
    this.lastCheckpoints = undefined
    this.database?.close()
    this.database = undefined
    this.known = undefined
    this.isHeld = false
  }

  /** Removes the file. Readers that have it open read on in what they have. */
  remove(): void {
    this.close()
    removeDatabase(this.file)
  }

  /** Undefined while there is no file. A reader looks whether it is still the one that it has open. */
  private open(): Database | undefined {
    if (this.mode === "writer") {
      if (this.database === undefined && existsSync(this.file)) this.create()
      return this.database
    }
    if (this.isHeld || this.database?.isTransaction === true) return this.database
    const inode = statSync(this.file, { throwIfNoEntry: false })?.ino ?? 0
    if (inode !== this.inode) {
      this.close()
      this.inode = 0
      if (inode !== 0) this.database = openReader(this.directory, this.build)
      if (this.database !== undefined) this.inode = inode
    }
    return this.database
  }

  private create(): Database {
    if (this.database === undefined) {
      this.database = openWriter(this.directory, this.build, this.writers)
      // What the only writer has not put since is not there.
      if (this.writers === 1 && !hasCollections(this.database)) this.known = new KnownKeys()
    }
    return this.database
  }

  /** Undefined when nothing was ever put into the collection. */
  private table(collection: string): Table | undefined {
    const known = this.tables.get(collection)
    if (known !== undefined || this.tables.has(collection)) return known
    const database = this.open()
    if (database === undefined) return undefined
    const isWriter = this.mode === "writer"
    const found = whereTableExists(() => new Table(database, collection, isWriter))
    if (found !== undefined || isWriter) this.tables.set(collection, found)
    return found
  }

  checkpoints(): ReadonlyMap<Partition, Checkpoint> {
    const database = this.open()
    if (database === undefined) return new Map()
    this.checkpointRow ??= whereTableExists(() => database.prepare('SELECT partitions FROM "%checkpoints"'))
    const row = this.checkpointRow?.get() as { readonly partitions: string } | undefined
    if (row === undefined) return new Map()
    if (this.lastCheckpoints?.text !== row.partitions) {
      this.lastCheckpoints = { text: row.partitions, map: decodeCheckpoints(row.partitions) }
    }
    return this.lastCheckpoints.map
  }

  private load({ collection, key }: Ref): Doc | undefined {
    const row = this.table(collection)?.get.get(key)
    return row === undefined ? undefined : JSON.parse((row as DocRow).doc)
  }

  /**
   * One document, for the writer between commits. It leaves a transaction open, which the next commit ends:
   * within one a look-up costs a third. Nobody else writes these documents, so that it stays valid.
   */
  loadNow(ref: Ref): Doc | undefined {
    const database = this.open()
    if (this.known?.mayHave(ref.collection, ref.key) === false) return undefined
    if (database?.isTransaction === true && this.writers > 1 && ++this.loads % LOADS === 0) {
      // What others commit can't be moved out of the write-ahead log while somebody reads without it.
      database.exec("COMMIT")
    }
    if (database?.isTransaction === false) database.exec("BEGIN")
    return this.load(ref)
  }

  loadMany(refs: ReadonlyArray<Ref>): ReadonlyArray<Doc | undefined> {
    return this.atOneMoment(() => refs.map((ref) => this.load(ref)))
  }

  queryMany(questions: ReadonlyArray<Question>): ReadonlyArray<Answer> {
    return this.atOneMoment(() => {
      const checkpoints = this.checkpoints()
      return questions.map(({ partition, scans, follow }) => {
        const rows = scans.map((scan) => this.scan(scan))
        for (const scan of follow?.([...rows]) ?? []) rows.push(this.scan(scan))
        return { checkpoint: checkpoints.get(partition) ?? none, rows }
      })
    })
  }

  private scan({ collection, from, to, limit, reverse }: Scan): ReadonlyArray<Row> {
    const table = this.table(collection)
    if (table === undefined) return []
    const scan = reverse === true ? table.down : table.up
    const rows = scan.all(from, to, limit ?? -1) as unknown as ReadonlyArray<DocRow>
    return rows.map((row) => ({ key: row.key, doc: JSON.parse(row.doc) }))
  }

  commit(puts: ReadonlyArray<Put>, checkpoints: ReadonlyMap<Partition, Checkpoint>): void {
    // Texts take half of the time of a commit, and room: they are made beforehand where another writer waits.
    const collections = sorted(this.writers === 1 ? puts : puts.map(withText))
    this.write((database) => {
      for (const [collection, some] of collections) {
        const table = this.table(collection) ?? this.addTable(database, collection)
        for (const { key, doc, text } of some) {
          if (doc === undefined) table.remove?.run(key)
          else {
            this.known?.add(collection, key)
            table.upsert?.run(key, text ?? textOf(doc))
          }
        }
      }
      if (checkpoints.size === 0) return
      const all = new Map([...this.checkpoints(), ...checkpoints])
      database.prepare('INSERT OR REPLACE INTO "%checkpoints" VALUES (1, ?)').run(encodeCheckpoints(all))
    })
    this.boundWal()
  }

  private addTable(database: Database, collection: string): Table {
    database.exec(createTable(collection))
    const table = new Table(database, collection, true)
    this.tables.set(collection, table)
    return table
  }

  private write(run: (database: Database) => void): void {
    if (this.mode !== "writer") throw new Error("not open for writing")
    const database = this.create()
    // One that has read before another committed can't go on to write.
    if (database.isTransaction) database.exec("COMMIT")
    database.exec("BEGIN IMMEDIATE")
    try {
      run(database)
      database.exec("COMMIT")
    } catch (error) {
      // Tables that the transaction made are gone with it.
      this.tables.clear()
      if (database.isTransaction) database.exec("ROLLBACK")
      throw error
    }
  }

  /** Begins a snapshot, so that `use` sees one state however many statements it runs. */
  private atOneMoment<A>(use: () => A): A {
    const database = this.open()
    if (database === undefined || database.isTransaction) return use()
    database.exec("BEGIN")
    try {
      return use()
    } finally {
      database.exec("COMMIT")
    }
  }

  /** Stays at what is committed now, until it is closed. */
  hold(): void {
    this.open()?.exec("BEGIN")
    this.checkpoints()
    this.isHeld = true
  }

  private boundWal(): void {
    const now = Date.now()
    const isAlone = this.writers === 1
    if (now - this.forcedAt < (isAlone ? FORCE_EVERY_MS : FORCE_EVERY_MS_OF_SEVERAL)) return
    const wal = statSync(`${this.file}-wal`, { throwIfNoEntry: false })
    if (wal === undefined || wal.size < (isAlone ? LARGE_WAL : LARGE_WAL_OF_SEVERAL)) return
    this.forcedAt = now
    // A reader with a long snapshot (verify) must not hold up the writer for more than a moment.
    this.database?.exec("PRAGMA busy_timeout = 200; PRAGMA wal_checkpoint(TRUNCATE)")
    this.database?.exec(`PRAGMA busy_timeout = ${WAIT_MS}`)
  }
}
