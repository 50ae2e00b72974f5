// What the stand-in stores, and the rules by which EventStoreDB 23.10 stores: expected revisions, appends
// that are repeated, positions that rise by bytes. One line of the file is one append, synced before anyone
// is told, so that `kill -9` keeps exactly what was acknowledged and perhaps more, whole.
import { closeSync, existsSync, fdatasync, openSync, readFileSync, truncateSync, write } from "node:fs"

export const NO_STREAM = -1n
const SYSTEM_EVERY = 10

/** About what a record takes in a real log: positions are byte offsets, and nobody may count with them. */
const RECORD_OVERHEAD = 110

const sizeOf = (event) => event.data.length + event.metadata.length + event.type.length * 2

/** What counts towards the limit of an append, as `Event.SizeOnDisk` of the server does. */
export const appendSize = (events) => events.reduce((sum, event) => sum + sizeOf(event), 0)

export class Log {
  /** Every record in order of position. */
  all = []
  streams = new Map()
  #end = 0n
  #handle
  #waiting = []
  #writing = false
  #appends = 0
  #listeners = new Set()

  constructor(file) {
    if (existsSync(file)) this.#load(file)
    this.#handle = openSync(file, "a")
    // The server writes statistics about itself: no log is ever without events of others.
    if (this.all.length === 0) this.#system()
  }

  get end() {
    return this.#end
  }

  onCommit(listener) {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  stream(name) {
    return this.streams.get(name)
  }

  /** The revision that a reader of the stream would see last; NO_STREAM also for a soft-deleted stream. */
  lastRevision(name) {
    const stream = this.streams.get(name)
    return stream === undefined || stream.truncatedBefore > BigInt(stream.records.length) - 1n
      ? NO_STREAM
      : BigInt(stream.records.length) - 1n
  }

  /**
   * Decides and stores; `done` is called when it is on disk.
   * `expected`: a revision, or "any", "no_stream", "stream_exists".
   */
  append(name, expected, events, done) {
    const outcome = this.#check(name, expected, events)
    if (outcome !== undefined) {
      // What is answered as stored before must be on disk too: it waits for the sync under way.
      this.#waiting.push({ line: undefined, records: [], done: () => done(outcome) })
      this.#sync()
      return
    }
    const records = this.#records(name, events)
    this.#remember(records)
    const last = records[records.length - 1]
    const revision = last === undefined ? this.lastRevision(name) : last.revision
    const position = last?.position
    this.#enqueue(records, () => done({ _tag: "Success", revision, position }))
    if (!name.startsWith("$") && ++this.#appends % SYSTEM_EVERY === 0) this.#system()
  }

  /** Soft: what is in the stream is hidden, and the next event continues its revisions. */
  softDelete(name, done) {
    const stream = this.streams.get(name)
    const before = stream === undefined ? 0n : BigInt(stream.records.length)
    const event = {
      id: crypto.randomUUID(),
      type: "$metadata",
      contentType: "application/json",
      data: Buffer.from(JSON.stringify({ $tb: Number(before) })),
      metadata: Buffer.alloc(0),
    }
    const records = this.#records(`$$${name}`, [event])
    this.#remember(records)
    this.#enqueue(records, () => done(records[0].position))
  }

  close() {
    closeSync(this.#handle)
  }

  #check(name, expected, events) {
    const stream = this.streams.get(name)
    const current = stream === undefined ? NO_STREAM : BigInt(stream.records.length) - 1n
    if (expected === "any") return undefined
    const hidden = this.lastRevision(name) === NO_STREAM
    const wrong = { _tag: "WrongExpectedVersion", current }
    if (expected === "stream_exists") return hidden ? wrong : undefined
    const revision = expected === "no_stream" ? NO_STREAM : expected
    if (revision === current || (revision === NO_STREAM && hidden)) return undefined
    if (revision > current) return wrong
    let at = revision
    for (const { id } of events) {
      at += 1n
      if (stream.records[Number(at)]?.id !== id) return wrong
    }
    if (events.length === 0) return wrong
    return { _tag: "Success", revision: at, position: stream.records[Number(at)].position }
  }

  #records(name, events) {
    const first = BigInt(this.streams.get(name)?.records.length ?? 0)
    return events.map((event, index) => {
      const position = this.#end
      this.#end += BigInt(sizeOf(event) + RECORD_OVERHEAD + name.length)
      return { ...event, stream: name, revision: first + BigInt(index), position, created: Date.now() }
    })
  }

  #remember(records) {
    for (const record of records) {
      let stream = this.streams.get(record.stream)
      if (stream === undefined) {
        stream = { records: [], truncatedBefore: 0n }
        this.streams.set(record.stream, stream)
      }
      stream.records.push(record)
      if (record.type !== "$metadata" || !record.stream.startsWith("$$")) continue
      const about = this.streams.get(record.stream.slice(2))
      if (about !== undefined) about.truncatedBefore = BigInt(JSON.parse(record.data.toString()).$tb ?? 0)
    }
  }

