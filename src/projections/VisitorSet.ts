import { createHash } from "node:crypto"
import {
  estimate,
  REGISTERS,
  rankIn,
  rankOf,
  ranksIn,
  ranksOfCharacters,
  registerOf,
  ZERO,
} from "./HyperLogLog.js"
import { eachMember, findMember, MEMBER_LENGTH, memberAt, writeMember } from "./Members.js"

/** Members up to which a set is exact. */
export const EXACT_UP_TO = 1_024

/** First character of the stored form; what follows it never changes, a new form gets another character. */
const EXACT = "e"
const ESTIMATED = "h"
/** Where the members, or registers, begin. */
export const TAG = 1
const EXACT_LONGEST = TAG + EXACT_UP_TO * MEMBER_LENGTH
const ESTIMATED_LENGTH = TAG + REGISTERS

/** Of two stored forms, the one that lists its members. */
export const isExactText = (stored: string): boolean => stored.charCodeAt(0) === EXACT.charCodeAt(0)

/** Characters of a client key: 128 bits of an HMAC. */
const KEY_LENGTH = 22

/** The member that stands for a client key, as a number of `Members.ts`: see `VisitorSet`. */
export const memberOf = (clientKey: string): number => {
  const { length } = clientKey
  const own = length === KEY_LENGTH || length === MEMBER_LENGTH ? memberAt(clientKey, 0) : undefined
  if (own !== undefined) return own
  return memberAt(createHash("sha256").update(clientKey).digest("base64url"), 0) as number
}

/** Shared by all sets with nothing new, and never changed. */
const none: Array<number> = []

/** So many new members are looked through; more are found by hash. */
const FEW = 12

/** A hash table of members that is never more than half full. They are uniform: their low bits are a hash. */
class Found {
  private places = new Float64Array(64)
  private count = 0

  /** Whether it was not in before. No member is -1, and a place is free where there is 0. */
  add(member: number): boolean {
    if (this.count * 2 >= this.places.length) this.grow()
    const at = this.placeOf(member)
    if (this.places[at] !== 0) return false
    this.places[at] = member + 1
    this.count++
    return true
  }

  has(member: number): boolean {
    return this.places[this.placeOf(member)] !== 0
  }

  private placeOf(member: number): number {
    const { places } = this
    const mask = places.length - 1
    let at = (member | 0) & mask
    while (places[at] !== 0 && places[at] !== member + 1) at = (at + 1) & mask
    return at
  }

  private grow(): void {
    const before = this.places
    this.places = new Float64Array(4 * before.length)
    for (const kept of before) if (kept !== 0) this.places[this.placeOf(kept - 1)] = kept
  }
}

const scratch = Buffer.alloc(EXACT_LONGEST + MEMBER_LENGTH)

const sortFew = (members: Array<number>): Array<number> => {
  for (let i = 1; i < members.length; i++) {
    const member = members[i] as number
    let at = i
    while (at > 0 && (members[at - 1] as number) > member) {
      members[at] = members[at - 1] as number
      at--
    }
    members[at] = member
  }
  return members
}

const sorted = (members: Array<number>): ArrayLike<number> =>
  members.length <= 2 * FEW ? sortFew(members) : Float64Array.from(members).sort()

/** The text with more members, which it does not have: they are laid between those that are in order already. */
const textWith = (text: string, members: ArrayLike<number>): string => {
  const { length } = members
  let end = text.length
  let to = end + length * MEMBER_LENGTH
  if (end === TAG) scratch[0] = EXACT.charCodeAt(0)
  else scratch.write(text, 0, "latin1")
  const size = to
  for (let i = length - 1; i >= 0; i--) {
    const member = members[i] as number
    if (end > TAG) {
      const from = -1 - findMember(text, TAG, member)
      to -= end - from
      if (from < end) scratch.copyWithin(to, from, end)
      end = from
    }
    to -= MEMBER_LENGTH
    writeMember(scratch, to, member)
  }
  return scratch.toString("latin1", 0, size)
}

/**
 * A set of clients, for counting them: exact up to 1,024, then a HyperLogLog, whose size is an estimate
 * with a standard error of 0.81 %.
 *
 * A member is the first 8 characters (48 bits) of a client key of 22. As those are an HMAC's they are
 * uniform; any other key is hashed first, unless it is such 8 characters itself.
 *
 * The stored form is a text that follows from the members alone. `e` and the members in order, by code
 * units, while there are no more than 1,024; then `h` and one character for each register, its rank from
 * `0` on. Members are never removed, so a set that has passed 1,024 never comes back: whatever it is
 * merged with, their union has passed 1,024 too.
 *
 * A set that was read stays text until it has to change, and most of what is added is in it already.
 */
export class VisitorSet {
  /** The stored form, without `fresh`. Not that of `registers` while `isTextOld`. */
  private text: string
  /** Members that are not in `text`, in the order in which they came. */
  private fresh: Array<number> = none
  /** Those of `fresh`, once they are not few. */
  private found: Found | undefined
  /** The characters of the stored form; undefined while exact, or while `text` says it all. */
  private registers: Buffer | undefined
  private isTextOld = false

