import type { Active } from "../../domain/Idle.js"
import { Columns } from "./Columns.js"
import { PlaceIndex } from "./PlaceIndex.js"

const NONE = -1

/** A merchant with live clients. */
interface Owner {
  readonly id: string
  afterMs: number
  clients: number
}

/** Live clients with one idle time, in the order of their last recordings: the first is due first. */
interface Queue {
  first: number
  last: number
  size: number
}

/** A client that is due. */
export interface Due {
  readonly clientKey: string
  readonly merchantId: string
  readonly active: Active
  readonly address: number
  readonly afterMs: number
}

/** All clients of a table, as they are written to a file. */
export interface Dump {
  /** Merchants, as the records number them. */
  readonly merchants: ReadonlyArray<string>
  /** RECORD bytes for each client. */
  readonly records: Buffer
  /** Those whose keys are no 128 bits: key, merchant, activity time, recording time, address. */
  readonly odd: ReadonlyArray<readonly [string, string, number, number, number]>
}

/** Key, activity time, recording time, address, number of the merchant. */
const RECORD = 16 + 8 + 8 + 8 + 4

/**
 * The clients of one partition that are not idle: tens of bytes each, and no timer. As the recording clock never
 * steps back, a client whose activity is recorded goes to the end of the queue of its idle time, which costs the
 * same however many there are, and the first of a queue is the next to become idle.
 */
export class LiveClients {
  private readonly columns = new Columns()
  private readonly index = new PlaceIndex(() => this.columns.keys)
  private readonly owners: Array<Owner | undefined> = []
  private readonly freeOwners: Array<number> = []
  private readonly ownerOf = new Map<string, number>()
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

  /** What is known of its address; -1 for nothing. */
  addressOf(clientKey: string): number {
    const place = this.index.find(clientKey)
    return place === NONE ? NONE : (this.columns.address[place] as number)
  }

  /** `address` below 0 leaves the one that is known. */
  put(clientKey: string, merchantId: string, afterMs: number, active: Active, address: number): void {
    this.putAt(this.find(clientKey), clientKey, merchantId, afterMs, active, address)
  }

  /** The same for a client that was looked up before: `found` is what `find` gave. */
  putAt(
    found: number,
    clientKey: string,
    merchantId: string,
    afterMs: number,
    active: Active,
    address: number,
  ): void {
    const { columns } = this
    let place = found
    const owner = this.owner(merchantId, afterMs)
    if (place === NONE) {
      place = columns.take()
      this.index.add(clientKey, place)
      columns.merchant[place] = owner
      columns.address[place] = address
      ;(this.owners[owner] as Owner).clients++
    } else {
      if (columns.recordedAt[place] === active.recordedAt) {
        columns.at[place] = active.at
        if (address >= 0) columns.address[place] = address
        return
      }
      this.unlink(place, afterMs)
      if (address >= 0) columns.address[place] = address
    }
    columns.at[place] = active.at
    columns.recordedAt[place] = active.recordedAt
    this.link(place, afterMs)
  }

  remove(clientKey: string): void {
    const place = this.index.find(clientKey)
    if (place === NONE) return
    const number = this.columns.merchant[place] as number
    const owner = this.owners[number] as Owner
    this.unlink(place, owner.afterMs)
    this.index.remove(place)
    this.columns.give(place)
    if (--owner.clients > 0) return
    this.ownerOf.delete(owner.id)
    this.owners[number] = undefined
    this.freeOwners.push(number)
  }

  merchants(): ReadonlyArray<string> {
    return [...this.ownerOf.keys()]
  }

  /** When the next client is due; Infinity when none is live. */
  nextDue(): number {
    let next = Number.POSITIVE_INFINITY
    for (const [afterMs, { first }] of this.queues) {
      next = Math.min(next, (this.columns.recordedAt[first] as number) + afterMs)
    }
    return next
  }

  /** Clients whose silence is over the limit at this time of the recording clock: at most so many. They stay. */
  due(clock: number, limit: number): ReadonlyArray<Due> {
    const found: Array<Due> = []
    for (const [afterMs, { first }] of this.queues) {
      for (let place = first; place !== NONE && found.length < limit; ) {
        if ((this.columns.recordedAt[place] as number) + afterMs > clock) break
        found.push(this.dueAt(place, afterMs))
        place = this.columns.next[place] as number
      }
    }
    return found
  }

  /** From now on the merchant's clients are idle after so long. */
  setIdleAfter(merchantId: string, afterMs: number): void {
    const number = this.ownerOf.get(merchantId)
    const owner = number === undefined ? undefined : this.owners[number]
    if (owner === undefined || owner.afterMs === afterMs) return
    this.move(owner.afterMs, afterMs, (place) => this.columns.merchant[place] === number)
    owner.afterMs = afterMs
  }

