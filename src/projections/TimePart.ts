const SHIFT = 8_640_000_000_000

/** An instant as 9 characters that sort by time; seconds are exact enough, as no bucket begins between two. */
export const timePart = (at: number): string => (Math.floor(at / 1000) + SHIFT).toString(36).padStart(9, "0")

export const timeOf = (part: string): number => (Number.parseInt(part, 36) - SHIFT) * 1000
