/**
 * About what a value takes in memory, bytes: without the place where it is kept, and with what is shared counted each
 * time. What a document is as text says little, as counts may be packed when they are written.
 */
export const memoryOf = (value: unknown): number => {
  if (typeof value === "string") return 16 + value.length
  if (typeof value !== "object" || value === null) return 0
  if (ArrayBuffer.isView(value)) return 200 + value.byteLength
  let bytes = 32
  if (Array.isArray(value)) {
    for (const element of value) bytes += 8 + memoryOf(element)
    return bytes
  }
  if (value instanceof Map || value instanceof Set) {
    for (const [key, element] of value.entries()) bytes += 40 + memoryOf(key) + memoryOf(element)
    return bytes
  }
  for (const name in value) bytes += 24 + memoryOf((value as Record<string, unknown>)[name])
  return bytes
}