  /** A copy of everything but the idle times. */
  dump(): Dump {
    const { columns, index } = this
    const numbers = new Map<number, number>()
    const merchants: Array<string> = []
    const odd: Array<readonly [string, string, number, number, number]> = []
    const records = Buffer.allocUnsafe(this.index.size * RECORD)
    let end = 0
    for (const { first } of this.queues.values()) {
      for (let place = first; place !== NONE; place = columns.next[place] as number) {
        const at = columns.at[place] as number
        const recordedAt = columns.recordedAt[place] as number
        const address = columns.address[place] as number
        const owner = columns.merchant[place] as number
        const { id } = this.owners[owner] as Owner
        if (index.isOdd(place)) {
          odd.push([index.keyOf(place), id, at, recordedAt, address])
          continue
        }
        let number = numbers.get(owner)
        if (number === undefined) {
          number = merchants.push(id) - 1
          numbers.set(owner, number)
        }
        for (let word = 0; word < 4; word++) {
          end = records.writeInt32LE(columns.keys[place * 4 + word] as number, end)
        }
        end = records.writeDoubleLE(at, end)
        end = records.writeDoubleLE(recordedAt, end)
        end = records.writeDoubleLE(address, end)
        end = records.writeInt32LE(number, end)
      }
    }
    return { merchants, odd, records: records.subarray(0, end) }
  }

  /** Fills an empty table. */
  restore({ merchants, odd, records }: Dump, afterMsOf: (merchantId: string) => number): void {
    const { columns } = this
    const owners = merchants.map((id) => this.owner(id, afterMsOf(id)))
    const places: Array<number> = []
    for (let from = 0; from + RECORD <= records.length; from += RECORD) {
      const place = columns.take()
      for (let word = 0; word < 4; word++)
        columns.keys[place * 4 + word] = records.readInt32LE(from + word * 4)
      columns.at[place] = records.readDoubleLE(from + 16)
      columns.recordedAt[place] = records.readDoubleLE(from + 24)
      columns.address[place] = records.readDoubleLE(from + 32)
      const owner = owners[records.readInt32LE(from + 40)] as number
      columns.merchant[place] = owner
      ;(this.owners[owner] as Owner).clients++
      this.index.addKept(place)
      places.push(place)
    }
    const { recordedAt } = columns
    // In order, so that each is linked at the end of its queue.
    places.sort((a, b) => (recordedAt[a] as number) - (recordedAt[b] as number))
    for (const place of places)
      this.link(place, (this.owners[columns.merchant[place] as number] as Owner).afterMs)
    for (const [key, merchantId, at, recorded, address] of odd) {
      this.put(key, merchantId, afterMsOf(merchantId), { at, recordedAt: recorded }, address)
    }
  }

  private activeAt(place: number): Active {
    return { at: this.columns.at[place] as number, recordedAt: this.columns.recordedAt[place] as number }
  }

  private dueAt(place: number, afterMs: number): Due {
    return {
      clientKey: this.index.keyOf(place),
      merchantId: (this.owners[this.columns.merchant[place] as number] as Owner).id,
      active: this.activeAt(place),
      address: this.columns.address[place] as number,
      afterMs,
    }
  }

  private owner(merchantId: string, afterMs: number): number {
    const known = this.ownerOf.get(merchantId)
    if (known !== undefined) {
      if ((this.owners[known] as Owner).afterMs !== afterMs) this.setIdleAfter(merchantId, afterMs)
      return known
    }
    const number = this.freeOwners.pop() ?? this.owners.length
    this.owners[number] = { id: merchantId, afterMs, clients: 0 }
    this.ownerOf.set(merchantId, number)
    return number
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
    while (before !== NONE && (recordedAt[before] as number) > (recordedAt[place] as number)) {
      before = previous[before] as number
    }
    const after = before === NONE ? queue.first : (next[before] as number)
    previous[place] = before
    next[place] = after
    if (before === NONE) queue.first = place
    else next[before] = place
    if (after === NONE) queue.last = place
    else previous[after] = place
    queue.size++
  }

  private unlink(place: number, afterMs: number): void {
    const { next, previous } = this.columns
    const queue = this.queues.get(afterMs) as Queue
    const before = previous[place] as number
    const after = next[place] as number
    if (before === NONE) queue.first = after
    else next[before] = after
    if (after === NONE) queue.last = before
    else previous[after] = before
    if (--queue.size === 0) this.queues.delete(afterMs)
  }

  /** Both queues are in order, so the two are merged in one pass. */
  private move(from: number, to: number, isOf: (place: number) => boolean): void {
    const moving: Array<number> = []
    for (let place = this.queues.get(from)?.first ?? NONE; place !== NONE; ) {
      const after = this.columns.next[place] as number
      if (isOf(place)) {
        this.unlink(place, from)
        moving.push(place)
      }
      place = after
    }
    if (moving.length === 0) return
    const { recordedAt } = this.columns
    const others: Array<number> = []
    for (let place = this.queues.get(to)?.first ?? NONE; place !== NONE; ) {
      others.push(place)
      place = this.columns.next[place] as number
    }
    this.queues.delete(to)
    let at = 0
    for (const place of moving) {
      for (; at < others.length; at++) {
        const other = others[at] as number
        if ((recordedAt[other] as number) > (recordedAt[place] as number)) break
        this.link(other, to)
      }
      this.link(place, to)
    }
    for (; at < others.length; at++) this.link(others[at] as number, to)
  }
}
