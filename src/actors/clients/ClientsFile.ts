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
 * Partitions are asked for one after the other, the mark after the last, so that it is behind what they know. What is
 * given of one is needed no more when the next one is asked for.
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

type PartitionSection = Omit<PartitionDump, "records"> & { readonly bytes: number }

interface Head3 {
  readonly format: typeof FORMAT_3
  readonly mark?: Mark
  readonly partitions: ReadonlyArray<PartitionSection>
}

/** Bytes that are used again and again: a million clients would be a hundred megabytes of garbage every time. */
export class Scratch {
  #buffer = Buffer.alloc(0)
  #end = 0

  /** The next so many bytes; those given before may have moved. */
  room(bytes: number): Buffer {
    const end = this.#end + bytes
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.ceil(end * 1.5))
      this.#buffer.copy(larger, 0, 0, this.#end)
      this.#buffer = larger
    }
    const room = this.#buffer.subarray(this.#end, end)
    this.#end = end
    return room
  }

  /** All that was written since it was cleared: valid until it is cleared again. */
  get written(): Buffer {
    return this.#buffer.subarray(0, this.#end)
  }

  clear(): void {
    this.#end = 0
  }
}

const putSection = (into: Scratch, what: Section, bytes: Buffer = Buffer.alloc(0)): void => {
  const text = Buffer.from(JSON.stringify(what), "utf8")
  const room = into.room(4 + text.length + bytes.length)
  room.writeUInt32LE(text.length)
  text.copy(room, 4)
  bytes.copy(room, 4 + text.length)
}

/** How long partitions are taken before others get their turn. */
const SLICE_MS = 5

/**
 * The file from its beginning, several partitions in one go, as many as are made in a few milliseconds: a busy process
 * comes back late to each. Each slice is valid until the next is asked for.
 */
function* slicesOf({ partitions, mark }: ClientsToWrite): Generator<Buffer> {
  const slice = new Scratch()
  let began = performance.now()
  putSection(slice, { format: FORMAT })
  for (const { records, ...rest } of partitions) {
    putSection(slice, { ...rest, bytes: records.length }, records)
    if (performance.now() - began < SLICE_MS) continue
    yield slice.written
    slice.clear()
    began = performance.now()
  }
  putSection(slice, { mark: mark() ?? null })
  yield slice.written
}

/**
 * Written beside and moved into place, so that a crash leaves the one before. Between two slices others get their
 * turn: each partition is of the moment when it is asked for.
 */
export const writeClients = async (path: string, clients: ClientsToWrite): Promise<void> => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const beside = `${path}.new`
  const file = await open(beside, "w", 0o600)
  try {
    let sum = 0
    for (const part of slicesOf(clients)) {
      sum = crc32(part, sum)
      await file.writeFile(part)
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
  const take = ({ bytes, ...rest }: PartitionSection): void => {
    partitions.push({ ...rest, records: all.subarray(at, at + bytes) })
    at += bytes
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
