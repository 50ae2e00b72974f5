import { createHash } from "node:crypto"

/** A seed for one part of the whole, so that parts don't depend on the order in which they are made. */
export const seedOf = (seed: number, ...parts: ReadonlyArray<string>): number =>
  createHash("sha256")
    .update([seed, ...parts].join("\n"))
    .digest()
    .readUIntBE(0, 6)
