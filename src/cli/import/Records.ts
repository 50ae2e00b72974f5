/** One record of a file: a line of a log, or a row of CSV that may span lines. */
export interface Piece {
  /** Of the record's first byte in the uncompressed file. */
  readonly offset: number
  /** Number of the record's first line, from 1. */
  readonly line: number
  /** Without the line break at its end. Empty when it could not be delimited. */
  readonly bytes: Buffer
  /** Why its end was not found; only its first line was taken for it. */
  readonly fault?: "TOO_LONG" | "NOT_CLOSED"
  /** The file ends without a line break: whoever writes it may not have finished this record. */
  readonly isUnended?: true
}

/** What is ready of a stream, and where the next record begins. */
export interface Pieces {
  readonly pieces: ReadonlyArray<Piece>
  readonly next: Place
}

export interface Place {
  readonly offset: number
  readonly line: number
}

/** Index of the line break that ends the record which begins at `from`; -1 when it is not in `bytes`. */
export type FindEnd = (bytes: Buffer, from: number) => number

/** Longest record, bytes. It bounds what is held in memory. */
export const MAX_RECORD = 1024 * 1024

const LF = 10
const CR = 13
const QUOTE = 34
const lineBreak = Buffer.from([LF])

export const endOfLine: FindEnd = (bytes, from) => bytes.indexOf(LF, from)

/** Rows as RFC 4180 has them: a quote opens a field only where the field begins, and hides line breaks. */
export const endOfRow =
  (delimiter: number): FindEnd =>
  (bytes, from) => {
    let begins = true
    for (let at = from; at < bytes.length; at += 1) {
      const byte = bytes[at]
      if (byte === LF) return at
      if (byte === QUOTE && begins) {
        at = bytes.indexOf(QUOTE, at + 1)
        while (at >= 0 && bytes[at + 1] === QUOTE) at = bytes.indexOf(QUOTE, at + 2)
        if (at < 0) return -1
      }
      begins = byte === delimiter
    }
    return -1
  }

const linesIn = (bytes: Buffer, from: number, to: number): number => {
  let lines = 0
  for (let at = bytes.indexOf(LF, from); at >= 0 && at < to; at = bytes.indexOf(LF, at + 1)) lines += 1
  return lines
}

const withoutCr = (bytes: Buffer, from: number, to: number): Buffer =>
  bytes.subarray(from, to > from && bytes[to - 1] === CR ? to - 1 : to)

/**
 * Cuts a stream into records. A record whose end does not come within `MAX_RECORD` bytes, or at all, is
 * reported, and reading goes on at the next line: one stray quote costs one line, not the rest of the file.
 */
export class Splitter {
  private rest: Buffer = Buffer.alloc(0)
  /** Dropping the rest of a line that was too long. */
  private dropping = false
  /** Where the next record begins. */
  place: Place

  constructor(
    private readonly findEnd: FindEnd,
    from: Place,
  ) {
    this.place = from
  }

  /** Bytes that wait for the end of their record. */
  get held(): number {
    return this.rest.length
  }

  push(chunk: Buffer): Pieces {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    return this.cut(false)
  }

  /** What is left after the last chunk. */
  end(): Pieces {
    return this.cut(true)
  }

  private cut(last: boolean): Pieces {
    const pieces: Piece[] = []
    while (this.rest.length > 0) {
      if (this.dropping && !this.drop()) break
      const piece = this.next(last)
      if (piece === undefined) break
      pieces.push(piece)
    }
    return { pieces, next: this.place }
  }

  /** Takes the first record off; undefined when more bytes are needed. */
  private next(last: boolean): Piece | undefined {
    const { rest: held, place } = this
    const found = held.length === 0 ? -1 : this.findEnd(held, 0)
    const isUnended = found < 0 && last && this.findEnd(Buffer.concat([held, lineBreak]), 0) === held.length
    const end = isUnended ? held.length : found
    if (end >= 0 && end <= MAX_RECORD) {
      this.advance(end)
      return { ...place, bytes: withoutCr(held, 0, end), ...(isUnended ? { isUnended } : {}) }
    }
    if (held.length === 0 || (end < 0 && !last && held.length <= MAX_RECORD)) return undefined
    const line = held.indexOf(LF)
    const fault = held.length > MAX_RECORD ? "TOO_LONG" : "NOT_CLOSED"
    if (line >= 0) this.advance(line)
    else {
      this.place = { offset: place.offset + held.length, line: place.line }
      this.rest = held.subarray(held.length)
      this.dropping = !last
    }
    return { ...place, bytes: held.subarray(0, 0), fault }
  }

  /** Whether the end of the line that is dropped has come. */
  private drop(): boolean {
    const end = this.rest.indexOf(LF)
    if (end >= 0) {
      this.advance(end)
      this.dropping = false
      return true
    }
    this.place = { offset: this.place.offset + this.rest.length, line: this.place.line }
    this.rest = this.rest.subarray(this.rest.length)
    return false
  }

  /** Goes on after the line break at `end`, or at the end of all. */
  private advance(end: number): void {
    const { rest: held, place } = this
    const next = Math.min(held.length, end + 1)
    this.place = { offset: place.offset + next, line: place.line + linesIn(held, 0, end) + 1 }
    this.rest = held.subarray(next)
  }
}
