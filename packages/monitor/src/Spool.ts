import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs"
import { type FileHandle, open, rename, rm, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { lock } from "./Lock.js"

/** A place on the spool: a segment and a byte in it. Everything before it was taken by Tidemark. */
interface Place {
  readonly segment: number
  readonly offset: number
}

interface Segment {
  readonly number: number
  bytes: number
}

/** Whole lines from the spool, and the place after them. */
export interface Batch {
  readonly bytes: Buffer
  readonly next: Place
}

export interface SpoolOptions {
  readonly directory: string
  /** Most bytes on the disk. */
  readonly maxBytes: number
  /** Told how many pieces of lines a crash has left. */
  readonly onDamage: (pieces: number) => void
}

const MAX_SEGMENT = 16 * 1024 * 1024
/** The spool is freed by whole segments: that many of them make it up. */
const SEGMENTS = 16
const LF = 10
const CURSOR = "sent.json"

const nameOf = (number: number): string => `${String(number).padStart(12, "0")}.ndjson`

const isPlace = (value: unknown): value is Place =>
  typeof value === "object" && value !== null && "segment" in value && "offset" in value

const readCursor = (file: string): Place => {
  try {
    const place: unknown = JSON.parse(readFileSync(file, "utf8"))
    if (isPlace(place)) return place
  } catch {
    // There is none yet, or a power loss has cut it off: what is there is sent again, and counts once.
  }
  return { segment: 0, offset: 0 }
}

/**
 * Lines that wait on the disk, in segments that are only appended to. A new process begins a new segment, so that
 * what a crash cut off stays the end of an old one. One writer and one reader, both of this process.
 */
export class Spool {
  readonly directory: string
  private readonly segmentBytes: number
  private readonly release: () => void
  /** Oldest first; the last one is written to. */
  private segments: Segment[]
  private sent: Place
  private writing: FileHandle | undefined
  private reading: { readonly number: number; readonly handle: FileHandle } | undefined

  /** @throws when the directory can't be made, or another process uses it */
  constructor(private readonly options: SpoolOptions) {
    this.directory = resolve(options.directory)
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    this.release = lock(this.directory)
    this.segmentBytes = Math.min(MAX_SEGMENT, Math.ceil(options.maxBytes / SEGMENTS))
    this.sent = readCursor(join(this.directory, CURSOR))
    this.segments = readdirSync(this.directory)
      .filter((name) => /^\d{12}\.ndjson$/.test(name))
      .sort()
      .map((name) => ({ number: Number(name.slice(0, 12)), bytes: statSync(this.path(name)).size }))
    const last = Math.max(this.sent.segment, this.segments.at(-1)?.number ?? 0)
    for (const { number } of this.segments.filter((one) => one.number < this.sent.segment)) {
      rmSync(this.path(nameOf(number)), { force: true })
    }
    this.segments = this.segments.filter(({ number }) => number >= this.sent.segment)
    const first = this.segments[0]
    if (first === undefined || first.number !== this.sent.segment)
      this.sent = { segment: first?.number ?? last + 1, offset: 0 }
    this.segments.push({ number: last + 1, bytes: 0 })
  }

  /** Bytes on the disk. */
  get size(): number {
    return this.segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Bytes that Tidemark has not taken. */
  get waiting(): number {
    return this.size - this.sent.offset
  }

  hasRoomFor(bytes: number): boolean {
    return this.size + bytes <= this.options.maxBytes
  }

  /** Rejects when the disk does not take it; then nothing is kept of it, and it can be given again. */
  async append(lines: Buffer): Promise<void> {
    if (this.last.bytes >= this.segmentBytes) await this.roll()
    const { last } = this
    this.writing ??= await open(this.path(nameOf(last.number)), "w", 0o600)
    // A write that failed in the middle is written over by the next one.
    for (let done = 0; done < lines.length; ) {
      const { bytesWritten } = await this.writing.write(lines, done, lines.length - done, last.bytes + done)
      done += bytesWritten
    }
    last.bytes += lines.length
  }

  /** As `append`, for a process that ends now; repeats what an `append` under way writes, in the same place. */
  appendNow(underWay: Buffer, lines: Buffer): void {
    const file = openSync(this.path(nameOf(this.last.number)), this.writing === undefined ? "w" : "r+", 0o600)
    let place = this.last.bytes
    for (const part of [underWay, lines]) {
      for (let done = 0; done < part.length; ) {
        const written = writeSync(file, part, done, part.length - done, place)
        done += written
        place += written
      }
    }
    this.last.bytes = place
    closeSync(file)
  }

  /** The next whole lines that fit into `memory`; undefined when all is sent. */
  async read(memory: Buffer): Promise<Batch | undefined> {
    for (;;) {
      const segment = this.segments[0] as Segment
      const left = segment.bytes - this.sent.offset
      const isLast = segment === this.last
      if (left <= 0) {
        if (isLast) return undefined
        await this.drop(segment)
        continue
      }
      const wanted = Math.min(left, memory.length)
      const { bytesRead } = await (await this.handleOf(segment.number)).read(
        ...([memory, 0, wanted, this.sent.offset] as const),
      )
      const end = memory.subarray(0, bytesRead).lastIndexOf(LF) + 1
      if (end > 0) {
        const next = { segment: segment.number, offset: this.sent.offset + end }
        return { bytes: memory.subarray(0, end), next }
      }
      // A crash has cut the last line of its segment off, or the disk lost what it held.
      this.options.onDamage(1)
      await this.advance({ segment: segment.number, offset: this.sent.offset + Math.max(bytesRead, wanted) })
    }
  }

  /** Notes that everything before `next` was taken. */
  async advance(next: Place): Promise<void> {
    this.sent = next
    const file = this.path(CURSOR)
    await writeFile(`${file}.new`, JSON.stringify(next), { mode: 0o600 })
    await rename(`${file}.new`, file)
    const first = this.segments[0] as Segment
    if (next.offset >= first.bytes && first !== this.last) await this.drop(first)
  }

  async close(): Promise<void> {
    await this.reading?.handle.close()
    await this.writing?.close()
    this.reading = undefined
    this.writing = undefined
    for (const { number } of this.segments.filter(({ bytes }) => bytes === 0)) {
      await rm(this.path(nameOf(number)), { force: true })
    }
    this.release()
  }

  private get last(): Segment {
    return this.segments.at(-1) as Segment
  }

  private path(name: string): string {
    return join(this.directory, name)
  }

  private async roll(): Promise<void> {
    await this.writing?.close()
    this.writing = undefined
    this.segments.push({ number: this.last.number + 1, bytes: 0 })
  }

  private async handleOf(number: number): Promise<FileHandle> {
    if (this.reading?.number !== number) {
      const before = this.reading
      this.reading = undefined
      await before?.handle.close()
      this.reading = { number, handle: await open(this.path(nameOf(number)), "r") }
    }
    return this.reading.handle
  }

  /** Takes the oldest segment away: all of it was taken. */
  private async drop(segment: Segment): Promise<void> {
    if (this.reading?.number === segment.number) {
      await this.reading.handle.close()
      this.reading = undefined
    }
    this.segments.shift()
    this.sent = { segment: (this.segments[0] as Segment).number, offset: 0 }
    await rm(this.path(nameOf(segment.number)), { force: true })
  }
}
