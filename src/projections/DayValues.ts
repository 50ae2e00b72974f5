import { type BucketDimension, bucketDimensions, NONE, OTHER } from "../domain/Metrics.js"
import type { Docs } from "../processors/Projection.js"
import { clean } from "../readmodels/Key.js"
import type { CountBlock } from "./CountBlock.js"
import { type CountPart, type CountRow, countParts } from "./CountPart.js"
import { BOUNCES, type Counts, EVENTS, PAGEVIEWS, type SessionChange, SESSION_MS, SESSIONS } from "./Counts.js"
import { dimensionCode, dimensionTable } from "./Dimensions.js"
import { GrowingTable } from "./GrowingTable.js"
import type { Large } from "./LargeDay.js"
import { valuesKey } from "./Layout.js"
import { dayVisitorParts, type HourSetPart, type HourSets, hourVisitorParts, type SetPart } from "./SetParts.js"
import { hashOf } from "./Table.js"
import { MONEY, NO_MEMBER, PAGE_VIEW, type TailRows } from "./TailRows.js"
import type { VisitorSet } from "./VisitorSet.js"

/** The tables that hold one dimension's values, and maybe those of others. */
interface DayTables {
  readonly counts: GrowingTable<CountPart>
  readonly visitors: GrowingTable<SetPart>
  readonly hourVisitors: GrowingTable<HourSetPart>
}

/** One value of a dimension on the day. */
interface Value {
  /** As its entries are named. */
  readonly name: string
  readonly hash: number
  readonly tables: DayTables
  readonly row: CountRow
  visitors: VisitorSet | undefined
  hourVisitors: HourSets | undefined
}

/** What facts of one hour come to. */
export interface Portion {
  /** As `slotOf` the day names the hour. */
  readonly slot: string
  readonly counts: Counts
  readonly members: ReadonlyArray<number>
}

/**
 * The facts of one hour and dimension by value, counted in arrays that are used again for the next: no more than
 * a tail of facts has groups, each of them with no more visitors.
 */
class Groups {
  count = 0
  /** By group: the code of its value, its events and its page views. */
  readonly codes: Array<number> = []
  readonly events: Array<number> = []
  readonly pageViews: Array<number> = []
  /** By code: the group, as `base` and its number. */
  private groups = new Int32Array(1_024)
  private base = 1
  /** For each group, a bit for each member of the tail. */
  private seen = new Uint32Array(1_024)
  private words = 0

  /** For a tail with so many texts and members. */
  begin(texts: number, members: number): void {
    this.base += this.count
    this.count = 0
    if (texts >= this.groups.length || this.base > 0x3fff_ffff) {
      this.groups = new Int32Array(Math.max(2 * texts, this.groups.length))
      this.base = 1
    }
    this.words = (members + 31) >> 5
  }

  /** The group of a code. */
  of(code: number): number {
    const known = (this.groups[code] as number) - this.base
    if (known >= 0) return known
    const group = this.count++
    this.groups[code] = this.base + group
    this.codes[group] = code
    this.events[group] = 0
    this.pageViews[group] = 0
    const from = group * this.words
    if (from + this.words > this.seen.length) {
      const larger = new Uint32Array(2 * (from + this.words))
      larger.set(this.seen)
      this.seen = larger
    }
    this.seen.fill(0, from, from + this.words)
    return group
  }

  /** Whether the group sees the member for the first time. */
  sees(group: number, member: number): boolean {
    const at = group * this.words + (member >> 5)
    const bit = 1 << (member & 31)
    const before = this.seen[at] as number
    if ((before & bit) !== 0) return false
    this.seen[at] = before | bit
    return true
  }
}

const groups = new Groups()

/** The buckets of a day by the values of dimensions, being counted: see `LargeDay`. */
export class DayValues {
  private readonly tables = new Map<string, DayTables>()
  private readonly values = bucketDimensions.map(() => new Map<string | null, Value>())

  constructor(
    private readonly docs: Docs,
    private readonly is: Large,
    /** How many values of each dimension are counted apart. */
    private readonly counted: { [code: string]: number },
  ) {}

  /** Counts facts of one hour, and what they come to as a whole. */
  countRows(tail: TailRows, rows: ReadonlyArray<number>, whole: Portion): void {
    for (let index = 0; index < this.values.length; index++) {
      if (tail.columns.isUniform(index)) this.countWhole(index, tail.columns.value(0, index), whole)
      else this.countGroups(index, tail, rows, whole.slot)
    }
  }

  /** Counts a change of a session with this value of the dimension. */
  changeSession(index: number, raw: string | null, slot: string, change: SessionChange): void {
    const { row } = this.value(index, raw)
    changeIn(row.part.day, row.row, change)
    changeIn(row.part.inHour(slot), row.row, change)
  }

