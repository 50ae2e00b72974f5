import { createHash } from "node:crypto"
import { createReadStream, statSync } from "node:fs"
import { basename } from "node:path"
import { Readable } from "node:stream"
import { createGunzip } from "node:zlib"

/** Tells one file from another, and a file from what it was before. */
export interface Fingerprint {
  /** SHA-256 of the first `headBytes` bytes, uncompressed. */
  readonly head: string
  readonly headBytes: number
  /** Of files, as they lie on the disk. */
  readonly size?: number
  readonly mtimeMs?: number
}

/** A file, or standard input, whose beginning has been looked at. */
export interface Source {
  /** What events' ids begin with unless another is given. */
  readonly name: string
  /** First bytes, uncompressed: at most `HEAD`. */
  readonly head: Buffer
  readonly size: number | undefined
  readonly mtimeMs: number | undefined
  /** Uncompressed bytes from an offset on. To be called once. */
  readonly bytes: (from: number) => AsyncIterable<Buffer>
  /** Bytes read so far as they lie on the disk: what `size` counts. */
  readonly read: () => number
  readonly close: () => void
}

export const HEAD = 4_096

export const headHash = (head: Uint8Array): string => createHash("sha256").update(head).digest("hex")

export const fingerprintOf = ({ head, size, mtimeMs }: Source): Fingerprint => ({
  head: headHash(head),
  headBytes: head.length,
  ...(size === undefined ? {} : { size }),
  ...(mtimeMs === undefined ? {} : { mtimeMs }),
})

type Chunks = AsyncGenerator<Buffer, void, undefined>

/** Takes at least `bytes` off the front, or all there is, and gives everything back as one stream. */
const peek = async (chunks: Chunks, bytes: number): Promise<{ head: Buffer; all: Chunks }> => {
  const first: Buffer[] = []
  let length = 0
  while (length < bytes) {
    const { done, value } = await chunks.next()
    if (done === true) break
    first.push(value)
    length += value.length
  }
  const all = async function* (): Chunks {
    yield* first.splice(0)
    yield* chunks
  }
  return { head: Buffer.concat(first).subarray(0, bytes), all: all() }
}

const inflate = async function* (chunks: Chunks): Chunks {
  const gunzip = createGunzip()
  const raw = Readable.from(chunks)
  raw.on("error", (error) => gunzip.destroy(error))
  yield* raw.pipe(gunzip) as AsyncIterable<Buffer>
}

const skip = async function* (chunks: Chunks, bytes: number): Chunks {
  let left = bytes
  for await (const chunk of chunks) {
    if (chunk.length > left) yield chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
  if (left > 0) throw new Error("it ends before the place where the last import stopped")
}

const isGzip = (head: Buffer): boolean => head[0] === 0x1f && head[1] === 0x8b

/** A name for what comes on standard input: the same for the same beginning. */
const nameOfInput = (head: Buffer): string => `stdin-${headHash(head).slice(0, 12)}`

/**
 * Opens a file, or standard input for `-`. Gzip is recognised by its first bytes; its name goes without
 * `.gz`, so that a log names its events alike before and after it was compressed.
 */
export const openSource = async (file: string): Promise<Source> => {
  const isInput = file === "-"
  const stat = isInput ? undefined : statSync(file)
  if (stat?.isDirectory()) throw new Error(`${file} is a directory`)
  const size = stat?.isFile() ? stat.size : undefined
  let read = 0
  const meter = async function* (stream: Readable): Chunks {
    for await (const chunk of stream) {
      read += (chunk as Buffer).length
      yield chunk as Buffer
    }
  }
  let stream: Readable = isInput ? process.stdin : createReadStream(file, { highWaterMark: 256 * 1024 })
  const raw = await peek(meter(stream), 2)
  const gzip = isGzip(raw.head)
  const plain = await peek(gzip ? inflate(raw.all) : raw.all, HEAD)
  const reopen = (from: number): Chunks => {
    stream.destroy()
    stream = createReadStream(file, { highWaterMark: 256 * 1024, start: from })
    read = from
    return meter(stream)
  }
  return {
    name: isInput ? nameOfInput(plain.head) : basename(file).replace(/\.gz$/i, ""),
    head: plain.head,
    size,
    mtimeMs: stat?.mtimeMs,
    bytes: (from) =>
      from === 0 ? plain.all : size === undefined || gzip ? skip(plain.all, from) : reopen(from),
    read: () => read,
    close: () => stream.destroy(),
  }
}