  #system() {
    const stats = {
      id: crypto.randomUUID(),
      type: "$statsCollected",
      contentType: "application/json",
      data: Buffer.from(JSON.stringify({ "proc-mem": process.memoryUsage.rss() })),
      metadata: Buffer.alloc(0),
    }
    const records = this.#records("$stats-127.0.0.1:2113", [stats])
    this.#remember(records)
    this.#enqueue(records, () => {})
  }

  #enqueue(records, done) {
    const line = JSON.stringify(
      records.map(({ stream, id, type, contentType, data, metadata, position, created }) => [
        stream,
        id,
        type,
        contentType,
        data.toString("base64"),
        metadata.toString("base64"),
        String(position),
        created,
      ]),
    )
    this.#waiting.push({ line, records, done })
    this.#sync()
  }

  /** Everything that waits shares one write and one sync. */
  #sync() {
    if (this.#writing) return
    this.#writing = true
    setImmediate(() => {
      const batch = this.#waiting
      this.#waiting = []
      const text = batch.map(({ line }) => (line === undefined ? "" : `${line}\n`)).join("")
      const finish = (error) => {
        if (error) throw error
        this.#writing = false
        // Readers see what is on disk, in the order of positions.
        for (const { records } of batch) this.all.push(...records)
        for (const { done } of batch) done()
        for (const listener of this.#listeners) listener()
        if (this.#waiting.length > 0) this.#sync()
      }
      if (text === "") return finish()
      write(this.#handle, text, (error) => (error ? finish(error) : fdatasync(this.#handle, finish)))
    })
  }

  #load(file) {
    const bytes = readFileSync(file)
    let from = 0
    for (let to = bytes.indexOf(10); to !== -1; to = bytes.indexOf(10, from)) {
      const records = JSON.parse(bytes.toString("utf8", from, to)).map(
        ([stream, id, type, contentType, data, metadata, position, created]) => ({
          stream,
          id,
          type,
          contentType,
          data: Buffer.from(data, "base64"),
          metadata: Buffer.from(metadata, "base64"),
          revision: 0n,
          position: BigInt(position),
          created,
        }),
      )
      for (const record of records) {
        record.revision = BigInt(this.streams.get(record.stream)?.records.length ?? 0)
        this.#end = record.position + BigInt(sizeOf(record) + RECORD_OVERHEAD + record.stream.length)
        this.#remember([record])
      }
      this.all.push(...records)
      from = to + 1
    }
    // A line without its end was never acknowledged.
    if (from < bytes.length) truncateSync(file, from)
  }

  /** Index of the first record at or after a position. */
  indexOf(position) {
    let low = 0
    let high = this.all.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.all[middle].position < position) low = middle + 1
      else high = middle
    }
    return low
  }
}
