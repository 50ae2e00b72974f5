/**
 * HyperLogLog with 2^14 registers over members of 48 uniform bits, each written as 8 characters of
 * base64url: the first 14 bits choose the register, the other 34 give the rank. The standard error of the
 * estimate is 1.04 / sqrt(2^14) = 0.81 %.
 */
export const REGISTERS = 2 ** 14
export const MEMBER_LENGTH = 8

/** Bits that give the rank; a rank is 1 to RANK_BITS + 1, and a register that saw none is 0. */
const RANK_BITS = 34
const RANKS = RANK_BITS + 2

/** A register's character is its rank from here on: `0` to `S`, none of which JSON escapes. */
const ZERO = 48

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/** The six bits of a character, by its code; 255 for what is not base64url. */
const sextets = new Uint8Array(128).fill(255)
for (let bits = 0; bits < alphabet.length; bits++) sextets[alphabet.charCodeAt(bits)] = bits

const sextet = (text: string, at: number): number => sextets[text.charCodeAt(at)] ?? 255

/** Whether the text begins with the characters of a member. */
export const beginsWithMember = (text: string): boolean => {
  for (let at = 0; at < MEMBER_LENGTH; at++) if (sextet(text, at) === 255) return false
  return true
}

/** The register of the member that begins at `at`. */
export const registerAt = (text: string, at: number): number =>
  (sextet(text, at) << 8) | (sextet(text, at + 1) << 2) | (sextet(text, at + 2) >> 4)

/** The rank of the member that begins at `at`: one more than the zeros that lead its last 34 bits. */
export const rankAt = (text: string, at: number): number => {
  const first = sextet(text, at + 2) & 15
  if (first !== 0) return Math.clz32(first) - 27
  const rest =
    (sextet(text, at + 3) << 24) |
    (sextet(text, at + 4) << 18) |
    (sextet(text, at + 5) << 12) |
    (sextet(text, at + 6) << 6) |
    sextet(text, at + 7)
  return Math.clz32(rest) + 3
}

/** Half of a member's bits: those of the four characters from `at` on. */
export const memberHalf = (text: string, at: number): number =>
  (sextet(text, at) << 18) | (sextet(text, at + 1) << 12) | (sextet(text, at + 2) << 6) | sextet(text, at + 3)

/** Raises the register of the member that begins at `at`. */
export const raiseMember = (registers: Uint8Array, text: string, at: number): void => {
  const register = registerAt(text, at)
  const rank = rankAt(text, at)
  if (rank > (registers[register] as number)) registers[register] = rank
}

/** A register's rank in a text of registers that begins at `from`. */
export const rankIn = (text: string, from: number, register: number): number =>
  text.charCodeAt(from + register) - ZERO

/** Raises the registers to those of a text that begins at `from`; says whether any was lower. */
export const raiseToText = (registers: Uint8Array, text: string, from: number): boolean => {
  let raised = false
  for (let register = 0; register < REGISTERS; register++) {
    const rank = text.charCodeAt(from + register) - ZERO
    if (rank > (registers[register] as number)) {
      registers[register] = rank
      raised = true
    }
  }
  return raised
}

/** As `raiseToText`, to the registers of another set. */
export const raiseToRegisters = (registers: Uint8Array, other: Uint8Array): boolean => {
  let raised = false
  for (let register = 0; register < REGISTERS; register++) {
    const rank = other[register] as number
    if (rank > (registers[register] as number)) {
      registers[register] = rank
      raised = true
    }
  }
  return raised
}

const scratch = Buffer.alloc(REGISTERS)

/** One character a register. */
export const textOf = (registers: Uint8Array): string => {
  for (let register = 0; register < REGISTERS; register++) {
    scratch[register] = (registers[register] as number) + ZERO
  }
  return scratch.toString("latin1")
}

/** How many registers have each rank, for `estimate`. */
export const ranksOf = (registers: Uint8Array): Uint16Array => {
  const counts = new Uint16Array(RANKS)
  for (const rank of registers) counts[rank] = (counts[rank] as number) + 1
  return counts
}

/** As `ranksOf`, for a text of registers that begins at `from`. */
export const ranksIn = (text: string, from: number): Uint16Array => {
  const counts = new Uint16Array(RANKS)
  for (let register = 0; register < REGISTERS; register++) {
    const rank = rankIn(text, from, register)
    counts[rank] = (counts[rank] as number) + 1
  }
  return counts
}

/** x + x^2 + 2 x^4 + 4 x^8 + …: what the registers that saw nothing are worth. */
const sigma = (share: number): number => {
  if (share === 1) return Number.POSITIVE_INFINITY
  let power = share
  let factor = 1
  let sum = share
  for (let before = Number.NaN; sum !== before; factor *= 2) {
    power *= power
    before = sum
    sum += power * factor
  }
  return sum
}

/** (1 - x - (1 - x^(1/2))^2 / 2 - (1 - x^(1/4))^2 / 4 - …) / 3: what those at the highest rank are worth. */
const tau = (share: number): number => {
  if (share === 0 || share === 1) return 0
  let root = share
  let factor = 1
  let sum = 1 - share
  for (let before = Number.NaN; sum !== before; ) {
    root = Math.sqrt(root)
    factor /= 2
    before = sum
    sum -= (1 - root) ** 2 * factor
  }
  return sum / 3
}

/**
 * The number of members, estimated from how many registers have each rank: the improved raw estimator,
 * algorithm 6 of O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017). It
 * needs no correction by size.
 */
export const estimate = (counts: Uint16Array): number => {
  const count = (rank: number): number => counts[rank] as number
  let z = REGISTERS * tau(1 - count(RANK_BITS + 1) / REGISTERS)
  for (let rank = RANK_BITS; rank >= 1; rank--) z = (z + count(rank)) / 2
  z += REGISTERS * sigma(count(0) / REGISTERS)
  return REGISTERS ** 2 / (2 * Math.LN2 * z)
}
