import { existsSync } from "node:fs"
import { DatabaseSync, type DatabaseSyncInstance, type StatementSyncInstance } from "@photostructure/sqlite"
import type { RecordedEvent } from "../../domain/Event.js"
import { PARTITIONS, type Partition, partitionOfStream } from "../../domain/Partition.js"
import { LogDamaged, LogUnavailable } from "../EventLog.js"
import { failureOf } from "./Failure.js"
import { filesOf } from "./Files.js"
import { PackedPage, packedRows } from "./PackedPage.js"
import { columns, decodeRow, type NamedRow, type Row } from "./Rows.js"
import { checkMeta } from "./Schema.js"
import { StreamNames } from "./StreamNames.js"

type Statement = StatementSyncInstance

/**
 * Events of a stretch of the log; `scannedTo` is the last sequence that was looked at. `chars`: of all texts of the
 * stretch when it was read whole, else 0.
 */
export interface Page {
  readonly events: ReadonlyArray<RecordedEvent>
  readonly scannedTo: number
  readonly chars: number
}

/** As `Page`, with rows as they are stored; undefined at the end of the log. */
export interface StoredPage {
  readonly rows: PackedPage | undefined
  readonly scannedTo: number
}

const isIn = (partitions: ReadonlySet<Partition>, stream: string): boolean => {
  const partition = partitionOfStream(stream)
  return partition !== undefined && partitions.has(partition)
}

const charsOf = (rows: ReadonlyArray<Row | NamedRow>): number =>
  rows.reduce((sum, row) => sum + String(row[4]).length + String(row[5]).length, 0)

/** A 1 for each partition that is among them, else a 0. */
const bitsOf = (partitions: ReadonlySet<Partition>): string =>
  Array.from({ length: PARTITIONS }, (_, partition) => (partitions.has(partition) ? "1" : "0")).join("")

const named = "events LEFT JOIN streams ON streams.id = stream"
const between = "sequence BETWEEN ?1 AND ?2"

/**
 * Rows of a stretch whose stream is of one of the partitions in bits ?3, or is missing, and the last row: SQLite looks
 * at the names, so that a foreign row costs a fifth of reading it here. A name with no partition in it may pass.
 */
const ofPartitions = `${between} AND (
    name IS NULL OR sequence = ?2
    OR substr(?3, 1 + CAST(substr(name, 1 + instr(name, '-'), 3) AS INTEGER), 1) = '1'
  )`

/** Reads the same of the rows of a stretch: of all of them, or of those of some partitions. */
interface Select {
  readonly all: Statement
  readonly some: Statement
}

/** Sequences that one page covers at most, when it is read whole and when only some streams are wanted. */
const PAGE_EVENTS = 2_000
const FILTERED_PAGE_EVENTS = 8_000
/** Characters that a page should hold: large events make short pages. */
const PAGE_CHARS = 2 * 1024 * 1024

/**
 * A connection that only reads. Every call is synchronous and short: a page at most. Checks each row, but for those of
 * `storedAfter`, and that sequences and revisions have no gap; throws LogDamaged or LogUnavailable.
 */
export class DiskReader {
  readonly logId: string
  readonly file: string
  readonly #db: DatabaseSyncInstance
  readonly #names: StreamNames
  readonly #head: Statement
  readonly #plain: Select
  readonly #packed: Select
  readonly #count: Statement
  readonly #streamsBetween: Statement
  readonly #one: Statement
  readonly #up: Statement
  readonly #down: Statement
  #pageEvents = 256

