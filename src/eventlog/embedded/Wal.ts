import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs"
import { PAGE_SIZE } from "./Files.js"

const HEADER = 32
const FRAME_HEADER = 24
const FRAME = FRAME_HEADER + PAGE_SIZE
const MAGIC_LITTLE = 0x377f0682
const MAGIC_BIG = 0x377f0683

/**
 * What a write-ahead log looks like, found without SQLite, which stops silently at the first frame that
 * does not fit. `badAt` is the byte where the first such frame begins (or the file's header: 0); undefined
 * when every byte is accounted for. `later`: whole transactions follow the bad frame, so it can't be the
 * torn tail of a crash.
 */
export interface WalReport {
  readonly bytes: number
  readonly badAt: number | undefined
  readonly later: boolean
}

/**
 * Format: https://www.sqlite.org/fileformat2.html#walformat. The checksum runs over 32-bit words in
 * pairs, from the file's header through every frame.
 */
const sum = (buffer: Buffer, from: number, to: number, big: boolean, s: Uint32Array): void => {
  let s0 = s[0] as number
  let s1 = s[1] as number
  for (let i = from; i < to; i += 8) {
    s0 = (s0 + (big ? buffer.readUInt32BE(i) : buffer.readUInt32LE(i)) + s1) >>> 0
    s1 = (s1 + (big ? buffer.readUInt32BE(i + 4) : buffer.readUInt32LE(i + 4)) + s0) >>> 0
  }
  s[0] = s0
  s[1] = s1
}

interface Frame {
  readonly salts: string
  readonly commits: boolean
  readonly sums: readonly [number, number]
}

const frameOf = (frame: Buffer): Frame => ({
  salts: frame.toString("latin1", 8, 16),
  commits: frame.readUInt32BE(4) !== 0,
  sums: [frame.readUInt32BE(16), frame.readUInt32BE(20)],
})

/** The frame's own checksum is right when the chain stands at `s` before it. Moves `s` on. */
const fits = (frame: Buffer, big: boolean, s: Uint32Array): boolean => {
  sum(frame, 0, 8, big, s)
  sum(frame, FRAME_HEADER, FRAME, big, s)
  return frame.readUInt32BE(16) === s[0] && frame.readUInt32BE(20) === s[1]
}

/** Reads the whole file once, frame by frame; nothing is changed. */
export const scanWal = (file: string): WalReport => {
  if (!existsSync(file)) return { bytes: 0, badAt: undefined, later: false }
  const handle = openSync(file, "r")
  try {
    const bytes = fstatSync(handle).size
    const header = Buffer.alloc(HEADER)
    if (bytes < HEADER) return { bytes, badAt: bytes === 0 ? undefined : 0, later: false }
    readSync(handle, header, 0, HEADER, 0)
    const magic = header.readUInt32BE(0)
    const big = magic === MAGIC_BIG
    const s = new Uint32Array(2)
    sum(header, 0, 24, big, s)
    const whole =
      (big || magic === MAGIC_LITTLE) &&
      header.readUInt32BE(8) === PAGE_SIZE &&
      header.readUInt32BE(24) === s[0] &&
      header.readUInt32BE(28) === s[1]
    const salts = header.toString("latin1", 16, 24)
    const frame = Buffer.alloc(FRAME)
    let offset = HEADER
    if (whole) {
      for (; offset + FRAME <= bytes; offset += FRAME) {
        readSync(handle, frame, 0, FRAME, offset)
        if (frame.toString("latin1", 8, 16) !== salts || !fits(frame, big, s)) break
      }
    }
    if (whole && offset >= bytes) return { bytes, badAt: undefined, later: false }
    return {
      bytes,
      badAt: whole ? offset : 0,
      later: whole && continues(handle, offset, bytes, salts, big),
    }
  } finally {
    closeSync(handle)
  }
}

/**
 * Whether a transaction of the same generation (`salts`) follows the one that the frame at `bad` belongs
 * to. A transaction starts only after the one before is on disk, so the bad frame once was good. Frames
 * of an older generation, left from before the file was used again, have other salts.
 */
const continues = (handle: number, bad: number, bytes: number, salts: string, big: boolean): boolean => {
  const frame = Buffer.alloc(FRAME)
  const s = new Uint32Array(2)
  let previous: Frame | undefined
  let ended = false
  for (let offset = bad; offset + FRAME <= bytes; offset += FRAME) {
    readSync(handle, frame, 0, FRAME, offset)
    const current = frameOf(frame)
    if (previous !== undefined && current.salts === salts) {
      s.set(previous.sums)
      const valid = fits(frame, big, s)
      if (valid && ended) return true
      if (valid && current.commits) ended = true
    }
    previous = current
  }
  return false
}
