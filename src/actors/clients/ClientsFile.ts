import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs"
import { open } from "node:fs/promises"
import { dirname } from "node:path"
import { crc32 } from "node:zlib"
import * as Data from "effect/Data"
import type { Silence, StoredEvent } from "../../domain/Event.js"
import type { IdleSettings } from "../../domain/IdleTimes.js"
import type { Partition } from "../../domain/Partition.js"
import type { Position } from "../../domain/Position.js"
import type { UsualRate } from "../../domain/UsualRate.js"
import type { Mark } from "../StreamIndex.js"
import type { Dump } from "./LiveClients.js"

/** What the file keeps of a partition. */
export interface PartitionDump extends Dump {
  readonly partition: Partition
  readonly upTo: Position
  /** What merchants say about idle times. */
  readonly own: ReadonlyArray<readonly [merchantId: string, times: IdleSettings]>
  /** Silence after which clients were idle where their merchant said nothing, ms. */
  readonly standardMs: number
  /** Whether the log says so as well; missing in files of a version before. */
  readonly isStandardInLog?: boolean
  /** Facts that the log lacks. */
  readonly lacking: ReadonlyArray<StoredEvent>
  readonly watchedMerchants: WatchedMerchants
}

/** The merchants whose silence is watched, all of them in `odd`. */
export interface WatchedMerchants extends Pick<Dump, "odd">, Pick<PartitionDump, "own" | "lacking"> {
  /** Those that were reported; missing in files of a version before, as is what was learned. */
  readonly silent?: ReadonlyArray<readonly [merchantId: string, silence: Silence]>
  /** `usual` in base64. */
  readonly rates?: ReadonlyArray<
    readonly [merchantId: string, rate: Omit<UsualRate, "usual"> & { readonly usual: string }]
  >
}

export interface ClientsDump {
  /** An event that the log has, if it is the one that this was made from. */
  readonly mark: Mark | undefined
  readonly partitions: ReadonlyArray<PartitionDump>
}

/**
 * Partitions are asked for one after the other, and the records of each at once; the mark after the last, so that it is
 * behind what they know.
 */
export interface ClientsToWrite {
  readonly partitions: Iterable<PartitionDump>
  readonly mark: () => Mark | undefined
}

export class ClientsFileDamaged extends Data.TaggedError("ClientsFileDamaged")<{
  readonly path: string
  readonly reason: string
}> {
  override get message(): string {
    return `the live clients in ${this.path} can't be used (${this.reason}): they are made again from the event log`
  }
}

const FORMAT = "tidemark live clients 4"
/** As it was before sections: all partitions in the head, the records of all behind it. */
const FORMAT_3 = "tidemark live clients 3"

/** The file is a row of sections, each a text and what it says follows in bytes, and a CRC-32 of all of them. */
type Section = Head | PartitionSection | { readonly mark: Mark | null }

interface Head {
  readonly format: typeof FORMAT
}

type PartitionSection = Omit<PartitionDump, "records">

interface Head3 {
  readonly format: typeof FORMAT_3
  readonly mark?: Mark
  readonly partitions: ReadonlyArray<PartitionSection>
}

/**
 * What is to be written, in pieces that are used again and again: half a million clients of one partition would be
 * forty megabytes of garbage every time, or of holes in the heap where they were in one piece.
 */
export class Slice {
  readonly #pieces: Array<Buffer> = []
  #size = 0

  put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const used = this.#size % PIECE
      const number = Math.floor(this.#size / PIECE)
      this.#pieces[number] ??= Buffer.allocUnsafeSlow(PIECE)
      const some = bytes.subarray(at, at + PIECE - used)
      this.#pieces[number].set(some, used)
      at += some.length
      this.#size += some.length
    }
  }

  putSection(what: Section): void {
    const text = Buffer.from(JSON.stringify(what), "utf8")
    const length = Buffer.alloc(4)
    length.writeUInt32LE(text.length)
    this.put(length)
    this.put(text)
  }

  /** All that was put since it was cleared: valid until it is cleared again. */
  *written(): Generator<Buffer> {
    for (let from = 0; from < this.#size; from += PIECE) {
      const piece = this.#pieces[from / PIECE] as Buffer
      yield piece.subarray(0, Math.min(PIECE, this.#size - from))
    }
  }

  clear(): void {
    this.#size = 0
  }
}

const PIECE = 256 * 1024

/** How long partitions are taken before others get their turn. */
const SLICE_MS = 5

/**
 * The file from its beginning, several partitions in one go, as many as are made in a few milliseconds: a busy process
 * comes back late to each. Each slice is valid until the next is asked for.
 */
function* slicesOf({ partitions, mark }: ClientsToWrite, slice: Slice): Generator<Iterable<Buffer>> {
  slice.clear()
  let began = performance.now()
  slice.putSection({ format: FORMAT })
  for (const { records, ...rest } of partitions) {
    slice.putSection(rest)
    for (const some of records) slice.put(some)
    if (performance.now() - began < SLICE_MS) continue
    yield slice.written()
    slice.clear()
    began = performance.now()
  }
  slice.putSection({ mark: mark() ?? null })
  yield slice.written()
}

/**
 * Written beside and moved into place, so that a crash leaves the one before. Between two slices others get their
 * turn: each partition is of the moment when it is asked for.
 */
export const writeClients = async (
  path: string,
  clients: ClientsToWrite,
  slice: Slice = new Slice(),
): Promise<void> => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const beside = `${path}.new`
  const file = await open(beside, "w", 0o600)
  try {
    let sum = 0
    for (const pieces of slicesOf(clients, slice)) {
      for (const piece of pieces) {
        sum = crc32(piece, sum)
        await file.writeFile(piece)
      }
    }
    const end = Buffer.alloc(4)
    end.writeUInt32LE(sum)
    await file.writeFile(end)
    await file.sync()
  } finally {
    await file.close()
  }
  renameSync(beside, path)
}

/** Undefined when there is no file. */
export const readClients = (path: string): ClientsDump | ClientsFileDamaged | undefined => {
  rmSync(`${path}.new`, { force: true })
  let all: Buffer
  try {
    all = readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    return new ClientsFileDamaged({ path, reason: String(error) })
  }
  const end = all.length - 4
  if (end < 4 || crc32(all.subarray(0, end)) !== all.readUInt32LE(end)) {
    return new ClientsFileDamaged({ path, reason: "its checksum is wrong" })
  }
  let at = 0
  const next = (): unknown => {
    const begin = at + 4
    at = begin + all.readUInt32LE(at)
    return JSON.parse(all.toString("utf8", begin, at))
  }
  const partitions: Array<PartitionDump> = []
  const take = (section: PartitionSection): void => {
    partitions.push({ ...section, records: [all.subarray(at, at + section.bytes)] })
    at += section.bytes
  }
  const head = next() as Head | Head3
  if (head.format === FORMAT_3) {
    for (const one of head.partitions) take(one)
    return { mark: head.mark, partitions }
  }
  if (head.format !== FORMAT)
    return new ClientsFileDamaged({ path, reason: "another version has written it" })
  let mark: Mark | undefined
  while (at < end) {
    const found = next() as Exclude<Section, Head>
    if ("bytes" in found) take(found)
    else mark = found.mark ?? undefined
  }
  return { mark, partitions }
}