  constructor(directory: string) {
    const file = filesOf(directory).database
    this.file = file
    if (!existsSync(file)) throw new LogUnavailable({ reason: `there is no event log in ${directory}` })
    let db: DatabaseSyncInstance | undefined
    try {
      db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 })
      this.#db = db
      db.exec("PRAGMA cache_size = -16384")
      this.logId = checkMeta(db, file)
      this.#names = new StreamNames(db, file)
      const arrays = (sql: string): Statement => {
        const statement = this.#db.prepare(sql)
        statement.setReturnArrays(true)
        return statement
      }
      this.#head = arrays("SELECT max(sequence) FROM events")
      this.#plain = {
        all: arrays(`SELECT ${columns} FROM events WHERE ${between} ORDER BY sequence`),
        some: arrays(`SELECT ${columns}, name FROM ${named} WHERE ${ofPartitions} ORDER BY sequence`),
      }
      this.#packed = {
        all: arrays(`SELECT ${packedRows}, count(*) FROM events WHERE ${between}`),
        some: arrays(`SELECT ${packedRows}, count(*) FROM ${named} WHERE ${ofPartitions}`),
      }
      this.#count = arrays("SELECT count(*) FROM events WHERE sequence BETWEEN ? AND ?")
      this.#streamsBetween = arrays(
        "SELECT sequence, stream FROM events WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
      )
      this.#one = arrays(`SELECT ${columns} FROM events WHERE sequence = ?`)
      this.#up = arrays(
        `SELECT ${columns} FROM events WHERE stream = ? AND revision >= ? ORDER BY revision LIMIT ?`,
      )
      this.#down = arrays(
        `SELECT ${columns} FROM events WHERE stream = ? AND revision <= ? ORDER BY revision DESC LIMIT ?`,
      )
    } catch (cause) {
      db?.close()
      throw failureOf(cause, file)
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close()
  }

  /** Sequence of the last event, 0 when there is none. */
  head(): number {
    return this.#try("the last event", () => (this.#head.get() as unknown as [number | null])[0] ?? 0)
  }

  /** The next stretch after a sequence, towards the end of the log. */
  after(
    sequence: number,
    prefixes: ReadonlyArray<string> | undefined,
    limit: number,
    partitions?: ReadonlySet<Partition>,
  ): Page {
    const to = Math.min(this.head(), sequence + this.#length(prefixes, limit))
    if (to <= sequence) return { events: [], scannedTo: sequence, chars: 0 }
    return { ...this.#stretch(sequence + 1, to, prefixes, partitions), scannedTo: to }
  }

  /** The same, not taken apart yet, and not checked but for that none is missing. */
  storedAfter(sequence: number, limit: number, partitions?: ReadonlySet<Partition>): StoredPage {
    const from = sequence + 1
    const to = Math.min(this.head(), sequence + this.#length(undefined, limit))
    if (to < from) return { rows: undefined, scannedTo: sequence }
    return this.#try(`events ${from} to ${to}`, () => {
      const { all, some } = this.#packed
      const row = partitions === undefined ? all.get(from, to) : some.get(from, to, bitsOf(partitions))
      const [bytes, found] = row as unknown as [Uint8Array, number]
      if (partitions !== undefined || found !== to - sequence) this.#noneMissing(from, to)
      this.#adapt(to - sequence, bytes.length)
      return { rows: new PackedPage(bytes, this.file, this.#names), scannedTo: to }
    })
  }

  /** Counts the events of each partition in so many stretches, which lie as far apart in the whole log. */
  *weights(stretches: number, length: number): Generator<undefined, ReadonlyArray<number>> {
    const counts = new Array<number>(PARTITIONS).fill(0)
    const head = this.head()
    const step = Math.max(length, Math.floor(head / stretches))
    for (let first = 1; first <= head; first += step) {
      const to = Math.min(head, first + length - 1)
      this.#try(`events ${first} to ${to}`, () => {
        const rows = this.#streamsBetween.all(first, to) as unknown as Array<[number, number]>
        for (const [sequence, id] of rows) {
          const { partition } = this.#names.known(id, sequence)
          if (partition !== undefined) counts[partition] = (counts[partition] as number) + 1
        }
      })
      yield
    }
    return counts
  }

  /** The stretch before a sequence, newest first; `scannedTo` is the oldest looked at. */
  before(sequence: number, prefixes: ReadonlyArray<string> | undefined, limit: number): Page {
    const from = Math.max(1, sequence - this.#length(prefixes, limit))
    if (from >= sequence) return { events: [], scannedTo: from, chars: 0 }
    const { events, chars } = this.#stretch(from, sequence - 1, prefixes)
    return { events: events.toReversed(), scannedTo: from, chars }
  }

  /** A page of one stream, from a revision on, up or down. */
  stream(stream: string, from: number, backwards: boolean, limit: number): ReadonlyArray<RecordedEvent> {
    return this.#try(`stream ${stream}`, () => {
      const id = this.#names.idOf(stream)
      if (id === undefined) return []
      const count = Math.min(this.#pageEvents, limit)
      const rows = (backwards ? this.#down : this.#up).all(id, from, count) as unknown as Array<Row>
      // Backwards from the end the first revision is whatever the last one is.
      let revision = backwards ? Math.min(from, rows[0]?.[2] ?? from) : from
      for (const row of rows) {
        if (row[2] !== revision) throw this.#gap(`${stream}, revision ${revision}`)
        revision += backwards ? -1 : 1
      }
      if (backwards && rows.length < count && revision >= 0)
        throw this.#gap(`${stream}, revision ${revision}`)
      this.#adapt(rows.length, charsOf(rows))
      return rows.map((row) => decodeRow(row, stream, this.file))
    })
  }

  #stretch(
    from: number,
    to: number,
    prefixes: ReadonlyArray<string> | undefined,
    partitions?: ReadonlySet<Partition>,
  ): Pick<Page, "events" | "chars"> {
    return this.#try(`events ${from} to ${to}`, () => {
      if (prefixes !== undefined) return { events: this.#filtered(from, to, prefixes), chars: 0 }
      const rows = this.#rows(from, to, partitions)
      const chars = charsOf(rows)
      this.#adapt(rows.length, chars)
      const events: Array<RecordedEvent> = []
      for (const row of rows) {
        const stream = row[7] ?? this.#names.nameOf(row[1], row[0])
        if (partitions === undefined || row[0] === to || isIn(partitions, stream))
          events.push(decodeRow(row, stream, this.file))
      }
      return { events, chars }
    })
  }

  /** The rows of a stretch, or those of some partitions and the last one whoever's it is. That none is missing is counted. */
  #rows(
    from: number,
    to: number,
    partitions: ReadonlySet<Partition> | undefined,
  ): ReadonlyArray<Row | NamedRow> {
    if (partitions === undefined) {
      const rows = this.#plain.all.all(from, to) as unknown as Array<Row>
      this.#whole(rows, from, to)
      return rows
    }
    this.#noneMissing(from, to)
    return this.#plain.some.all(from, to, bitsOf(partitions)) as unknown as Array<NamedRow>
  }

  /** Looks at the stream of each row first, and reads only the rows that are wanted. */
  #filtered(from: number, to: number, prefixes: ReadonlyArray<string>): Array<RecordedEvent> {
    const rows = this.#streamsBetween.all(from, to) as unknown as Array<[number, number]>
    this.#whole(rows, from, to)
    const found: Array<RecordedEvent> = []
    for (const [sequence, id] of rows) {
      const stream = this.#names.nameOf(id, sequence)
      if (!prefixes.some((prefix) => stream.startsWith(prefix))) continue
      const row = this.#one.get(sequence) as unknown as Row | undefined
      if (row === undefined) throw this.#gap(`event ${sequence}`)
      found.push(decodeRow(row, stream, this.file))
    }
    return found
  }

  #noneMissing(from: number, to: number): void {
    const [found] = this.#count.get(from, to) as unknown as [number]
    if (found === to - from + 1) return
    this.#whole(this.#streamsBetween.all(from, to) as unknown as Array<[number, number]>, from, to)
  }

  #whole(rows: ReadonlyArray<readonly [number, ...ReadonlyArray<unknown>]>, from: number, to: number): void {
    for (let i = 0; i <= to - from; i++) if (rows[i]?.[0] !== from + i) throw this.#gap(`event ${from + i}`)
  }

  #gap(what: string): LogDamaged {
    return new LogDamaged({
      place: `${this.file}, ${what}`,
      reason: "it is missing, though later ones are there. Restore the log from a backup",
    })
  }

  #length(prefixes: ReadonlyArray<string> | undefined, limit: number): number {
    return prefixes === undefined
      ? Math.min(this.#pageEvents, limit)
      : Math.min(this.#pageEvents * 4, FILTERED_PAGE_EVENTS)
  }

  /** The next page is as long as rows of this size allow. */
  #adapt(rows: number, chars: number): void {
    if (rows === 0) return
    const fitting = Math.floor((PAGE_CHARS * rows) / (chars + 1))
    this.#pageEvents = Math.max(16, Math.min(PAGE_EVENTS, fitting, this.#pageEvents * 2))
  }

  #try<A>(what: string, read: () => A): A {
    try {
      return read()
    } catch (cause) {
      throw failureOf(cause, `${this.file}, ${what}`)
    }
  }
}
