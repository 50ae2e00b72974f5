/**
 * Client keys are 128 bits in base64url, 22 characters. In tables they stand as four numbers of 32 bits, as a million
 * strings would cost three times as much, and the garbage collector's time.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
const LENGTH = 22

const values = new Int8Array(128).fill(-1)
for (let at = 0; at < ALPHABET.length; at++) values[ALPHABET.charCodeAt(at)] = at

/** Where `parseKey` puts what it has read. */
export const parsed = new Int32Array(4)

/** False for a text that is not 128 bits in base64url: it would not come out as it went in. */
export const parseKey = (key: string): boolean => {
  if (key.length !== LENGTH) return false
  let bits = 0
  let held = 0
  let word = 0
  for (let at = 0; at < LENGTH; at++) {
    const code = key.charCodeAt(at)
    const value = code < 128 ? (values[code] as number) : -1
    if (value < 0) return false
    if (held + 6 < 32) {
      bits = (bits << 6) | value
      held += 6
      continue
    }
    const over = held + 6 - 32
    parsed[word++] = (bits << (6 - over)) | (value >> over)
    bits = value & ((1 << over) - 1)
    held = over
  }
  // 22 characters hold 132 bits: the last four are zero.
  return word === 4 && bits === 0
}

export const formatKey = (a: number, b: number, c: number, d: number): string => {
  const words = [a, b, c, d, 0]
  let text = ""
  for (let at = 0; at < LENGTH; at++) {
    const from = at * 6
    const word = from >> 5
    const shift = 26 - (from & 31)
    const value =
      shift >= 0
        ? (words[word] as number) >>> shift
        : ((words[word] as number) << -shift) | ((words[word + 1] as number) >>> (32 + shift))
    text += ALPHABET[value & 63]
  }
  return text
}
