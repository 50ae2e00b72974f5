const SHIFT = 8_640_000_000_000

/** Folds ask for the same few days again and again. */
const known = new Map<number, string>()
const MOST_KNOWN = 10_000

/**
 * An instant (epoch ms) as the 9 characters that stand for it in keys; they sort by time. Seconds are
 * exact enough, as no bucket begins between two.
 */
export const timePart = (at: number): string => {
  let part = known.get(at)
  if (part === undefined) {
    if (known.size >= MOST_KNOWN) known.clear()
    part = (Math.floor(at / 1000) + SHIFT).toString(36).padStart(9, "0")
    known.set(at, part)
  }
  return part
}

export const timeOf = (part: string): number => (Number.parseInt(part, 36) - SHIFT) * 1000
