import type { Docs } from "../processors/Projection.js"
import { CountBlock } from "./CountBlock.js"
import type { CountColumns } from "./CountColumns.js"
import type { Counts } from "./Counts.js"
import type { Part, Parts } from "./GrowingTable.js"
import { type Slots, tables } from "./Layout.js"
import { namesIn, type PackedCounts, type PackedHours, type PackedNames, packNames } from "./PackedEntries.js"
import { type Entries, isPacked, nameOf } from "./Table.js"

/** Where a name's counts are: in another part once its table has grown. */
export class CountRow {
  #part: CountPart
  #row: number

  constructor(part: CountPart, row: number) {
    this.#part = part
    this.#row = row
  }

  get part(): CountPart {
    return this.#part
  }

  get row(): number {
    return this.#row
  }

  moveTo(part: CountPart, row: number): void {
    this.#part = part
    this.#row = row
  }
}

/** The document of `values`. */
class DayCounts {
  readonly #part: CountPart

  constructor(part: CountPart) {
    this.#part = part
  }

  get part(): CountPart {
    return this.#part
  }

  toJSON(): PackedCounts {
    return this.#part.packDay()
  }
}

const secondsOf = (slot: string): number => Number(slot.slice(1))

/** Counts of names, of the day and of each hour. It is a document of `valueHours`, and `ofDay` the one of `values`. */
export class CountPart implements Part<CountPart> {
  readonly ofDay = new DayCounts(this)
  readonly day: CountBlock
  private readonly rows = new Map<string, CountRow>()
  private readonly hours = new Map<string, CountBlock>()
  private slot = ""
  private hour: CountBlock | undefined
  private names: PackedNames | undefined
  private order: ReadonlyArray<number> = []

  constructor(day?: PackedCounts, hours?: PackedHours) {
    const names = day === undefined ? [] : namesIn(day)
    names.forEach((name, row) => {
      this.rows.set(name, new CountRow(this, row))
    })
    this.day = new CountBlock(day?.c, names.length)
    if (hours === undefined) return
    for (const slot in hours.h) this.hours.set(slot, new CountBlock(hours.h[slot], names.length))
  }

  has(name: string): boolean {
    return this.rows.has(name)
  }

  add(name: string): void {
    this.rows.set(name, new CountRow(this, this.rows.size))
    this.names = undefined
  }

  /** The name must be there. */
  at(name: string): CountRow {
    return this.rows.get(name) as CountRow
  }

  /** Of the hour, as `slotOf` its day names it. */
  inHour(slot: string): CountBlock {
    if (this.hour !== undefined && this.slot === slot) return this.hour
    let block = this.hours.get(slot)
    if (block === undefined) {
      block = new CountBlock()
      this.hours.set(slot, block)
    }
    this.slot = slot
    this.hour = block
    return block
  }

  begin(): void {}

  moveAll(partOf: (name: string) => CountPart): void {
    for (const [name, at] of this.rows) {
      const part = partOf(name)
      const row = part.rows.size
      const from = at.row
      part.rows.set(name, at)
      part.names = undefined
      part.day.addRow(row, this.day, from)
      for (const [slot, block] of this.hours) part.inHour(slot).addRow(row, block, from)
      at.moveTo(part, row)
    }
  }

  packDay(): PackedCounts {
    return { ...this.packedNames(), c: this.day.pack(this.order) }
  }

  toJSON(): PackedHours {
    const names = this.packedNames()
    const h: Slots<CountColumns> = {}
    const slots = [...this.hours.keys()].sort((a, b) => secondsOf(a) - secondsOf(b))
    for (const slot of slots) {
      const columns = (this.hours.get(slot) as CountBlock).pack(this.order)
      for (const _ in columns) {
        h[slot] = columns
        break
      }
    }
    return { ...names, h }
  }

  private packedNames(): PackedNames {
    if (this.names === undefined) {
      const names = [...this.rows.keys()]
      const order = names.map((_, row) => row)
      order.sort((a, b) => ((names[a] as string) < (names[b] as string) ? -1 : 1))
      this.order = order
      this.names = packNames(order.map((row) => names[row] as string))
    }
    return this.names
  }
}

interface Head {
  readonly n: number
  readonly e?: object
}

const { values, valueHours } = tables

const partOf = (day: object | undefined, hours: object | undefined): CountPart | undefined => {
  if (hours instanceof CountPart) return hours
  if (day instanceof DayCounts) return day.part
  if (day === undefined) return undefined
  if (isPacked(day)) return new CountPart(day as PackedCounts, hours as PackedHours | undefined)
  return formerPart(day as Entries<Counts>, (hours ?? {}) as Entries<Slots<Counts>>)
}

/** Of documents as former versions of the projection stored them. */
const formerPart = (day: Entries<Counts>, hours: Entries<Slots<Counts>>): CountPart => {
  const part = new CountPart()
  for (const own in day) {
    const name = nameOf(own)
    part.add(name)
    const { row } = part.at(name)
    part.day.addCounts(row, day[own] as Counts)
    const slots = hours[own] ?? {}
    for (const slot in slots) part.inHour(slot).addCounts(row, slots[slot] as Counts)
  }
  return part
}

/** Two tables that have the same names, each entry of both changed with that of the other. */
export const countParts: Parts<CountPart> = {
  tables: values,
  create: () => new CountPart(),
  load: (docs: Docs, key: string) =>
    partOf(docs.get<object>(values.collection, key), docs.get<object>(valueHours.collection, key)),
  save: (docs, key, part) => {
    docs.put(values.collection, key, part.ofDay)
    docs.put(valueHours.collection, key, part)
  },
  loadHead: (docs, key) => {
    const day = docs.get<Head>(values.collection, key)
    if (day === undefined) return undefined
    const hours = docs.get<Head>(valueHours.collection, key)
    return { n: day.n, part: partOf(day.e, hours?.e) }
  },
  saveHead: (docs, key, n, part) => {
    const day: Head = part === undefined ? { n } : { n, e: part.ofDay }
    const hours: Head = part === undefined ? { n } : { n, e: part }
    docs.put(values.collection, key, day)
    docs.put(valueHours.collection, key, hours)
  },
}
