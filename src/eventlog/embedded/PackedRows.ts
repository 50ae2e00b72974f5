import type { RecordedEvent } from "../../domain/Event.js"
import { fromNumber } from "../../domain/Position.js"
import { type CheckedRow, damaged, metadataOf } from "./Rows.js"

const BLOCK = 64 * 1024
const LINE_BREAK = 10
/** Of a UTF-16 unit in UTF-8, at most. */
const BYTES_A_UNIT = 3

/** Texts one after the other. */
class Block {
  size = 0
  /** Of each row in turn, in bytes: its text as a whole, and the id, the event and the metadata in it. */
  readonly lengths: Array<number> = []

  constructor(readonly bytes: Buffer) {}
}

/**
 * Rows of the log outside of V8's heap, in the order in which they are added: in the heap they would be copied twice
 * before they are left where they are.
 */
export class PackedRows {
  private readonly blocks: Array<Block> = []

  /** `file`: that the rows are from. */
  constructor(private readonly file: string) {}

  /** Throws LogDamaged where its parts do not lie where their lengths say. */
  add([sequence, , idBytes, eventBytes, metadataBytes, text]: CheckedRow): void {
    const block = this.blockFor(text.length * BYTES_A_UNIT)
    const bytes = block.bytes.write(text, block.size)
    block.size += bytes
    block.lengths.push(bytes, idBytes, eventBytes, metadataBytes)
    let at = block.size
    for (const length of [metadataBytes, eventBytes, idBytes]) {
      at -= length + 1
      if (block.bytes[at] !== LINE_BREAK)
        throw damaged(`${this.file}, event ${sequence}`, "it holds bytes that are no text")
    }
  }

  *events(): Generator<RecordedEvent> {
    for (const { bytes, lengths } of this.blocks) {
      let from = 0
      for (let at = 0; at < lengths.length; at += 4) {
        const to = from + (lengths[at] as number)
        // One character lies between two parts.
        const metadata = to - (lengths[at + 3] as number)
        const event = metadata - 1 - (lengths[at + 2] as number)
        const id = event - 1 - (lengths[at + 1] as number)
        const place = bytes.toString("utf8", from, id - 1)
        const first = place.indexOf("\n")
        const second = place.indexOf("\n", first + 1)
        yield {
          eventId: bytes.toString("utf8", id, event - 1),
          event: JSON.parse(bytes.toString("utf8", event, metadata - 1)),
          metadata: metadataOf(bytes.toString("utf8", metadata, to)),
          stream: place.slice(second + 1),
          revision: Number(place.slice(first + 1, second)),
          position: fromNumber(Number(place.slice(0, first))),
        }
        from = to
      }
    }
  }

  private blockFor(most: number): Block {
    const last = this.blocks.at(-1)
    if (last !== undefined && last.bytes.length - last.size >= most) return last
    const block = new Block(Buffer.allocUnsafeSlow(Math.max(BLOCK, most)))
    this.blocks.push(block)
    return block
  }
}
