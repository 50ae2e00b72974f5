import { createHash } from "node:crypto"
import {
  beginsWithMember,
  estimate,
  MEMBER_LENGTH,
  REGISTERS,
  raiseToRegisters,
  raiseToText,
  rankAt,
  rankIn,
  ranksIn,
  ranksOf,
  registerAt,
  textOf,
} from "./HyperLogLog.js"

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
export const isExactText = (stored: string): boolean => stored.startsWith(EXACT)

/** Up to here inserting a member into the text costs less than keeping anything beside it. */
const SMALL = TAG + 16 * MEMBER_LENGTH

/** Characters of a client key: 128 bits of an HMAC. */
const KEY_LENGTH = 22

/** The first characters of the key, or of its hash: see `VisitorSet`. */
export const memberOf = (clientKey: string): string => {
  const { length } = clientKey
  if ((length === KEY_LENGTH || length === MEMBER_LENGTH) && beginsWithMember(clientKey)) {
    return clientKey.slice(0, MEMBER_LENGTH)
  }
  return createHash("sha256").update(clientKey).digest("base64url").slice(0, MEMBER_LENGTH)
}

/** Below 0 when the member of the text at `at` comes first, 0 when it is this one. */
const compareAt = (text: string, at: number, member: string): number => {
  for (let i = 0; i < MEMBER_LENGTH; i++) {
    const difference = text.charCodeAt(at + i) - member.charCodeAt(i)
    if (difference !== 0) return difference
  }
  return 0
}

/** Where the member lies in the text of an exact set; where it would lie, as -1 - place, when it is missing. */
const find = (text: string, member: string): number => {
  let low = 0
  let high = (text.length - TAG) / MEMBER_LENGTH
  while (low < high) {
    const middle = (low + high) >> 1
    const at = TAG + middle * MEMBER_LENGTH
    const difference = compareAt(text, at, member)
    if (difference === 0) return at
    if (difference < 0) low = middle + 1
    else high = middle
  }
  return -1 - (TAG + low * MEMBER_LENGTH)
}

/** Shared by all sets with nothing new, and never changed. */
const none: Array<string> = []

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
  /** Members that are not in `text`, and then of `known`. */
  private fresh: Array<string> = none
  /** Members that need not be looked for in `text`; of sets that are not small. */
  private known: Set<string> | undefined
  /** Undefined while exact, or while `text` says it all. */
  private registers: Uint8Array | undefined
  private isTextOld = false

  private constructor(text: string) {
    this.text = text
  }

  /** Throws an Error for what is not a stored set. A set that is decoded already is given back itself. */
  static decode(stored: string | VisitorSet): VisitorSet {
    if (typeof stored !== "string") return stored
    const { length } = stored
    const fits = stored.startsWith(EXACT)
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
  addMember(member: string): void {
    if (this.isExact) this.addExact(member)
    else this.raise(member, 0)
  }

  /** Whether adding the member would change nothing. */
  hasMember(member: string): boolean {
    const { registers, text } = this
    if (registers !== undefined) return rankAt(member, 0) <= (registers[registerAt(member, 0)] as number)
    if (!text.startsWith(EXACT)) return rankAt(member, 0) <= rankIn(text, TAG, registerAt(member, 0))
    return this.known?.has(member) === true || find(text, member) >= 0
  }

  /** Makes this the union. `other` stays as it is, and may be this set. */
  merge(other: VisitorSet): void {
    if (other === this) return
    if (this.isExact && this.exactSize === 0) {
      this.text = other.toJSON()
    } else if (!other.isExact) {
      if (this.isExact) this.toRegisters()
      this.mergeRegisters(other)
    } else if (this.isExact) {
      this.mergeExact(other.toJSON())
    } else {
      const text = other.toJSON()
      for (let at = TAG; at < text.length; at += MEMBER_LENGTH) this.raise(text, at)
    }
  }

  /** The number of members: exact up to 1,024, then the estimate as a whole number. */
  get size(): number {
    if (this.isExact) return this.exactSize
    const { registers, text } = this
    return Math.round(estimate(registers === undefined ? ranksIn(text, TAG) : ranksOf(registers)))
  }

  get isExact(): boolean {
    return this.registers === undefined && this.text.startsWith(EXACT)
  }

  /** The stored form. */
  toJSON(): string {
    if (this.registers !== undefined && this.isTextOld) {
      this.text = ESTIMATED + textOf(this.registers)
      this.isTextOld = false
    } else if (this.fresh.length > 0) {
      this.text = this.textWithFresh()
      this.fresh = none
    }
    return this.text
  }

  private get exactSize(): number {
    return (this.text.length - TAG) / MEMBER_LENGTH + this.fresh.length
  }

  private addExact(member: string): void {
    const { text } = this
    if (text.length < SMALL) {
      const found = find(text, member)
      if (found < 0) this.text = text.slice(0, -1 - found) + member + text.slice(-1 - found)
      return
    }
    this.known ??= new Set()
    if (this.known.has(member)) return
    this.known.add(member)
    if (find(text, member) >= 0) return
    if (this.fresh.length === 0) this.fresh = [member]
    else this.fresh.push(member)
    if (this.exactSize > EXACT_UP_TO) this.toRegisters()
  }

  private mergeExact(other: string): void {
    const text = this.toJSON()
    const fresh: Array<string> = []
    for (let at = TAG; at < other.length; at += MEMBER_LENGTH) {
      const member = other.slice(at, at + MEMBER_LENGTH)
      if (find(text, member) < 0) fresh.push(member)
    }
    this.fresh = fresh
    if (this.exactSize > EXACT_UP_TO) this.toRegisters()
    else this.toJSON()
  }

  /** Only the new members are sorted, and laid between those that are in order already. */
  private textWithFresh(): string {
    const { text } = this
    const parts: Array<string> = []
    let from = 0
    for (const member of this.fresh.sort()) {
      const to = -1 - find(text, member)
      parts.push(text.slice(from, to), member)
      from = to
    }
    parts.push(text.slice(from))
    return parts.join("")
  }

  /** From here on it is a HyperLogLog. */
  private toRegisters(): void {
    const { text, fresh } = this
    this.registers = new Uint8Array(REGISTERS)
    this.isTextOld = true
    for (let at = TAG; at < text.length; at += MEMBER_LENGTH) this.raise(text, at)
    for (const member of fresh) this.raise(member, 0)
    this.text = ESTIMATED
    this.fresh = none
    this.known = undefined
  }

  private raise(text: string, at: number): void {
    const register = registerAt(text, at)
    const rank = rankAt(text, at)
    if (this.registers === undefined) {
      if (rank <= rankIn(this.text, TAG, register)) return
      this.registers = this.decoded()
    }
    if (rank <= (this.registers[register] as number)) return
    this.registers[register] = rank
    this.isTextOld = true
  }

  private decoded(): Uint8Array {
    const registers = new Uint8Array(REGISTERS)
    raiseToText(registers, this.text, TAG)
    return registers
  }

  private mergeRegisters(other: VisitorSet): void {
    this.registers ??= this.decoded()
    const raised =
      other.registers === undefined
        ? raiseToText(this.registers, other.text, TAG)
        : raiseToRegisters(this.registers, other.registers)
    if (raised) this.isTextOld = true
  }
}
