import { isAscii, isUtf8 } from "node:buffer"
import { crc32 } from "node:zlib"
import type { RecordedEvent } from "../../domain/Event.js"
import type { Partition } from "../../domain/Partition.js"
import { fromNumber } from "../../domain/Position.js"
import { crcOfBytes, crcOfText } from "./Crc.js"
import { damaged, metadataOf } from "./Rows.js"
import type { KnownStream, StreamNames } from "./StreamNames.js"

const texts = ["events.id", "event", "metadata"]
const first = ["checksum", ...texts.map((text) => `octet_length(${text})`), "stream"]
/**
 * SQLite would take bytes for a text or a number, and so miss that a column is not what was written. To compare costs
 * less than `typeof`: numbers are less than all texts, and texts than all bytes. The plus keeps SQLite from making a
 * number of a text in a column of numbers.
 */
const areNumbers = ["checksum", "stream", "revision"].map((number) => `+${number} < ''`)
const areTexts = texts.map((text) => `${text} < x''`)

/**
 * Of rows of `events`, all of them as bytes in the order in which SQLite goes through them; NULL for none. A row: its
 * checksum, the bytes of its three texts, and its stream, in decimal and apart by blanks; sequence, revision, id, event
 * and metadata; a line break behind all that and behind each of these. One that has text or bytes in place of a number,
 * bytes in place of a text, or nothing, is a question mark and its sequence; what else is wrong the checksum finds.
 */
export const packedRows = `CAST(group_concat(CASE WHEN ${[...areNumbers, ...areTexts].join(" AND ")}
  THEN concat(${first.join(", ' ', ")}, char(10),
    ${["sequence", "revision", ...texts].join(", char(10), ")}, char(10))
  ELSE concat('? ', sequence, char(10)) END, '') AS BLOB)`

const ZERO = 48
const QUESTION_MARK = 63
const LINE_BREAK = 10

const noStream: KnownStream = { name: "", partition: undefined }

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
  private id = 0
  private event = 0
  private metadata = 0
  private to = 0
  private at = 0
  /** Of the row that was opened last: the next one mostly is of the same. */
  private stream = noStream
  private streamNumber = -1
  private readonly bytes: Buffer
  /** Where each character is a byte, as mostly, the former makes the same texts faster. */
  private readonly encoding: "latin1" | "utf8"

  /** `file`: that the rows are from. Throws LogDamaged where they are no text. */
  constructor(
    bytes: Uint8Array,
    private readonly file: string,
    private readonly streams: StreamNames,
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
    const { bytes, from, id, to } = this
    // What the checksum is of has the name of the stream before the id: see `Rows.ts`.
    const crc = crcOfText(this.stream.name, crcOfBytes(bytes, from, id, 0))
    // Without what Node.js's own `subarray` does beside.
    const rest = new Uint8Array(bytes.buffer, bytes.byteOffset + id - 1, to - id + 1)
    if (crc32(rest, crc) !== this.checksum) throw damaged(this.name)
  }

  /** Of the row that was opened last; undefined for a stream that is not Tidemark's. */
  get partition(): Partition | undefined {
    return this.stream.partition
  }

  /** The event whose row begins here. Its id keeps as much in memory as its row takes. */
  read(place: number): RecordedEvent {
    this.open(place)
    const { id, event, metadata, to } = this
    const text = this.text(id, to)
    // Where each character is a byte, parts are cut out of one text: that costs less than another one.
    const isPlain = text.length === to - id
    const part = (from: number, end: number): string =>
      isPlain ? text.slice(from - id, end - id) : this.text(from, end)
    return {
      eventId: part(id, event - 1),
      event: JSON.parse(part(event, metadata - 1)),
      metadata: metadataOf(part(metadata, to)),
      stream: this.stream.name,
      revision: this.revision,
      position: fromNumber(this.sequence),
    }
  }

  private text(from: number, to: number): string {
    return this.bytes.toString(this.encoding, from, to)
  }

  private open(place: number): void {
    const { bytes } = this
    this.at = place
    if (bytes[place] === QUESTION_MARK) {
      this.at = place + 2
      this.sequence = this.number()
      throw damaged(this.name, "a column is not of its type")
    }
    this.checksum = this.number()
    const id = this.number()
    const event = this.number()
    const metadata = this.number()
    const stream = this.number()
    this.from = this.at
    this.sequence = this.number()
    this.revision = this.number()
    this.id = this.at
    this.event = this.id + id + 1
    this.metadata = this.event + event + 1
    this.to = this.metadata + metadata
    this.next = this.to + 1
    // Behind a number that is negative or no whole one, what follows is taken for another part than it is.
    if (bytes[this.id - 1] !== LINE_BREAK || !(this.to < bytes.length)) {
      throw damaged(this.name, "a column is not of its type")
    }
    if (stream !== this.streamNumber) {
      this.stream = this.streams.known(stream, this.sequence)
      this.streamNumber = stream
    }
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
