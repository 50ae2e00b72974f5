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
  /** Of each row in turn: where its id, its event and its metadata begin, and where it ends. */
  readonly places: Array<number> = []

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
  add(row: CheckedRow): void {
    const text = row[5]
    const block = this.blockFor(text.length * BYTES_A_UNIT)
    const { bytes } = block
    const to = block.size + bytes.write(text, block.size)
    // One character lies between two parts.
    const metadata = to - row[4]
    const event = metadata - 1 - row[3]
    const id = event - 1 - row[2]
    if (bytes[metadata - 1] !== LINE_BREAK || bytes[event - 1] !== LINE_BREAK || bytes[id - 1] !== LINE_BREAK)
      throw damaged(`${this.file}, event ${row[0]}`, "it holds bytes that are no text")
    block.size = to
    block.places.push(id, event, metadata, to)
  }

  *events(): Generator<RecordedEvent> {
    for (const { bytes, places } of this.blocks) {
      let from = 0
      for (let at = 0; at < places.length; at += 4) {
        const id = places[at] as number
        const event = places[at + 1] as number
        const metadata = places[at + 2] as number
        const to = places[at + 3] as number
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
