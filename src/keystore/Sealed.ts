import { createCipheriv, createDecipheriv, randomFillSync } from "node:crypto"

const NONCE = 12
const TAG = 16

/** Random bytes in bulk: one call for 256 nonces costs what one nonce does. */
const pool = Buffer.alloc(NONCE * 256)
let used = pool.length

const nonce = (): Buffer => {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += NONCE
  return Buffer.from(pool.subarray(used - NONCE, used))
}

/**
 * Any JSON value encrypted with AES-256-GCM (NIST SP 800-38D), as base64 of nonce (12 bytes), tag (16 bytes) and
 * cipher text.
 *
 * @param key 32 bytes
 */
export const seal = (key: Uint8Array, value: unknown): string => {
  const iv = nonce()
  const cipher = createCipheriv("aes-256-gcm", key, iv)
  const body = cipher.update(JSON.stringify(value), "utf8")
  const last = cipher.final()
  return Buffer.concat([iv, cipher.getAuthTag(), body, last]).toString("base64")
}

/** The value that `seal` was given; undefined when the text was made with another key, or was changed. */
export const open = (key: Uint8Array, text: string): unknown => {
  const bytes = Buffer.from(text, "base64")
  if (bytes.length < NONCE + TAG) return undefined
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE), { authTagLength: TAG })
  decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG))
  try {
    const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()])
    return JSON.parse(plain.toString("utf8"))
  } catch {
    return undefined
  }
}
