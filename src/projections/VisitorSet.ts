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

/** Members that wait to be laid into the text, at most: some of them may be in it, or come twice. */
const MOST_WAITING = 2 * EXACT_UP_TO

const scratch = Buffer.alloc(TAG + (EXACT_UP_TO + MOST_WAITING) * MEMBER_LENGTH)
const sorting = new Float64Array(MOST_WAITING)

/** Up to so many numbers are sorted one by one. */
const FEW = 64

/** The members in order, in `sorting`. */
const sort = (members: ReadonlyArray<number>): void => {
  const { length } = members
  if (length > FEW) {
    sorting.set(members)
    sorting.subarray(0, length).sort()
    return
  }
  for (let i = 0; i < length; i++) {
    const member = members[i] as number
    let at = i
    while (at > 0 && (sorting[at - 1] as number) > member) {
      sorting[at] = sorting[at - 1] as number
      at--
    }
    sorting[at] = member
  }
}

/** Sorts the members into `sorting`, each once and only those that are not in the text; says how many. */
const sortNew = (text: string, members: ReadonlyArray<number>): number => {
  sort(members)
  let count = 0
  for (let i = 0; i < members.length; i++) {
    const member = sorting[i] as number
    if (count > 0 && sorting[count - 1] === member) continue
    if (text.length > TAG && findMember(text, TAG, member) >= 0) continue
    sorting[count++] = member
  }
  return count
}

/** The text with the first of `sorting`: they are laid between the members that are in order already. */
const textWith = (text: string, count: number): string => {
  let end = text.length
  let to = end + count * MEMBER_LENGTH
  const size = to
  if (end === TAG) scratch[0] = EXACT.charCodeAt(0)
  else scratch.write(text, 0, "latin1")
  for (let i = count - 1; i >= 0; i--) {
    const member = sorting[i] as number
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
 * A set that was read stays text. What is added waits until the text, or the size, is asked for.
 */
export class VisitorSet {
  /** The stored form, without `waiting`. Not that of `registers` while `isTextOld`. */
  private text: string
  /** Members that were added since, as they came: most of them are new, and are looked for together. */
  private waiting: Array<number> = none
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

  /** What `memberOf` gave: one client is added to many sets. */
  addMember(member: number): void {
    if (!this.isExactSoFar) {
      this.raise(member)
      return
    }
    if (this.waiting === none) this.waiting = [member]
    else this.waiting.push(member)
    if (this.waiting.length === MOST_WAITING) this.settle()
  }

  /** Whether adding the member would change nothing. */
  hasMember(member: number): boolean {
    this.settle()
    if (this.isExactSoFar) return findMember(this.text, TAG, member) >= 0
    return rankOf(member) <= this.rankAt(registerOf(member))
  }

  /** Makes this the union. `other` stays as it is, and may be this set. */
  merge(other: VisitorSet): void {
    if (other === this) return
    const text = other.toJSON()
    if (other.isExact) {
      if (this.isExact && this.text.length === TAG) this.text = text
      else eachMember(text, TAG, (member) => this.addMember(member))
      return
    }
    if (this.isExact) this.toRegisters()
    this.mergeRegisters(text)
  }

  /** The number of members: exact up to 1,024, then the estimate as a whole number. */
  get size(): number {
    if (this.isExact) return (this.text.length - TAG) / MEMBER_LENGTH
    const { registers, text } = this
    const ranks = registers === undefined ? ranksIn(text, TAG) : ranksOfCharacters(registers, TAG)
    return Math.round(estimate(ranks))
  }

  get isExact(): boolean {
    this.settle()
    return this.isExactSoFar
  }

  /** The stored form. */
  toJSON(): string {
    this.settle()
    if (this.isTextOld) {
      this.text = (this.registers as Buffer).toString("latin1")
      this.isTextOld = false
    }
    return this.text
  }

  /** As `isExact`, but for those that wait. */
  private get isExactSoFar(): boolean {
    return this.registers === undefined && isExactText(this.text)
  }

  /** Lays what waits into the text, or the registers. */
  private settle(): void {
    const { waiting, text } = this
    if (waiting === none) return
    this.waiting = none
    const count = sortNew(text, waiting)
    if ((text.length - TAG) / MEMBER_LENGTH + count > EXACT_UP_TO) {
      this.toRegisters()
      for (let i = 0; i < count; i++) this.raise(sorting[i] as number)
    } else if (count > 0) this.text = textWith(text, count)
  }

  /** From here on it is a HyperLogLog. */
  private toRegisters(): void {
    const { text } = this
    this.registers = Buffer.alloc(ESTIMATED_LENGTH, ZERO)
    this.registers[0] = ESTIMATED.charCodeAt(0)
    this.isTextOld = true
    this.text = ESTIMATED
    eachMember(text, TAG, (member) => this.raise(member))
  }

  private rankAt(register: number): number {
    const { registers } = this
    return registers === undefined
      ? rankIn(this.text, TAG, register)
      : (registers[TAG + register] as number) - ZERO
  }

  private raise(member: number): void {
    const register = registerOf(member)
    const rank = rankOf(member)
    if (rank <= this.rankAt(register)) return
    this.registers ??= Buffer.from(this.text, "latin1")
    this.registers[TAG + register] = rank + ZERO
    this.isTextOld = true
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
