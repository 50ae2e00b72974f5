import { type BucketDimension, bucketDimensions, NONE, OTHER } from "../domain/Metrics.js"
import type { Docs } from "../processors/Projection.js"
import { clean } from "../readmodels/Key.js"
import { type CountPart, type CountRow, countParts } from "./CountPart.js"
import type { Counts, SessionChange } from "./Counts.js"
import { dimensionCode, dimensionTable } from "./Dimensions.js"
import { GrowingTable } from "./GrowingTable.js"
import type { Large } from "./LargeDay.js"
import { valuesKey } from "./Layout.js"
import {
  dayVisitorParts,
  type HourSetPart,
  type HourSets,
  hourVisitorParts,
  type SetPart,
} from "./SetParts.js"
import { hashOf } from "./Table.js"
import { type HourRows, MONEY, NO_MEMBER, PAGE_VIEW, type TailRows } from "./TailRows.js"
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
  /** The visitors, each once. */
  readonly members: ReadonlyArray<number>
}

/**
 * The facts of one hour and dimension by value, counted in arrays that are used again for the next.
 */
class Groups {
  count = 0
  /** By group: the code of its value, and its events and page views without what is about money. */
  codes = new Int32Array(256)
  events = new Int32Array(256)
  pageViews = new Int32Array(256)
  /** The group of each row that was put in. */
  ofRow = new Int32Array(256)
  /** Pairs of a group and a member that it has, each once. */
  pairs = 0
  pairGroups = new Int32Array(256)
  pairMembers = new Int32Array(256)
  /** By code: the group, as `base` and its number. */
  private groups = new Int32Array(1_024)
  private base = 1
  /** For each group, a bit for each member of the tail. */
  private seen = new Uint32Array(1_024)

  /** Groups rows of the tail by the codes of the dimension. */
  group(tail: TailRows, rows: ReadonlyArray<number>, index: number): void {
    const { kinds, memberOf, members, size } = tail
    const ofRows = tail.codesOf(index)
    const words = (members.length + 31) >> 5
    this.begin(tail.texts.length, size, words)
    const { codes, events, pageViews, ofRow, pairGroups, pairMembers, groups, base, seen } = this
    let count = 0
    let pairs = 0
    // Should this end half way, the next call must not take its groups for its own.
    this.count = rows.length
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number
      const code = ofRows[row] as number
      let group = (groups[code] as number) - base
      if (group < 0) {
        group = count++
        groups[code] = base + group
        codes[group] = code
        events[group] = 0
        pageViews[group] = 0
        seen.fill(0, group * words, (group + 1) * words)
      }
      ofRow[row] = group
      const kind = kinds[row] as number
      if (kind !== MONEY) events[group] = (events[group] as number) + 1
      if (kind === PAGE_VIEW) pageViews[group] = (pageViews[group] as number) + 1
      const member = memberOf[row] as number
      if (member === NO_MEMBER) continue
      const at = group * words + (member >> 5)
      const before = seen[at] as number
      const after = before | (1 << (member & 31))
      if (before >>> 0 === after >>> 0) continue
      seen[at] = after
      pairGroups[pairs] = group
      pairMembers[pairs++] = member
    }
    this.count = count
    this.pairs = pairs
  }

  private begin(texts: number, rows: number, words: number): void {
    this.base += this.count
    if (texts >= this.groups.length || this.base > 0x3fff_ffff) {
      this.groups = new Int32Array(Math.max(2 * texts, this.groups.length))
      this.base = 1
    }
    if (rows > this.codes.length) {
      for (const name of ["codes", "events", "pageViews", "ofRow", "pairGroups", "pairMembers"] as const) {
        this[name] = new Int32Array(2 * rows)
      }
    }
    if (rows * words > this.seen.length) this.seen = new Uint32Array(2 * rows * words)
  }
}

const groups = new Groups()

/** How many values are counted apart, by the dimension's code: the most of them; below 0 where none is. */
export const mostOf = (counted: { readonly [code: string]: number }): number =>
  Math.max(...Object.values(counted))

/** The buckets of a day by the values of dimensions, being counted: see `LargeDay`. */
export class DayValues {
  private readonly tables = new Map<string, DayTables>()
  private readonly values = bucketDimensions.map(() => new Map<string | null, Value>())
  /** Values counted apart of the dimension that has most of them. */
  private most: number

  constructor(
    private readonly docs: Docs,
    private readonly is: Large,
    /** How many values of each dimension are counted apart. */
    private readonly counted: { [code: string]: number },
  ) {
    this.most = mostOf(counted)
  }

  get mostValues(): number {
    return this.most
  }

  /** Counts facts of one hour, and what they come to as a whole. */
  countRows(tail: TailRows, hour: HourRows, whole: Portion): void {
    for (let index = 0; index < this.values.length; index++) {
      const only = tail.onlyCode(index)
      if (only === undefined) this.countGroups(index, tail, hour, whole)
      else this.countWhole(index, tail.texts[only] as string | null, whole)
    }
  }

  /** Counts a change of a session with this value of the dimension. */
  changeSession(index: number, raw: string | null, slot: string, change: SessionChange): void {
    const { row } = this.value(index, raw)
    row.part.day.changeSessions(row.row, change)
    row.part.inHour(slot).changeSessions(row.row, change)
  }

  private countWhole(index: number, raw: string | null, { slot, counts, members }: Portion): void {
    const value = this.value(index, raw)
    const { part, row } = value.row
    part.day.addCounts(row, counts)
    part.inHour(slot).addCounts(row, counts)
    if (members.length === 0) return
    for (const member of members) this.see(value, slot, member)
  }

  private countGroups(index: number, tail: TailRows, { rows, money }: HourRows, { slot }: Portion): void {
    const { members, texts } = tail
    groups.group(tail, rows, index)
    const values: Array<Value> = []
    for (let group = 0; group < groups.count; group++) {
      values.push(this.value(index, texts[groups.codes[group] as number] as string | null))
    }
    // Only now, as a new value may move the others.
    for (let group = 0; group < groups.count; group++) {
      const { part, row } = (values[group] as Value).row
      const events = groups.events[group] as number
      if (events === 0) continue
      part.day.addEvents(row, events, groups.pageViews[group] as number)
      part.inHour(slot).addEvents(row, events, groups.pageViews[group] as number)
    }
    for (const [at, counts] of money) {
      const { part, row } = (values[groups.ofRow[at] as number] as Value).row
      part.day.addCounts(row, counts)
      part.inHour(slot).addCounts(row, counts)
    }
    for (let pair = 0; pair < groups.pairs; pair++) {
      const value = values[groups.pairGroups[pair] as number] as Value
      this.see(value, slot, members[groups.pairMembers[pair] as number] as number)
    }
  }

  private see(value: Value, slot: string, member: number): void {
    const { tables, name, hash } = value
    value.hourVisitors ??= tables.hourVisitors.open(name, hash).at(name)
    value.visitors ??= tables.visitors.open(name, hash).at(name)
    value.hourVisitors.at(slot).addMember(member)
    value.visitors.addMember(member)
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
    this.most = Math.max(this.most, counted + 1)
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
