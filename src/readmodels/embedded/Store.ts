import { existsSync, statSync } from "node:fs"
import type { Partition } from "../../domain/Partition.js"
import { start } from "../../domain/Position.js"
import type {
  Answer,
  Build,
  BuildState,
  Checkpoint,
  Doc,
  Put,
  Question,
  Ref,
  Row,
  Scan,
} from "../ReadModels.js"
import { decodeCheckpoints, encodeCheckpoints } from "./Checkpoints.js"
import {
  createTable,
  type Database,
  databaseFile,
  openReader,
  openWriter,
  type Statement,
  Table,
  tableName,
} from "./Tables.js"

interface DocRow {
  readonly key: string
  readonly doc: string
}

interface System {
  readonly builds: Statement
  readonly checkpoints: Statement
}

/** When readers keep the write-ahead log from starting over, it is forced to, but not all the time. */
const LARGE_WAL = 256 * 1024 * 1024
const FORCE_EVERY_MS = 30_000

/** Puts of each collection in order of their keys: neighbours lie in the same pages. */
const sorted = (puts: ReadonlyArray<Put>): ReadonlyMap<string, ReadonlyArray<Put>> => {
  const collections = new Map<string, Array<Put>>()
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
 * Read models in one SQLite file, synchronously; errors are thrown. One writer, any number of readers
 * in other threads and processes. A reader that comes before the file exists finds everything empty.
 */
export class Store {
  private database: Database | undefined
  private system: System | undefined
  /** By build and collection. Undefined for one that the writer, who alone makes tables, knows is not there. */
  private readonly tables = new Map<string, Map<string, Table | undefined>>()
  private lastCheckpoints: { readonly text: string; readonly map: Map<Partition, Checkpoint> } | undefined
  private forcedAt = 0

  constructor(
    private readonly directory: string,
    private readonly mode: "writer" | "reader",
  ) {
    if (mode === "writer") this.database = openWriter(directory)
  }

  close(): void {
    this.tables.clear()
    this.system = undefined
    this.database?.close()
    this.database = undefined
  }

  private open(): Database | undefined {
    if (this.database === undefined && this.mode === "reader" && existsSync(databaseFile(this.directory))) {
      this.database = openReader(this.directory)
    }
    return this.database
  }

  /** Undefined while the writer has made no tables yet. */
  private statements(): System | undefined {
    if (this.system !== undefined) return this.system
    const database = this.open()
    if (database === undefined) return undefined
    this.system = whereTableExists(() => ({
      builds: database.prepare("SELECT id, projection, definition, state FROM builds ORDER BY id"),
      checkpoints: database.prepare("SELECT partitions FROM checkpoints WHERE build = ?"),
    }))
    return this.system
  }

  /** Undefined when nothing was ever put into the collection. */
  private table(build: string, collection: string): Table | undefined {
    const known = this.tables.get(build)
    const table = known?.get(collection)
    if (table !== undefined || known?.has(collection) === true) return table
    const database = this.open()
    if (database === undefined) return undefined
    const isWriter = this.mode === "writer"
    const found = whereTableExists(() => new Table(database, build, collection, isWriter))
    if (found !== undefined || isWriter) this.keep(build, collection, found)
    return found
  }

  private keep(build: string, collection: string, table: Table | undefined): void {
    const known = this.tables.get(build)
    if (known === undefined) this.tables.set(build, new Map([[collection, table]]))
    else known.set(collection, table)
  }

  /** Runs a read; a table that its owner has dropped since reads as empty. */
  private read<A>(build: string, collection: string, use: (table: Table) => A, empty: A): A {
    const table = this.table(build, collection)
    if (table === undefined) return empty
    const answer = whereTableExists(() => ({ value: use(table) }))
    if (answer === undefined) this.tables.get(build)?.delete(collection)
    return answer === undefined ? empty : answer.value
  }

  builds(): ReadonlyArray<Build> {
    const rows = (this.statements()?.builds.all() ?? []) as ReadonlyArray<Record<string, string>>
    return rows.map((row) => ({
      id: row.id as string,
      projection: row.projection as string,
      definition: row.definition as string,
      state: row.state as BuildState,
    }))
  }

  saveBuild(build: Build): void {
    this.write((database) => {
      if (build.state === "SERVING") {
        database
          .prepare(
            "UPDATE builds SET state = 'STANDBY' WHERE projection = ? AND state = 'SERVING' AND id <> ?",
          )
          .run(build.projection, build.id)
      }
      database
        .prepare("INSERT OR REPLACE INTO builds (id, projection, definition, state) VALUES (?, ?, ?, ?)")
        .run(build.id, build.projection, build.definition, build.state)
    })
  }

  dropBuild(build: string): void {
    const tables =
      this.database?.prepare("SELECT collection FROM collections WHERE build = ?").all(build) ?? []
    // A table can't be dropped while a statement of it is held.
    this.tables.clear()
    this.write((database) => {
      for (const { collection } of tables as ReadonlyArray<{ readonly collection: string }>) {
        database.exec(`DROP TABLE IF EXISTS ${tableName(build, collection)}`)
      }
      for (const table of ["collections", "checkpoints"]) {
        database.prepare(`DELETE FROM ${table} WHERE build = ?`).run(build)
      }
      database.prepare("DELETE FROM builds WHERE id = ?").run(build)
    })
  }

  checkpoints(build: string): ReadonlyMap<Partition, Checkpoint> {
    const row = this.statements()?.checkpoints.get(build) as { readonly partitions: string } | undefined
    if (row === undefined) return new Map()
    if (this.lastCheckpoints?.text !== row.partitions) {
      this.lastCheckpoints = { text: row.partitions, map: decodeCheckpoints(row.partitions) }
    }
    return this.lastCheckpoints.map
  }

  load(build: string, ref: Ref): Doc | undefined {
    const row = this.read(build, ref.collection, (table) => table.get.get(ref.key), undefined)
    return row === undefined ? undefined : JSON.parse((row as DocRow).doc)
  }

  /**
   * As `load`, for the writer between commits. It leaves a transaction open, which the next commit ends:
   * within one a look-up costs a third. Nobody else writes, so that it stays valid.
   */
  loadNow(build: string, ref: Ref): Doc | undefined {
    if (this.database?.isTransaction === false) this.database.exec("BEGIN")
    return this.load(build, ref)
  }

  loadMany(build: string, refs: ReadonlyArray<Ref>): ReadonlyArray<Doc | undefined> {
    return this.atOneMoment(() => refs.map((ref) => this.load(build, ref)))
  }

  queryMany(build: string, questions: ReadonlyArray<Question>): ReadonlyArray<Answer> {
    return this.atOneMoment(() => {
      const checkpoints = this.checkpoints(build)
      return questions.map(({ partition, scans, follow }) => {
        const rows = scans.map((scan) => this.scan(build, scan))
        for (const scan of follow?.([...rows]) ?? []) rows.push(this.scan(build, scan))
        return { checkpoint: checkpoints.get(partition) ?? none, rows }
      })
    })
  }

  private scan(build: string, scan: Scan): ReadonlyArray<Row> {
    const rows = this.read(
      build,
      scan.collection,
      (table) => (scan.reverse === true ? table.down : table.up).all(scan.from, scan.to, scan.limit ?? -1),
      [],
    ) as ReadonlyArray<DocRow>
    return rows.map((row) => ({ key: row.key, doc: JSON.parse(row.doc) }))
  }

  commit(build: string, puts: ReadonlyArray<Put>, checkpoints: ReadonlyMap<Partition, Checkpoint>): void {
    this.write((database) => {
      for (const [collection, some] of sorted(puts)) {
        const table = this.table(build, collection) ?? this.addTable(database, build, collection)
        for (const { key, doc } of some) {
          if (doc === undefined) table.remove?.run(key)
          else table.upsert?.run(key, JSON.stringify(doc))
        }
      }
      if (checkpoints.size === 0) return
      const all = new Map([...this.checkpoints(build), ...checkpoints])
      database
        .prepare("INSERT OR REPLACE INTO checkpoints (build, partitions) VALUES (?, ?)")
        .run(build, encodeCheckpoints(all))
    })
    this.boundWal()
  }

  private addTable(database: Database, build: string, collection: string): Table {
    database.exec(createTable(build, collection))
    database
      .prepare("INSERT OR IGNORE INTO collections (build, collection) VALUES (?, ?)")
      .run(build, collection)
    const table = new Table(database, build, collection, true)
    this.keep(build, collection, table)
    return table
  }

  private write(run: (database: Database) => void): void {
    const database = this.database
    if (database === undefined || this.mode !== "writer") throw new Error("not open for writing")
    if (!database.isTransaction) database.exec("BEGIN IMMEDIATE")
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
  atOneMoment<A>(use: () => A): A {
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
    this.builds()
  }

  private boundWal(): void {
    const now = Date.now()
    if (now - this.forcedAt < FORCE_EVERY_MS) return
    const wal = statSync(`${databaseFile(this.directory)}-wal`, { throwIfNoEntry: false })
    if (wal === undefined || wal.size < LARGE_WAL) return
    this.forcedAt = now
    // A reader with a long snapshot (verify) must not hold up the writer for more than a moment.
    this.database?.exec(
      "PRAGMA busy_timeout = 200; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout = 5000",
    )
  }
}

const whereTableExists = <A>(use: () => A): A | undefined => {
  try {
    return use()
  } catch (error) {
    if (error instanceof Error && error.message.includes("no such table")) return undefined
    throw error
  }
}
