import type { Active } from "../../domain/Idle.js"
import type { Whereabouts } from "../../domain/IdleTimes.js"
import { NO_ADDRESS } from "./AddressCode.js"
import { Columns } from "./Columns.js"
import { atOnce, type Pace } from "./Overdue.js"
import { PlaceIndex } from "./PlaceIndex.js"

const NONE = -1

/** A merchant's live clients with one idle time. */
interface Owner {
  readonly id: string
  readonly afterMs: number
  clients: number
}

/** Live clients with one idle time, in the order of their last recordings: the first is due first. */
interface Queue {
  first: number
  last: number
  size: number
}

/** A client that is due. */
export interface Due extends Whereabouts {
  readonly clientKey: string
  readonly merchantId: string
  readonly active: Active
  readonly afterMs: number
}

/** Of a client that nothing is known of. */
export const nowhere: Whereabouts = { address: NO_ADDRESS, country: 0 }

/** A client whose key is a text: key, merchant, activity time, recording time, address, country. */
type Text = readonly [string, string, number, number, number, number]

/** All clients of a table, as they are written to a file. */
export interface Dump {
  /** Merchants, as the records number them. */
  readonly merchants: ReadonlyArray<string>
  /** Of all records. */
  readonly bytes: number
  /** RECORD bytes for each client, in parts of whole records: each is valid until the next one is asked for. */
  readonly records: Iterable<Buffer>
  /** Those whose keys are no 128 bits. */
  readonly odd: ReadonlyArray<Text>
}

/** Key, activity time, recording time, address, number of the merchant, country. */
const RECORD = 16 + 8 + 8 + 8 + 4 + 2

/** Where records are put before they are written: all of a million clients' would be 46 MB. */
const part = Buffer.alloc(1_024 * RECORD)

/**
 * The clients of one partition that are not idle: tens of bytes each, and no timer. As the recording clock never
 * steps back, a client whose activity is recorded goes to the end of the queue of its idle time, which costs the
 * same however many there are, and the first of a queue is the next to become idle.
 */
export class LiveClients {
  private readonly columns = new Columns()
  private readonly index = new PlaceIndex(this.columns.key)
  private readonly owners: Array<Owner | undefined> = []
  private readonly freeOwners: Array<number> = []
  /** Merchant → idle time → owner. */
  private readonly ownersOf = new Map<string, Map<number, number>>()
  private readonly queues = new Map<number, Queue>()

  get size(): number {
    return this.index.size
  }

  /** Of the tables, for the figures. */
  get bytes(): number {
    return this.columns.bytes + this.index.bytes
  }

  get(clientKey: string): Active | undefined {
    return this.at(this.find(clientKey))
  }

  /** Where a client stands until it is removed; -1 for one that is not live. */
  find(clientKey: string): number {
    return this.index.find(clientKey)
  }

  at(place: number): Active | undefined {
    return place === NONE ? undefined : this.activeAt(place)
  }

  /** What is known of the client at this place. */
  whereaboutsAt(place: number): Whereabouts {
    if (place === NONE) return nowhere
    return {
      address: this.columns.address.get(place),
      country: this.columns.country.get(place),
    }
  }

  put(
    clientKey: string,
    merchantId: string,
    afterMs: number,
    active: Active,
    whereabouts: Whereabouts = nowhere,
  ): void {
    this.putAt(this.find(clientKey), clientKey, merchantId, afterMs, active, whereabouts)
  }

  /** The same for a client that was looked up before: `found` is what `find` gave. */
  putAt(
    found: number,
    clientKey: string,
    merchantId: string,
    afterMs: number,
    active: Active,
    { address, country }: Whereabouts,
  ): void {
    const { columns } = this
    let place = found
    const owner = this.owner(merchantId, afterMs)
    if (place === NONE) {
      place = columns.take()
      this.index.add(clientKey, place)
      this.join(place, owner)
    } else {
      const before = columns.merchant.get(place)
      columns.address.set(place, address)
      columns.country.set(place, country)
      if (before === owner && columns.recordedAt.get(place) === active.recordedAt) {
        columns.at.set(place, active.at)
        return
      }
      this.unlink(place, (this.owners[before] as Owner).afterMs)
      if (before !== owner) {
        this.join(place, owner)
        this.leave(before)
      }
    }
    columns.address.set(place, address)
    columns.country.set(place, country)
    columns.at.set(place, active.at)
    columns.recordedAt.set(place, active.recordedAt)
    this.link(place, afterMs)
  }

  remove(clientKey: string): void {
    const place = this.index.find(clientKey)
    if (place === NONE) return
    const number = this.columns.merchant.get(place)
    this.unlink(place, (this.owners[number] as Owner).afterMs)
    this.index.remove(place)
    this.columns.give(place)
    this.leave(number)
  }