  private constructor(text: string) {
    this.text = text
  }

  /** Throws an Error for what is not a stored set. A set that is decoded already is given back itself. */
  static decode(stored: string | VisitorSet): VisitorSet {
    if (typeof stored !== "string") return stored
    const { length } = stored
    const fits = isExactText(stored)
      ? length <= EXACT_LONGEST && (length - TAG) % MEMBER_LENGTH === 0
      : stored.startsWith(ESTIMATED) && length === ESTIMATED_LENGTH
    if (!fits) {
      const begin = JSON.stringify(stored.slice(0, 12))
      throw new Error(
        `a stored set of visitors begins with ${begin} and has ${length} characters, which this version can't read; rebuild the projection`,
      )
    }
    return new VisitorSet(stored)
  }

  /** As `decode`; an empty set for undefined. */
  static of(stored: string | VisitorSet | undefined): VisitorSet {
    return stored === undefined ? new VisitorSet(EXACT) : VisitorSet.decode(stored)
  }

  add(clientKey: string): void {
    this.addMember(memberOf(clientKey))
  }

  /** What `memberOf` gave: one client is added to many sets. False when it changed nothing. */
  addMember(member: number): boolean {
    return this.isExact ? this.addExact(member) : this.raise(member)
  }

  /** Whether adding the member would change nothing. */
  hasMember(member: number): boolean {
    if (this.isExact) return this.isFresh(member) || this.isInText(member)
    return rankOf(member) <= this.rankAt(registerOf(member))
  }

  /** Makes this the union. `other` stays as it is, and may be this set. */
  merge(other: VisitorSet): void {
    if (other === this) return
    const text = other.toJSON()
    if (this.isExact && this.exactSize === 0) this.text = text
    else if (other.isExact) eachMember(text, TAG, (member) => this.addMember(member))
    else {
      if (this.isExact) this.toRegisters()
      this.mergeRegisters(text)
    }
  }

  /** The number of members: exact up to 1,024, then the estimate as a whole number. */
  get size(): number {
    if (this.isExact) return this.exactSize
    const { registers, text } = this
    return Math.round(estimate(registers === undefined ? ranksIn(text, TAG) : ranksOfCharacters(registers, TAG)))
  }

  get isExact(): boolean {
    return this.registers === undefined && isExactText(this.text)
  }

  /** The stored form. */
  toJSON(): string {
    if (this.isTextOld) {
      this.text = (this.registers as Buffer).toString("latin1")
      this.isTextOld = false
    } else if (this.fresh.length > 0) {
      this.text = textWith(this.text, sorted(this.fresh))
      this.fresh = none
      this.found = undefined
    }
    return this.text
  }

  private get exactSize(): number {
    return (this.text.length - TAG) / MEMBER_LENGTH + this.fresh.length
  }

  private isInText(member: number): boolean {
    return this.text.length > TAG && findMember(this.text, TAG, member) >= 0
  }

  private isFresh(member: number): boolean {
    if (this.found !== undefined) return this.found.has(member)
    const { fresh } = this
    for (let i = 0; i < fresh.length; i++) if (fresh[i] === member) return true
    return false
  }

  private addExact(member: number): boolean {
    if (this.isFresh(member) || this.isInText(member)) return false
    const { fresh } = this
    if (fresh.length === 0) this.fresh = [member]
    else fresh.push(member)
    if (this.found !== undefined) this.found.add(member)
    else if (fresh.length > FEW) {
      this.found = new Found()
      for (const one of fresh) this.found.add(one)
    }
    if (this.exactSize > EXACT_UP_TO) this.toRegisters()
    return true
  }

  /** From here on it is a HyperLogLog. */
  private toRegisters(): void {
    const { text, fresh } = this
    this.registers = Buffer.alloc(ESTIMATED_LENGTH, ZERO)
    this.registers[0] = ESTIMATED.charCodeAt(0)
    this.isTextOld = true
    this.text = ESTIMATED
    this.fresh = none
    this.found = undefined
    eachMember(text, TAG, (member) => this.raise(member))
    for (const member of fresh) this.raise(member)
  }

  private rankAt(register: number): number {
    const { registers } = this
    return registers === undefined
      ? rankIn(this.text, TAG, register)
      : (registers[TAG + register] as number) - ZERO
  }

  private raise(member: number): boolean {
    const register = registerOf(member)
    const rank = rankOf(member)
    if (rank <= this.rankAt(register)) return false
    this.registers ??= Buffer.from(this.text, "latin1")
    this.registers[TAG + register] = rank + ZERO
    this.isTextOld = true
    return true
  }

  private mergeRegisters(text: string): void {
    this.registers ??= Buffer.from(this.text, "latin1")
    for (let at = TAG; at < ESTIMATED_LENGTH; at++) {
      const character = text.charCodeAt(at)
      if (character <= (this.registers[at] as number)) continue
      this.registers[at] = character
      this.isTextOld = true
    }
  }
}
