import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { csvFields, csvRow } from "../../../src/cli/import/csvRow.js"
import {
  endOfLine,
  endOfRow,
  type FindEnd,
  MAX_RECORD,
  type Piece,
  Splitter,
} from "../../../src/cli/import/Records.js"

const comma = endOfRow(",".charCodeAt(0))

const cutAll = (content: Buffer, findEnd: FindEnd, sizes: ReadonlyArray<number>) => {
  const splitter = new Splitter(findEnd, { offset: 0, line: 1 })
  const pieces: Piece[] = []
  for (let at = 0, turn = 0; at < content.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? content.length)
    pieces.push(...splitter.push(content.subarray(at, at + size)).pieces)
    at += size
  }
  pieces.push(...splitter.end().pieces)
  return { pieces, place: splitter.place }
}

const texts = (pieces: ReadonlyArray<Piece>) => pieces.map(({ bytes, fault }) => fault ?? bytes.toString())

const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 })

describe("cutting a file into lines", () => {
  it("says of the last one whether its line break is missing: it may not be finished", () => {
    const unended = (content: string) =>
      cutAll(Buffer.from(content), endOfLine, [100]).pieces.map(({ isUnended }) => isUnended === true)
    expect(unended("a\nb\n")).toEqual([false, false])
    expect(unended("a\nb")).toEqual([false, true])
  })

  it("gives each line, its number and the offset of its first byte, however the bytes arrive", () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[^\r\n]{0,12}$/u)),
        fc.constantFrom("\n", "\r\n"),
        fc.boolean(),
        sizes,
        (lines, eol, open, chunk) => {
          const content = Buffer.from(lines.map((line) => line + eol).join("") + (open ? "end" : ""))
          const { pieces, place } = cutAll(content, endOfLine, chunk)
          expect(texts(pieces)).toEqual(open ? [...lines, "end"] : lines)
          expect(pieces.map(({ line }) => line)).toEqual(pieces.map((_, index) => index + 1))
          for (const { offset, bytes } of pieces) {
            expect(content.subarray(offset, offset + bytes.length)).toEqual(bytes)
            expect(offset === 0 || content[offset - 1] === 10).toBe(true)
          }
          expect(place.offset).toBe(content.length)
        },
      ),
    )
  })

  it("can begin at any line that it gave, and gives the same from there", () => {
    const content = Buffer.from("one\ntwo\r\n\nfour\nfive")
    const { pieces } = cutAll(content, endOfLine, [3])
    for (const { offset, line } of pieces) {
      const splitter = new Splitter(endOfLine, { offset, line })
      const rest = [...splitter.push(content.subarray(offset)).pieces, ...splitter.end().pieces]
      expect(rest).toEqual(pieces.filter((piece) => piece.line >= line))
    }
  })

  it("reports a line that is too long, holds no more than its limit, and goes on after it", () => {
    const splitter = new Splitter(endOfLine, { offset: 0, line: 1 })
    const chunk = Buffer.alloc(65_536, "x")
    const pieces: Piece[] = [...splitter.push(Buffer.from("first\n")).pieces]
    let most = 0
    for (let sent = 0; sent < 4_000; sent += 1) {
      pieces.push(...splitter.push(chunk).pieces)
      most = Math.max(most, splitter.held)
    }
    pieces.push(...splitter.push(Buffer.from("\nlast\n")).pieces, ...splitter.end().pieces)
    expect(texts(pieces)).toEqual(["first", "TOO_LONG", "last"])
    expect(pieces.map(({ line, offset }) => [line, offset])).toEqual([
      [1, 0],
      [2, 6],
      [3, 6 + 4_000 * 65_536 + 1],
    ])
    expect(most).toBeLessThanOrEqual(MAX_RECORD + 65_536)
  })

  it("takes a line of 100 KB", () => {
    const long = "y".repeat(100_000)
    expect(texts(cutAll(Buffer.from(`a\n${long}\nb`), endOfLine, [65_536]).pieces)).toEqual(["a", long, "b"])
  })
})

describe("cutting CSV into rows", () => {
  const field = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom("", '"', "a,b", "line\nbreak", "cr\r\nlf", '""', "ü€", " ", 'x\ny,"z"'),
  )
  const table = fc
    .integer({ min: 1, max: 4 })
    .chain((width) => fc.array(fc.array(field, { minLength: width, maxLength: width }), { minLength: 1 }))

  it("gives back every table that was written, however the bytes arrive", () => {
    fc.assert(
      fc.property(table, sizes, fc.constantFrom("\n", "\r\n"), (rows, chunk, eol) => {
        // A row that is one empty field is an empty line, and a bare \r at the end belongs to the line break.
        const whole = rows.map((row) => row.map((value) => (value === "" ? "-" : value)))
        const content = Buffer.from(whole.map((row) => csvRow(row) + eol).join(""))
        const { pieces } = cutAll(content, comma, chunk)
        expect(pieces.map(({ bytes }) => csvFields(bytes.toString(), ","))).toEqual(whole)
        expect(pieces.map(({ offset }) => offset)).toEqual(
          whole.map((_, index) =>
            Buffer.byteLength(
              whole
                .slice(0, index)
                .map((row) => csvRow(row) + eol)
                .join(""),
            ),
          ),
        )
      }),
    )
  })

  it("numbers rows by their first line", () => {
    const { pieces } = cutAll(Buffer.from('a,b\n1,"x\ny\nz"\n2,3\n'), comma, [4])
    expect(pieces.map(({ line, offset }) => [line, offset])).toEqual([
      [1, 0],
      [2, 4],
      [5, 14],
    ])
  })

  it("loses one line to a quote that is never closed, and reads on after it", () => {
    const { pieces } = cutAll(Buffer.from('a,b\n1,"open\n2,3\n4,5\n'), comma, [7])
    expect(texts(pieces)).toEqual(["a,b", "NOT_CLOSED", "2,3", "4,5"])
    expect(pieces.map(({ line }) => line)).toEqual([1, 2, 3, 4])
  })

  it("lets a quote in the middle of a field hide nothing", () => {
    expect(texts(cutAll(Buffer.from('a,b"c\n"d"e,f\ng,h\n'), comma, [3]).pieces)).toEqual([
      'a,b"c',
      '"d"e,f',
      "g,h",
    ])
    expect(csvFields('a,b"c', ",")).toMatch(/does not begin with one/)
    expect(csvFields('"d"e,f', ",")).toMatch(/follows a closing quote/)
  })
})
