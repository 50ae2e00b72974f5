import type { Part, Parts } from "./GrowingTable.js"
import { type Slots, tables } from "./Layout.js"
import { type Entries, entryName, nameOf, type Tables } from "./Table.js"
import { VisitorSet } from "./VisitorSet.js"

/** Sets of visitors by name. They stay the texts that they were read as until they are asked for. */
export class SetPart implements Part<SetPart> {
  private readonly sets = new Map<string, VisitorSet>()

  constructor(private readonly entries: Entries<string>) {}

  has(name: string): boolean {
    return this.entries[entryName(name)] !== undefined
  }

  add(name: string): void {
    this.adopt(entryName(name), VisitorSet.of(undefined))
  }

  /** To be added to. The name must be there. */
  at(name: string): VisitorSet {
    const own = entryName(name)
    let set = this.sets.get(own)
    if (set === undefined) {
      set = VisitorSet.decode(this.entries[own] as string)
      this.sets.set(own, set)
    }
    return set
  }

  begin(): void {}

  moveAll(partOf: (name: string) => SetPart): void {
    for (const own in this.entries) {
      const name = nameOf(own)
      partOf(name).adopt(own, this.at(name))
    }
  }

  toJSON(): Entries<string> {
    for (const [own, set] of this.sets) this.entries[own] = set.toJSON()
    return this.entries
  }

  private adopt(own: string, set: VisitorSet): void {
    this.sets.set(own, set)
    this.entries[own] = set.toJSON()
  }
}

/** The sets of one name by hour. */
export class HourSets {
  private readonly sets = new Map<string, VisitorSet>()
  private slot = ""
  private set: VisitorSet | undefined

  constructor(private readonly slots: Slots<string>) {}

  /** To be added to. `slot`: the hour, as `slotOf` its day names it. */
  at(slot: string): VisitorSet {
    if (this.set !== undefined && this.slot === slot) return this.set
    let set = this.sets.get(slot)
    if (set === undefined) {
      set = VisitorSet.of(this.slots[slot])
      this.sets.set(slot, set)
    }
    this.slot = slot
    this.set = set
    return set
  }

  /** Hours that are over get no more visitors, mostly: they go back to being texts. */
  rest(): void {
    if (this.sets.size === 0) return
    this.toJSON()
    this.sets.clear()
    this.set = undefined
  }

  toJSON(): Slots<string> {
    for (const [slot, set] of this.sets) this.slots[slot] = set.toJSON()
    return this.slots
  }
}

/** As `SetPart`, by name and hour. */
export class HourSetPart implements Part<HourSetPart> {
  private readonly hours = new Map<string, HourSets>()

  constructor(private readonly entries: Entries<Slots<string>>) {}

  has(name: string): boolean {
    return this.entries[entryName(name)] !== undefined
  }

  add(name: string): void {
    this.entries[entryName(name)] = {}
  }

  at(name: string): HourSets {
    const own = entryName(name)
    let sets = this.hours.get(own)
    if (sets === undefined) {
      sets = new HourSets(this.entries[own] as Slots<string>)
      this.hours.set(own, sets)
    }
    return sets
  }

  begin(): void {
    for (const sets of this.hours.values()) sets.rest()
    this.hours.clear()
  }

  moveAll(partOf: (name: string) => HourSetPart): void {
    for (const own in this.entries) {
      const part = partOf(nameOf(own))
      part.entries[own] = this.entries[own] as Slots<string>
      const sets = this.hours.get(own)
      if (sets !== undefined) part.hours.set(own, sets)
    }
  }

  toJSON(): Entries<Slots<string>> {
    for (const sets of this.hours.values()) sets.toJSON()
    return this.entries
  }
}

interface Head {
  readonly n: number
  readonly e?: object
}

const partsIn = <P extends Part<P> & object>(
  tables: Tables,
  isPart: (doc: object) => doc is P,
  decode: (stored: object) => P,
): Parts<P> => {
  const { collection } = tables
  const partOf = (doc: object): P => (isPart(doc) ? doc : decode(doc))
  return {
    tables,
    create: () => decode({}),
    load: (docs, key) => {
      const found = docs.get<object>(collection, key)
      return found === undefined ? undefined : partOf(found)
    },
    save: (docs, key, part) => docs.put(collection, key, part),
    loadHead: (docs, key) => {
      const head = docs.get<Head>(collection, key)
      if (head === undefined) return undefined
      return { n: head.n, part: head.e === undefined ? undefined : partOf(head.e) }
    },
    saveHead: (docs, key, n, part) => {
      const head: Head = part === undefined ? { n } : { n, e: part }
      docs.put(collection, key, head)
    },
  }
}

export const dayVisitorParts: Parts<SetPart> = partsIn(
  tables.valueVisitors,
  (doc): doc is SetPart => doc instanceof SetPart,
  (stored) => new SetPart(stored as Entries<string>),
)

export const hourVisitorParts: Parts<HourSetPart> = partsIn(
  tables.valueHourVisitors,
  (doc): doc is HourSetPart => doc instanceof HourSetPart,
  (stored) => new HourSetPart(stored as Entries<Slots<string>>),
)
