import { crc32 } from "node:zlib"

/** The remainders of CRC-32 (IEEE 802.3, reflected), by byte. */
const remainders = Int32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++)
    remainder = remainder & 1 ? 0xedb88320 ^ (remainder >>> 1) : remainder >>> 1
  return remainder
})

const withByte = (crc: number, byte: number): number =>
  (remainders[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8)

/** CRC-32 of what `crc` is of and a part of the bytes behind it: for a few bytes, as a call of zlib costs more. */
export const crcOfBytes = (bytes: Uint8Array, from: number, to: number, crc: number): number => {
  let state = ~crc
  for (let at = from; at < to; at++) state = withByte(state, bytes[at] as number)
  return ~state >>> 0
}

/** The same of a short text in UTF-8. */
export const crcOfText = (text: string, crc: number): number => {
  let state = ~crc
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) return crc32(text, crc)
    state = withByte(state, code)
  }
  return ~state >>> 0
}
