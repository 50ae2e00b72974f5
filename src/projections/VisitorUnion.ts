import { estimate, REGISTERS, raiseMember, raiseToText, ranksOf } from "./HyperLogLog.js"
import { eachMember, MEMBER_LENGTH, memberHalf } from "./Members.js"
import { EXACT_UP_TO, isExactText, TAG, type VisitorSet } from "./VisitorSet.js"

/** A table with a quarter of its places taken at most: members are uniform, so that neighbours are rare. */
const PLACES = 4 * EXACT_UP_TO
const firsts = new Int32Array(PLACES)
const lasts = new Int32Array(PLACES)
/** Places with another number than that of the present call are empty. */
const calls = new Uint32Array(PLACES)
let call = 0

/** Distinct members of exact sets, or undefined past what is counted exactly. */
const distinct = (texts: ReadonlyArray<string>): number | undefined => {
  call = call === 0xffff_ffff ? 1 : call + 1
  if (call === 1) calls.fill(0)
  let count = 0
  for (const text of texts) {
    for (let at = TAG; at < text.length; at += MEMBER_LENGTH) {
      const first = memberHalf(text, at)
      const last = memberHalf(text, at + MEMBER_LENGTH / 2)
      let place = last & (PLACES - 1)
      while (calls[place] === call && (firsts[place] !== first || lasts[place] !== last)) {
        place = (place + 1) & (PLACES - 1)
      }
      if (calls[place] === call) continue
      if (count === EXACT_UP_TO) return undefined
      count++
      calls[place] = call
      firsts[place] = first
      lasts[place] = last
    }
  }
  return count
}

const registers = new Uint8Array(REGISTERS)

const raise = (member: number): void => raiseMember(registers, member)

const estimated = (texts: ReadonlyArray<string>): number => {
  registers.fill(0)
  for (const text of texts) {
    if (isExactText(text)) eachMember(text, TAG, raise)
    else raiseToText(registers, text, TAG)
  }
  return Math.round(estimate(ranksOf(registers)))
}

/**
 * The size of the union: what merging one set after the other gives, without making any set on the way.
 * A breakdown has thousands of sets, and their union's size is all that it shows.
 */
export const unionSize = (sets: ReadonlyArray<VisitorSet>): number => {
  const [only] = sets
  if (only === undefined) return 0
  if (sets.length === 1) return only.size
  const texts = sets.map((set) => set.toJSON())
  return (texts.every(isExactText) ? distinct(texts) : undefined) ?? estimated(texts)
}
