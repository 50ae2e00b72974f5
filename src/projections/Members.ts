/**
 * Members of sets of visitors as numbers. A member is 8 characters of base64url, 48 bits, which a number holds
 * exactly. Its digits are the places of the characters in the order of their codes, not those of base64url: so
 * numbers sort as the texts do, and a set is sorted and compared without making a text of any member.
 */
export const MEMBER_LENGTH = 8

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
const inOrder = [...base64url].sort().join("")

const HALF = 2 ** 24
const PAIRS = 4_096

/** The digit of a character, by its code; 255 for what is not base64url. */
const digits = new Uint8Array(128).fill(255)
/** By two digits: the codes of their characters, the first one higher; and the twelve bits of base64url. */
const characters = new Uint16Array(PAIRS)
const bits = new Uint16Array(PAIRS)

for (let digit = 0; digit < 64; digit++) digits[inOrder.charCodeAt(digit)] = digit
for (let pair = 0; pair < PAIRS; pair++) {
  const [first, second] = [inOrder.charAt(pair >> 6), inOrder.charAt(pair & 63)]
  characters[pair] = (first.charCodeAt(0) << 8) | second.charCodeAt(0)
  bits[pair] = (base64url.indexOf(first) << 6) | base64url.indexOf(second)
}

const digit = (text: string, at: number): number => digits[text.charCodeAt(at)] as number

/** Four characters of a member. */
export const memberHalf = (text: string, at: number): number =>
  (digit(text, at) << 18) | (digit(text, at + 1) << 12) | (digit(text, at + 2) << 6) | digit(text, at + 3)

/** The member that begins at `at`, where one is known to. */
const known = (text: string, at: number): number => memberHalf(text, at) * HALF + memberHalf(text, at + 4)

/** The member that begins at `at`; undefined when what is there is none. */
export const memberAt = (text: string, at: number): number | undefined => {
  for (let i = at; i < at + MEMBER_LENGTH; i++)
    if ((digits[text.charCodeAt(i)] ?? 255) === 255) return undefined
  return known(text, at)
}

const firstHalf = (member: number): number => Math.floor(member / HALF)

const writePair = (bytes: Uint8Array, at: number, pair: number): void => {
  const both = characters[pair] as number
  bytes[at] = both >> 8
  bytes[at + 1] = both & 255
}

/** Writes the member's characters. */
export const writeMember = (bytes: Uint8Array, at: number, member: number): void => {
  const first = firstHalf(member)
  const last = member - first * HALF
  writePair(bytes, at, first >> 12)
  writePair(bytes, at + 2, first & 4_095)
  writePair(bytes, at + 4, last >> 12)
  writePair(bytes, at + 6, last & 4_095)
}

/** The first 24 of the member's 48 uniform bits, and the others. */
export const highBits = (member: number): number => {
  const first = firstHalf(member)
  return ((bits[first >> 12] as number) << 12) | (bits[first & 4_095] as number)
}
export const lowBits = (member: number): number => {
  const last = member - firstHalf(member) * HALF
  return ((bits[last >> 12] as number) << 12) | (bits[last & 4_095] as number)
}

/** Where the member lies in a text of members in order that begins at `from`; as -1 - place where it would lie. */
export const findMember = (text: string, from: number, member: number): number => {
  const first = firstHalf(member)
  let low = 0
  let high = (text.length - from) / MEMBER_LENGTH
  while (low < high) {
    const middle = (low + high) >> 1
    const at = from + middle * MEMBER_LENGTH
    let difference = memberHalf(text, at) - first
    if (difference === 0) difference = known(text, at) - member
    if (difference === 0) return at
    if (difference < 0) low = middle + 1
    else high = middle
  }
  return -1 - (from + low * MEMBER_LENGTH)
}

/** Calls `take` for each member of a text that begins at `from`. */
export const eachMember = (text: string, from: number, take: (member: number) => void): void => {
  for (let at = from; at < text.length; at += MEMBER_LENGTH) take(known(text, at))
}
