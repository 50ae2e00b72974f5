import { isAscii, isUtf8 } from "node:buffer"
import { crc32 } from "node:zlib"
import type { RecordedEvent } from "../../domain/Event.js"
import { type Partition, partitionOfStream } from "../../domain/Partition.js"
import { fromNumber } from "../../domain/Position.js"
import { damaged, metadataOf } from "./Rows.js"

const parts = ["sequence", "revision", "streams.name", "events.id", "event", "metadata"]
const lengths = parts.slice(2).map((part) => `octet_length(${part})`)
/** SQLite would take bytes for a text, and so miss that a column is not what was written. */
const isWhole = ["checksum", "revision"].map((part) => `typeof(${part}) = 'integer' AND ${part} >= 0`)
const isText = parts.slice(2).map((part) => `typeof(${part}) = 'text'`)

/**
 * Of `events LEFT JOIN streams`, as `row`: its checksum, the bytes of the stream, the event id, the event and the
 * metadata, in decimal and apart by blanks; a line break; the text that the checksum is of, as `checksum` has it; a
 * line break. One whose stream is missing, or that has a column of another type, is a question mark and its sequence.
 */
export const packedRow = `CASE WHEN ${[...isWhole, ...isText].join(" AND ")}
  THEN concat(checksum, ' ', ${lengths.join(", ' ', ")}, char(10), ${parts.join(", char(10), ")}, char(10))
  ELSE concat('? ', sequence, char(10)) END AS row`

/** Of such rows: all of them as bytes; NULL for none. */
export const packedRows = "CAST(group_concat(row, '') AS BLOB)"

const ZERO = 48
const QUESTION_MARK = 63
/** Characters of the name of a stream, at most, that tell the partition. */
const PREFIX = 12

/**
 * Rows of the log as SQLite put them together, outside of V8's heap: there they would be copied twice before they are
 * left where they are. Its fields say what lies where in the row that was opened last.
 */
export class PackedPage {
  /** Of the row that was opened last, and where the next one begins. */
  sequence = 0
  next = 0
  private checksum = 0
  private from = 0
  private revision = 0
  private stream = 0
  private id = 0
  private event = 0
  private metadata = 0
  private to = 0
  private at = 0
  private readonly bytes: Buffer
  /** Where each character is a byte, as mostly, the former makes the same texts faster. */
  private readonly encoding: "latin1" | "utf8"
  /** The stream of the row that was read last, and where its name begins: the next one mostly is of the same. */
  private lastName = ""
  private lastStream = 0
  private lastLength = 0

  /** `file`: that the rows are from. Throws LogDamaged where they are no text. */
  constructor(
    bytes: Uint8Array,
    private readonly file: string,
  ) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.encoding = isAscii(bytes) ? "latin1" : "utf8"
    if (this.encoding === "utf8" && !isUtf8(bytes)) throw damaged(file, "it holds bytes that are no text")
  }

  get size(): number {
    return this.bytes.length
  }

  /** Looks where the parts of the row that begins here lie. Throws LogDamaged where it is not what was written. */
  check(place: number): void {
    this.open(place)
    if (crc32(this.bytes.subarray(this.from, this.to)) !== this.checksum) throw damaged(this.name)
  }

  /** Of the row that was opened last; undefined for a stream that is not Tidemark's. */
  get partition(): Partition | undefined {
    const { bytes, stream } = this
    return partitionOfStream(bytes.toString("latin1", stream, stream + PREFIX))
  }

  /** The event whose row begins here. */
  read(place: number): RecordedEvent {
    this.open(place)
    const { to, revision, id, event, metadata } = this
    const text = this.text(event, to)
    // Where each character is a byte, what is only looked at is cut out of one text: that costs less than another one.
    const isPlain = text.length === to - event
    const part = (first: number, end: number): string =>
      isPlain ? text.slice(first - event, end - event) : this.text(first, end)
    return {
      // A part of a text keeps all of it in memory.
      eventId: this.text(id, event - 1),
      event: JSON.parse(part(event, metadata - 1)),
      metadata: metadataOf(part(metadata, to)),
      stream: this.streamName(),
      revision,
      position: fromNumber(this.sequence),
    }
  }

  private text(from: number, to: number): string {
    return this.bytes.toString(this.encoding, from, to)
  }

  /** Mostly that of the row that was read before. */
  private streamName(): string {
    const { bytes, stream, lastStream } = this
    const length = this.id - 1 - stream
    let same = 0
    if (length === this.lastLength) {
      while (same < length && bytes[lastStream + same] === bytes[stream + same]) same++
    }
    if (length !== this.lastLength || same < length) {
      this.lastName = this.text(stream, stream + length)
      this.lastStream = stream
      this.lastLength = length
    }
    return this.lastName
  }

  private open(place: number): void {
    this.at = place
    if (this.bytes[place] === QUESTION_MARK) {
      this.at = place + 2
      this.sequence = this.number()
      throw damaged(this.name, "its stream is missing, or a column is not of its type")
    }
    this.checksum = this.number()
    const stream = this.number()
    const id = this.number()
    const event = this.number()
    const metadata = this.number()
    this.from = this.at
    this.sequence = this.number()
    this.revision = this.number()
    this.stream = this.at
    this.id = this.stream + stream + 1
    this.event = this.id + id + 1
    this.metadata = this.event + event + 1
    this.to = this.metadata + metadata
    this.next = this.to + 1
  }

  /** The whole number that begins here, and passes over what ends it. */
  private number(): number {
    const { bytes } = this
    let number = 0
    let { at } = this
    for (;;) {
      const digit = (bytes[at++] as number) - ZERO
      // A blank, a line break, or the end.
      if (!(digit >= 0)) break
      number = number * 10 + digit
    }
    this.at = at
    return number
  }

  private get name(): string {
    return `${this.file}, event ${this.sequence}`
  }
}
