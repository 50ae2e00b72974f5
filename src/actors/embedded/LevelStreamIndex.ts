import { mkdirSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import { ClassicLevel } from "classic-level"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { uuidToBytes } from "../../domain/Ids.js"
import type { Partition } from "../../domain/Partition.js"
import type { Position } from "../../domain/Position.js"
import type { Merchant } from "../Merchant.js"
import type { Mark, PresenceFact, Stored, StreamEntry, StreamIndex, Ticket } from "../StreamIndex.js"
import { IndexHead } from "./IndexHead.js"
import { SeenFilter } from "./SeenFilter.js"

export class IndexUnavailable extends Data.TaggedError("IndexUnavailable")<{
  readonly directory: string
  readonly reason: string
}> {
  override get message(): string {
    return `the actors' index in ${this.directory} can't be used: ${this.reason}. Stop whatever else uses it; when it is broken, remove it: it is made again from the event log.`
  }
}

export interface LevelStreamIndexOptions {
  readonly directory: string
  /** Ids in memory that start a write at once. */
  readonly flushAt?: number
  /** Longest wait of a recorded id for its write, in milliseconds. */
  readonly flushAfterMs?: number
  /** Ids in memory beyond which there is no room. */
  readonly limit?: number
  /** Memory of the filter that answers for ids and streams that were never seen, in bytes. */
  readonly filterBytes?: number
  readonly warn?: (message: string) => void
}

/** What waits to be written. Ids are 36 characters here and 16 bytes on disk. */
class Layer {
  readonly ids = new Set<string>()
  readonly streams = new Map<string, StreamEntry>()
  /** Streams whose merchant changed since it was last written. */
  readonly changed = new Set<string>()
}

// Keys: an id is its 16 bytes. Everything else is ASCII text, which no id can equal, since the ninth
// byte of a UUID has its highest bit set.
const streamKey = (stream: string): Buffer => Buffer.from(stream, "latin1")
const merchantKey = (stream: string): Buffer => Buffer.from(`=${stream}`, "latin1")
const isId = (key: Buffer): boolean => key.length === 16 && (key[8] ?? 0) >= 0x80
/** The revision alone, or with the presence behind it as JSON for a client that was idle. */
const encodeEntry = ({ revision, presence }: StreamEntry): string =>
  presence === undefined ? String(revision) : `${revision} ${JSON.stringify(presence)}`
const decodeEntry = (text: string): StreamEntry => {
  const cut = text.indexOf(" ")
  return cut < 0
    ? { revision: Number(text) }
    : { revision: Number(text.slice(0, cut)), presence: JSON.parse(text.slice(cut + 1)) as PresenceFact }
}
const HEAD = Buffer.from("head", "latin1")
/** What stands at an id. Not nothing: classic-level never frees its copy of an empty value. */
const SEEN = Buffer.from([1])

/** Keys that one step of filling the filter reads, and the pause after it: a tenth of a processor. */
const FILL_KEYS = 2_000
const FILL_PAUSE_MS = 10

const bytes = { keyEncoding: "buffer", valueEncoding: "buffer" } as const

export class LevelStreamIndex implements StreamIndex {
  private head = new IndexHead()
  private now = new Layer()
  private writing: Layer | undefined
  private current: Promise<void> = Promise.resolve()
  private timer: NodeJS.Timeout | undefined
  private waiting: Array<() => void> = []
  private closed = false
  private seen: SeenFilter
  /** The filter holds all that is on disk, too. */
  private filled = false

  private readonly flushAt: number
  private readonly flushAfterMs: number
  private readonly limit: number

  private constructor(
    private readonly db: ClassicLevel<Buffer, Buffer>,
    private readonly options: LevelStreamIndexOptions,
  ) {
    this.flushAt = options.flushAt ?? 4_096
    this.flushAfterMs = options.flushAfterMs ?? 100
    this.limit = options.limit ?? 100_000
    this.seen = new SeenFilter(options.filterBytes)
  }

  static async open(options: LevelStreamIndexOptions): Promise<LevelStreamIndex> {
    mkdirSync(options.directory, { recursive: true, mode: 0o700 })
    // Random ids don't compress, and the small cache is enough as SeenFilter answers for what is new. Files are
    // mapped, and count as resident as far as they were read: 128 stay open (LevelDB takes ten for itself), and
    // opening one again for a look-up takes some 20 µs.
    const db = new ClassicLevel<Buffer, Buffer>(options.directory, {
      ...bytes,
      compression: false,
      writeBufferSize: 8 << 20,
      maxFileSize: 2 << 20,
      maxOpenFiles: 138,
      cacheSize: 8 << 20,
    })
    await db.open()
    const index = new LevelStreamIndex(db, options)
    const head = db.getSync(HEAD)?.toString("utf8")
    index.head = IndexHead.decode(head)
    if (head === undefined) index.filled = true
    else void index.fill(index.seen)
    return index
  }

  find(stream: string): StreamEntry | undefined {
    if (this.isNew(stream)) return undefined
    const recent = this.now.streams.get(stream) ?? this.writing?.streams.get(stream)
    if (recent !== undefined) return recent
    const revision = this.db.getSync(streamKey(stream))
    if (revision === undefined) return undefined
    const entry = decodeEntry(revision.toString("latin1"))
    const merchant = stream.startsWith("merchant-") ? this.db.getSync(merchantKey(stream)) : undefined
    return merchant === undefined
      ? entry
      : { ...entry, merchant: JSON.parse(merchant.toString("utf8")) as Merchant }
  }

  has(eventId: string): boolean {
    return (
      !this.isNew(eventId) &&
      (this.now.ids.has(eventId) ||
        this.writing?.ids.has(eventId) === true ||
        this.db.getSync(uuidToBytes(eventId)) !== undefined)
    )
  }

  /** The filter has read all that is on disk. */
  get knowsAll(): boolean {
    return this.filled
  }

  /** True only for what was never recorded. Most ids and clients are new, and need no look at the disk. */
  private isNew(key: string): boolean {
    return this.filled && !this.seen.mayHold(key)
  }

  /** Adds what was on disk when the index was opened; what is recorded meanwhile adds itself. */
  private async fill(seen: SeenFilter): Promise<void> {
    const keys = this.db.keys()
    const goesOn = () => !this.closed && this.seen === seen && !seen.gaveUp
    try {
      while (goesOn()) {
        const some = await keys.nextv(FILL_KEYS)
        for (const key of some) seen.add(isId(key) ? key.toString("hex") : key.toString("latin1"))
        if (some.length === 0) {
          if (goesOn()) this.filled = true
          break
        }
        await pause(FILL_PAUSE_MS, undefined, { ref: false })
      }
    } catch (error) {
      // Without the filter every look-up goes to the disk, which is slower and as right.
      if (!this.closed) {
        this.options.warn?.(`the actors' index could not be read through: ${String(error)}`)
      }
    } finally {
      await keys.close().catch(() => {})
    }
  }

  clock = (partition: Partition): number => this.head.clock(partition)
  positionOf = (partition: Partition): Position => this.head.positionOf(partition)
  latest = (): Position => this.head.latest()
  mark = (): Mark | undefined => this.head.checkpoint().mark
  begin = (): Ticket => this.head.begin()
  end = (ticket: Ticket): void => this.head.end(ticket)
  hold = (partition: Partition): void => this.head.hold(partition)
  release = (partition: Partition): void => this.head.release(partition)
  backlog = (): number => this.now.ids.size + (this.writing?.ids.size ?? 0)
  hasRoom = (): boolean => this.backlog() < this.limit

  readUpTo(partitions: ReadonlyArray<Partition>, position: Position): void {
    this.head.readUpTo(partitions, position)
    this.soon()
  }

  record(stored: Stored): void {
    const { stream, revision, recordedAt } = stored
    for (const id of stored.eventIds) {
      this.now.ids.add(id)
      this.seen.add(id)
    }
    if (!this.seen.mayHold(stream)) this.seen.add(stream)
    if (stored.merchantChanged === true) this.now.changed.add(stream)
    const { merchant, presence } = stored
    this.now.streams.set(stream, {
      revision,
      ...(merchant === undefined ? {} : { merchant }),
      ...(presence === undefined ? {} : { presence }),
    })
    const last = stored.eventIds[stored.eventIds.length - 1]
    if (last !== undefined) {
      this.head.record(stored.partition, stored.position, { stream, revision, eventId: last, recordedAt })
    }
    this.soon()
  }

  whenRoom(resume: () => void): void {
    if (this.hasRoom()) resume()
    else this.waiting.push(resume)
  }

  async flush(): Promise<void> {
    while (this.writing !== undefined) await this.current
    this.write()
    await this.current
  }

  async clear(): Promise<void> {
    await this.flush()
    await this.db.clear()
    this.head = new IndexHead()
    this.now = new Layer()
    this.seen = new SeenFilter(this.options.filterBytes)
    this.filled = true
  }

  async close(): Promise<void> {
    if (this.closed) return
    await this.flush()
    this.closed = true
    clearTimeout(this.timer)
    await this.db.close()
  }

  private soon(): void {
    if (this.writing !== undefined) return
    if (this.now.ids.size >= this.flushAt) this.write()
    else this.timer ??= setTimeout(() => this.write(), this.flushAfterMs)
  }

  /** Not synced: after a kill the system still has it, after a power loss LevelDB keeps a prefix of the batches. */
  private write(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.writing !== undefined || this.closed) return
    const layer = this.now
    this.writing = layer
    this.now = new Layer()
    const batch = this.db.batch()
    for (const id of layer.ids) batch.put(uuidToBytes(id), SEEN)
    for (const [stream, entry] of layer.streams) {
      batch.put(streamKey(stream), Buffer.from(encodeEntry(entry), "latin1"))
      if (layer.changed.has(stream)) {
        batch.put(merchantKey(stream), Buffer.from(JSON.stringify(entry.merchant), "utf8"))
      }
    }
    batch.put(HEAD, Buffer.from(this.head.encode(), "utf8"))
    this.current = batch.write().then(
      () => this.written(),
      (error: unknown) => this.failed(layer, error),
    )
  }

  private written(): void {
    this.writing = undefined
    if (this.hasRoom() && this.waiting.length > 0) {
      const waiting = this.waiting
      this.waiting = []
      for (const resume of waiting) resume()
    }
    if (this.now.ids.size > 0 || this.now.streams.size > 0) this.soon()
  }

  /** Nothing is lost: what could not be written goes back to what waits, under whatever is newer. */
  private failed(layer: Layer, error: unknown): void {
    this.options.warn?.(
      `the actors' index can't be written, trying again: ${error instanceof Error ? error.message : String(error)}`,
    )
    const newer = this.now
    for (const id of newer.ids) layer.ids.add(id)
    for (const [stream, entry] of newer.streams) layer.streams.set(stream, entry)
    for (const stream of newer.changed) layer.changed.add(stream)
    this.now = layer
    this.writing = undefined
    this.timer ??= setTimeout(() => this.write(), 1_000)
  }
}

/** Opens the index, or makes an empty one; closes it with the scope, everything written. */
export const make = (options: LevelStreamIndexOptions) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () => LevelStreamIndex.open(options),
      catch: (cause) =>
        new IndexUnavailable({
          directory: options.directory,
          reason:
            cause instanceof Error
              ? `${cause.message}${cause.cause instanceof Error ? ` (${cause.cause.message})` : ""}`
              : String(cause),
        }),
    }),
    (index) => Effect.promise(() => index.close()),
  )