  private countWhole(index: number, raw: string | null, { slot, counts, members }: Portion): void {
    const value = this.value(index, raw)
    const { part, row } = value.row
    part.day.addCounts(row, counts)
    part.inHour(slot).addCounts(row, counts)
    if (members.length === 0) return
    for (const member of members) this.see(value, slot, member)
  }

  private countGroups(index: number, tail: TailRows, rows: ReadonlyArray<number>, slot: string): void {
    const { columns, kinds, memberOf } = tail
    groups.begin(columns.texts.length, tail.members.length)
    for (const row of rows) {
      const group = groups.of(columns.code(row, index))
      const kind = kinds[row] as number
      if (kind !== MONEY) groups.events[group] = (groups.events[group] as number) + 1
      if (kind === PAGE_VIEW) groups.pageViews[group] = (groups.pageViews[group] as number) + 1
    }
    const values: Array<Value> = []
    for (let group = 0; group < groups.count; group++) {
      const code = groups.codes[group] as number
      values.push(this.value(index, code === 0 ? null : columns.text(code)))
    }
    // Only now, as a new value may move the others.
    for (let group = 0; group < groups.count; group++) {
      const { part, row } = (values[group] as Value).row
      addEvents(part.day, row, groups.events[group] as number, groups.pageViews[group] as number)
      addEvents(part.inHour(slot), row, groups.events[group] as number, groups.pageViews[group] as number)
    }
    for (const row of rows) {
      const member = memberOf[row] as number
      const isMoney = kinds[row] === MONEY
      if (member === NO_MEMBER && !isMoney) continue
      const group = groups.of(columns.code(row, index))
      const value = values[group] as Value
      if (isMoney) {
        const counts = tail.countsOf(row)
        value.row.part.day.addCounts(value.row.row, counts)
        value.row.part.inHour(slot).addCounts(value.row.row, counts)
      }
      if (member !== NO_MEMBER && groups.sees(group, member)) this.see(value, slot, tail.members[member] as number)
    }
  }

  private see(value: Value, slot: string, member: number): void {
    const { tables, name, hash } = value
    value.hourVisitors ??= tables.hourVisitors.open(name, hash).at(name)
    value.visitors ??= tables.visitors.open(name, hash).at(name)
    // Who was in the hour already was in the day as well.
    if (value.hourVisitors.at(slot).addMember(member)) value.visitors.addMember(member)
  }

  private value(index: number, raw: string | null): Value {
    const seen = this.values[index] as Map<string | null, Value>
    const known = seen.get(raw)
    if (known !== undefined) return known
    const value = this.open(index, raw === null ? NONE : clean(raw))
    seen.set(raw, value)
    return value
  }

  private open(index: number, wanted: string): Value {
    const dimension = bucketDimensions[index] as BucketDimension
    const tables = this.tablesOf(dimension)
    const [name, hash] = this.nameFor(dimension, tables, wanted)
    const row = tables.counts.open(name, hash).at(name)
    return { name, hash, tables, row, visitors: undefined, hourVisitors: undefined }
  }

  /** The name of the value's entry with its hash, or of `(other)` when no more are counted apart. */
  private nameFor(
    dimension: BucketDimension,
    { counts }: DayTables,
    wanted: string,
  ): readonly [name: string, hash: number] {
    const code = dimensionCode[dimension]
    const name = code + wanted
    const hash = hashOf(name)
    if (wanted === NONE || wanted === OTHER || counts.has(name, hash)) return [name, hash]
    const counted = this.counted[code] ?? 0
    if (counted >= this.is.maxValues) return [code + OTHER, hashOf(code + OTHER)]
    this.counted[code] = counted + 1
    return [name, hash]
  }

  private tablesOf(dimension: BucketDimension): DayTables {
    const name = dimensionTable(dimension)
    let tables = this.tables.get(name)
    if (tables === undefined) {
      const { docs, is } = this
      const key = valuesKey(is.merchantId, is.zone, name, is.day)
      tables = {
        counts: new GrowingTable(docs, countParts, key),
        visitors: new GrowingTable(docs, dayVisitorParts, key),
        hourVisitors: new GrowingTable(docs, hourVisitorParts, key),
      }
      this.tables.set(name, tables)
    }
    return tables
  }
}

const addEvents = (block: CountBlock, row: number, events: number, pageViews: number): void => {
  block.add(row, EVENTS, events)
  block.add(row, PAGEVIEWS, pageViews)
}

const changeIn = (block: CountBlock, row: number, { sessions, bounces, milliseconds }: SessionChange): void => {
  block.add(row, SESSIONS, sessions)
  block.add(row, BOUNCES, bounces)
  block.add(row, SESSION_MS, milliseconds)
}
