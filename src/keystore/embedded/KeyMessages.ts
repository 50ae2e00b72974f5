import { KEY } from "./KeyFile.js"

/** What goes between the key store's thread and its users. Each request gets one answer with its number. */
export type Request =
  | { readonly number: number; readonly kind: "ensure" | "find"; readonly clients: ReadonlyArray<string> }
  | { readonly number: number; readonly kind: "forget"; readonly clients: ReadonlyArray<string> }
  | { readonly number: number; readonly kind: "close"; readonly clients: ReadonlyArray<string> }

export type Answer =
  | { readonly number: number; readonly keys: Uint8Array }
  | { readonly number: number; readonly failed: string }

const WIDTH = KEY + 1

/** Keys side by side in one array, each behind a byte that says whether there is one: cheap to hand over. */
export const pack = (keys: ReadonlyArray<Uint8Array | null | undefined>): Uint8Array => {
  const packed = new Uint8Array(keys.length * WIDTH)
  keys.forEach((key, index) => {
    if (key === null || key === undefined) return
    packed[index * WIDTH] = 1
    packed.set(key, index * WIDTH + 1)
  })
  return packed
}

export const unpack = (packed: Uint8Array): Array<Buffer | undefined> => {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
  return Array.from({ length: packed.length / WIDTH }, (_, index) =>
    packed[index * WIDTH] === 1 ? bytes.subarray(index * WIDTH + 1, (index + 1) * WIDTH) : undefined,
  )
}