  merchants(): ReadonlyArray<string> {
    return [...this.ownersOf.keys()]
  }

  /** Whether `due` would find any. */
  hasDue(clock: number, pace: Pace = atOnce): boolean {
    for (const [afterMs, { first }] of this.queues) {
      if (pace.allowed(this.columns.recordedAt.get(first) + afterMs, clock, 1) > 0) return true
    }
    return false
  }

  /** Clients whose silence is over the limit at this time of the recording clock: at most so many. They stay. */
  due(clock: number, limit: number, pace: Pace = atOnce): ReadonlyArray<Due> {
    const { recordedAt, next } = this.columns
    const found: Array<Due> = []
    for (const [afterMs, { first }] of this.queues) {
      const firstDue = recordedAt.get(first) + afterMs
      const before = found.length
      const most = before + pace.allowed(firstDue, clock, limit - before)
      for (let place = first; place !== NONE && found.length < most; ) {
        if (recordedAt.get(place) + afterMs > clock) break
        found.push(this.dueAt(place, afterMs))
        place = next.get(place)
      }
      pace.spend(found.length - before, firstDue, clock)
    }
    return found
  }

  /** From now on the merchant's clients are idle after so long, by what is known of each. */
  setIdleTimes(merchantId: string, afterMsOf: (whereabouts: Whereabouts) => number): void {
    const { columns } = this
    for (const [afterMs, number] of [...(this.ownersOf.get(merchantId) ?? [])]) {
      const moving = new Map<number, Array<number>>()
      for (let place = this.queues.get(afterMs)?.first ?? NONE; place !== NONE; ) {
        const after = columns.next.get(place)
        if (columns.merchant.get(place) === number) {
          const to = afterMsOf(this.whereaboutsAt(place))
          if (to !== afterMs) {
            const places = moving.get(to)
            if (places === undefined) moving.set(to, [place])
            else places.push(place)
          }
        }
        place = after
      }
      for (const [to, places] of moving) this.move(places, number, this.owner(merchantId, to))
    }
  }

  /** Everything but the idle times. The records are those of the moment when they are asked for. */
  dump(): Dump {
    const merchants: Array<string> = []
    // By owner: a merchant with several idle times has several.
    const numbers = this.owners.map((owner) => (owner === undefined ? NONE : merchants.push(owner.id) - 1))
    const odd = this.index.oddPlaces().map((place) => this.textAt(place))
    const bytes = (this.index.size - odd.length) * RECORD
    return { merchants, odd, bytes, records: this.records(numbers) }
  }

  private *records(numbers: ReadonlyArray<number>): Generator<Buffer> {
    const { columns, index } = this
    const doubles = [columns.at, columns.recordedAt, columns.address]
    let end = 0
    for (const { first } of this.queues.values()) {
      for (let place = first; place !== NONE; place = columns.next.get(place)) {
        if (index.isOdd(place)) continue
        for (const word of columns.key) end = part.writeInt32LE(word.get(place), end)
        for (const column of doubles) end = part.writeDoubleLE(column.get(place), end)
        end = part.writeInt32LE(numbers[columns.merchant.get(place)] as number, end)
        end = part.writeUInt16LE(columns.country.get(place), end)
        if (end < part.length) continue
        yield part
        end = 0
      }
    }
    yield part.subarray(0, end)
  }

  /** The same with all keys as texts, for few: any of them may be odd, and none has to be. */
  texts(): Dump["odd"] {
    const texts: Array<Text> = []
    for (const { first } of this.queues.values()) {
      for (let place = first; place !== NONE; place = this.columns.next.get(place))
        texts.push(this.textAt(place))
    }
    return texts
  }

  /** Fills an empty table. */
  restore(
    { merchants, odd, records }: Dump,
    afterMsOf: (merchantId: string, whereabouts: Whereabouts) => number,
  ): void {
    const { columns } = this
    const places: Array<number> = []
    for (const some of records) {
      for (let from = 0; from + RECORD <= some.length; from += RECORD) {
        const place = columns.take()
        columns.key.forEach((word, at) => {
          word.set(place, some.readInt32LE(from + at * 4))
        })
        columns.at.set(place, some.readDoubleLE(from + 16))
        columns.recordedAt.set(place, some.readDoubleLE(from + 24))
        columns.address.set(place, some.readDoubleLE(from + 32))
        columns.country.set(place, some.readUInt16LE(from + 44))
        const merchantId = merchants[some.readInt32LE(from + 40)] as string
        this.join(place, this.owner(merchantId, afterMsOf(merchantId, this.whereaboutsAt(place))))
        this.index.addKept(place)
        places.push(place)
      }
    }
    const { recordedAt } = columns
    // In order, so that each is linked at the end of its queue.
    places.sort((a, b) => recordedAt.get(a) - recordedAt.get(b))
    for (const place of places) this.link(place, (this.owners[columns.merchant.get(place)] as Owner).afterMs)
    for (const [key, merchantId, at, recorded, address, country] of odd) {
      const whereabouts = { address, country }
      const afterMs = afterMsOf(merchantId, whereabouts)
      this.put(key, merchantId, afterMs, { at, recordedAt: recorded }, whereabouts)
    }
  }

