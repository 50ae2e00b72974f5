import { closeSync, existsSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs"
import { crc32 } from "node:zlib"

/**
 * How far the log was acknowledged, kept beside it, so that a log that lost its end is told from one
 * that never was longer. `walBytes` is the size of the write-ahead log at that time: a shorter file was
 * cut. It is written after each commit and not synced, so it never runs ahead of what is on disk.
 */
export interface Mark {
  readonly sequence: number
  readonly walBytes: number
}

const SLOT = 32
const MAGIC = 0x544d4b31

/** Two slots, written by turns: a write that is cut off leaves the other one whole. */
const readSlot = (bytes: Buffer, at: number): Mark | undefined => {
  if (bytes.length < at + SLOT) return undefined
  if (bytes.readUInt32LE(at) !== MAGIC) return undefined
  if (bytes.readUInt32LE(at + 20) !== crc32(bytes.subarray(at, at + 20))) return undefined
  return { sequence: bytes.readDoubleLE(at + 4), walBytes: bytes.readDoubleLE(at + 12) }
}

export const readMark = (file: string): Mark | undefined => {
  if (!existsSync(file)) return undefined
  const handle = openSync(file, "r")
  try {
    const bytes = Buffer.alloc(2 * SLOT)
    const found = bytes.subarray(0, readSync(handle, bytes, 0, bytes.length, 0))
    const [a, b] = [readSlot(found, 0), readSlot(found, SLOT)]
    return a === undefined || (b !== undefined && b.sequence > a.sequence) ? b : a
  } finally {
    closeSync(handle)
  }
}

export class MarkFile {
  readonly #handle: number
  readonly #slot = Buffer.alloc(SLOT)
  #turn = 0

  constructor(file: string) {
    this.#handle = openSync(file, existsSync(file) ? "r+" : "w+", 0o600)
    if (fstatSync(this.#handle).size < 2 * SLOT)
      writeSync(this.#handle, Buffer.alloc(2 * SLOT), 0, 2 * SLOT, 0)
  }

  write(mark: Mark): void {
    const slot = this.#slot
    slot.writeUInt32LE(MAGIC, 0)
    slot.writeDoubleLE(mark.sequence, 4)
    slot.writeDoubleLE(mark.walBytes, 12)
    slot.writeUInt32LE(crc32(slot.subarray(0, 20)), 20)
    writeSync(this.#handle, slot, 0, SLOT, this.#turn * SLOT)
    this.#turn = 1 - this.#turn
  }

  /** Both slots say the same: an older, higher mark is gone for good. */
  reset(mark: Mark): void {
    this.write(mark)
    this.write(mark)
    fsyncSync(this.#handle)
  }

  close(): void {
    closeSync(this.#handle)
  }
}
