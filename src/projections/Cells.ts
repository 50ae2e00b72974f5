/**
 * Whole numbers as one text: read by columns they are found without making an array or an object of each, and take
 * a third of the characters of JSON. A cell is written in base 32, its last digit first, a digit as one of
 * 64 characters: `0` to `V` for 0 to 31 where it ends, `W` to `_` where more follow (the variable-length
 * quantity of source maps). `.` and a number are so many zeros,
 * `~` and a decimal number and `~` is what is negative, or too large for a number. Zeros at the end are left out.
 */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
const BASE = 32
const ZEROS = ".".charCodeAt(0)
const DECIMAL = "~".charCodeAt(0)
const ZERO = ALPHABET.charCodeAt(0)

/** Fewer zeros are written one by one. */
const RUN = 3

const codes = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0))
const digits = new Uint8Array(128)
for (let digit = 0; digit < ALPHABET.length; digit++) digits[codes[digit] as number] = digit

/** Characters of a number at most: 53 bits and an end. */
const LONGEST = 12

/** A sum past 2^53 is a decimal text. */
export type Cell = number | string

let scratch = Buffer.alloc(4_096)

const reserve = (length: number): void => {
  if (length <= scratch.length) return
  const larger = Buffer.alloc(2 * length)
  scratch.copy(larger)
  scratch = larger
}

const putNumber = (at: number, value: number): number => {
  let [end, rest] = [at, value]
  while (rest >= BASE) {
    const more = Math.floor(rest / BASE)
    scratch[end++] = codes[BASE + (rest - more * BASE)] as number
    rest = more
  }
  scratch[end++] = codes[rest] as number
  return end
}

const putZeros = (at: number, zeros: number): number => {
  if (zeros >= RUN) {
    scratch[at] = ZEROS
    return putNumber(at + 1, zeros)
  }
  for (let i = 0; i < zeros; i++) scratch[at + i] = ZERO
  return at + zeros
}

let end = 0

const putCell = (cell: Cell): void => {
  reserve(end + 2 * LONGEST)
  if (typeof cell === "number" && cell > 0 && Number.isSafeInteger(cell)) {
    end = putNumber(end, cell)
    return
  }
  const text = `~${cell}~`
  reserve(end + text.length)
  end += scratch.write(text, end, "latin1")
}

const putZerosBefore = (zeros: number): void => {
  reserve(end + 2 * LONGEST)
  end = putZeros(end, zeros)
}

/** The cells in their order; `cellAt` is asked for each of so many once. */
export const encodeCells = (count: number, cellAt: (index: number) => Cell): string => {
  end = 0
  let zeros = 0
  for (let index = 0; index < count; index++) {
    const cell = cellAt(index)
    if (cell === 0) {
      zeros++
      continue
    }
    if (zeros > 0) putZerosBefore(zeros)
    zeros = 0
    putCell(cell)
  }
  return scratch.toString("latin1", 0, end)
}

/** The cells at these places of a column, whose end may be missing where it is 0. */
export const encodeColumn = (column: ReadonlyArray<Cell>, order: ReadonlyArray<number>): string => {
  end = 0
  let zeros = 0
  for (let index = 0; index < order.length; index++) {
    const row = order[index] as number
    const cell = row < column.length ? (column[row] as Cell) : 0
    if (cell === 0) {
      zeros++
      continue
    }
    if (zeros > 0) putZerosBefore(zeros)
    zeros = 0
    putCell(cell)
  }
  return scratch.toString("latin1", 0, end)
}

/** Calls `take` for each cell that is not 0, in order. */
export const decodeCells = (text: string, take: (index: number, cell: Cell) => void): void => {
  const { length } = text
  let index = 0
  let at = 0
  while (at < length) {
    let code = text.charCodeAt(at++)
    if (code === DECIMAL) {
      const end = text.indexOf("~", at)
      const decimal = text.slice(at, end)
      const number = Number(decimal)
      take(index++, Number.isInteger(number) && !Number.isSafeInteger(number) ? decimal : number)
      at = end + 1
      continue
    }
    const isRun = code === ZEROS
    if (isRun) code = text.charCodeAt(at++)
    let digit = digits[code] as number
    if (digit < BASE && !isRun) {
      if (digit !== 0) take(index, digit)
      index++
      continue
    }
    let value = 0
    let weight = 1
    while (digit >= BASE) {
      value += (digit - BASE) * weight
      weight *= BASE
      digit = digits[text.charCodeAt(at++)] as number
    }
    value += digit * weight
    if (isRun) index += value
    else take(index++, value)
  }
}
