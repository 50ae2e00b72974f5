import type * as Brand from "effect/Brand"

/**
 * A place in the event log. Opaque to everyone outside the event log's adapters and this file.
 *
 * Written as a decimal integer without leading zeros, because both the embedded log (sequence numbers)
 * and EventStoreDB (64-bit commit positions) order their events by one; a string, because 64 bits do
 * not fit a JavaScript number.
 */
export type Position = string & Brand.Brand<"Position">

const canonical = /^(0|[1-9][0-9]{0,19})$/

/** Before the first event. */
export const start = "0" as Position

export const isPosition = (text: string): text is Position => canonical.test(text)

export const fromNumber = (sequence: number | bigint): Position => String(sequence) as Position

/** Negative when `a` comes before `b`, 0 when they are the same place, positive when it comes after. */
export const compare = (a: Position, b: Position): number =>
  a.length !== b.length ? a.length - b.length : a < b ? -1 : a > b ? 1 : 0

export const max = (a: Position, b: Position): Position => (compare(a, b) >= 0 ? a : b)
export const min = (a: Position, b: Position): Position => (compare(a, b) <= 0 ? a : b)