  private textAt(place: number): Text {
    const { id } = this.owners[this.columns.merchant.get(place)] as Owner
    const { at, recordedAt } = this.activeAt(place)
    const { address, country } = this.whereaboutsAt(place)
    return [this.index.keyOf(place), id, at, recordedAt, address, country]
  }

  private activeAt(place: number): Active {
    return { at: this.columns.at.get(place), recordedAt: this.columns.recordedAt.get(place) }
  }

  private dueAt(place: number, afterMs: number): Due {
    return {
      clientKey: this.index.keyOf(place),
      merchantId: (this.owners[this.columns.merchant.get(place)] as Owner).id,
      active: this.activeAt(place),
      ...this.whereaboutsAt(place),
      afterMs,
    }
  }

  private owner(merchantId: string, afterMs: number): number {
    let owners = this.ownersOf.get(merchantId)
    const known = owners?.get(afterMs)
    if (known !== undefined) return known
    const number = this.freeOwners.pop() ?? this.owners.length
    this.owners[number] = { id: merchantId, afterMs, clients: 0 }
    if (owners === undefined) {
      owners = new Map()
      this.ownersOf.set(merchantId, owners)
    }
    owners.set(afterMs, number)
    return number
  }

  private join(place: number, owner: number): void {
    this.columns.merchant.set(place, owner)
    ;(this.owners[owner] as Owner).clients++
  }

  /** One client less; an owner without any is forgotten. */
  private leave(number: number): void {
    const owner = this.owners[number] as Owner
    if (--owner.clients > 0) return
    const owners = this.ownersOf.get(owner.id)
    owners?.delete(owner.afterMs)
    if (owners?.size === 0) this.ownersOf.delete(owner.id)
    this.owners[number] = undefined
    this.freeOwners.push(number)
  }

  /** At the end of its queue, or before those that were recorded later: after a change of owners, clocks differ. */
  private link(place: number, afterMs: number): void {
    const { next, previous, recordedAt } = this.columns
    let queue = this.queues.get(afterMs)
    if (queue === undefined) {
      queue = { first: NONE, last: NONE, size: 0 }
      this.queues.set(afterMs, queue)
    }
    let before = queue.last
    while (before !== NONE && recordedAt.get(before) > recordedAt.get(place)) {
      before = previous.get(before)
    }
    const after = before === NONE ? queue.first : next.get(before)
    previous.set(place, before)
    next.set(place, after)
    if (before === NONE) queue.first = place
    else next.set(before, place)
    if (after === NONE) queue.last = place
    else previous.set(after, place)
    queue.size++
  }

  private unlink(place: number, afterMs: number): void {
    const { next, previous } = this.columns
    const queue = this.queues.get(afterMs) as Queue
    const before = previous.get(place)
    const after = next.get(place)
    if (before === NONE) queue.first = after
    else next.set(before, after)
    if (after === NONE) queue.last = before
    else previous.set(after, before)
    if (--queue.size === 0) this.queues.delete(afterMs)
  }

  /** Places of one queue, in its order, to another owner: both queues are in order, so they are merged in one pass. */
  private move(places: ReadonlyArray<number>, from: number, to: number): void {
    const { recordedAt } = this.columns
    const before = (this.owners[from] as Owner).afterMs
    const { afterMs } = this.owners[to] as Owner
    const others: Array<number> = []
    for (let place = this.queues.get(afterMs)?.first ?? NONE; place !== NONE; ) {
      others.push(place)
      place = this.columns.next.get(place)
    }
    this.queues.delete(afterMs)
    let at = 0
    for (const place of places) {
      this.unlink(place, before)
      this.join(place, to)
      this.leave(from)
      for (; at < others.length; at++) {
        const other = others[at] as number
        if (recordedAt.get(other) > recordedAt.get(place)) break
        this.link(other, afterMs)
      }
      this.link(place, afterMs)
    }
    for (; at < others.length; at++) this.link(others[at] as number, afterMs)
  }
}
