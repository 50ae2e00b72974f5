import { NONE, OTHER } from "../../domain/Metrics.js"
import type { Range } from "../../domain/TimeBuckets.js"
import { dimensionCode, indexOf } from "../../projections/Dimensions.js"
import {
  type By,
  type Columns,
  codesOf,
  type Day,
  FactFold,
  MAX_VALUES,
  type Part,
} from "../../projections/metrics.js"
import { clean } from "../../readmodels/Key.js"
import { type CheckedFilter, matchFacts } from "../Filter.js"
import { type FoundSession, SessionRows } from "./SessionRows.js"

export interface AsOfWanted {
  readonly by?: By | undefined
  /** Undefined where buckets would answer: those know `(other)`. */
  readonly filter?: CheckedFilter | undefined
  readonly visitors: boolean
  readonly sessions: boolean
}

const PAGEVIEW = "pageview"

/** The values of a dimension on a day that are counted apart: the first so many, in the order of the log. */
class Places {
  private readonly taken = new Set<string>()

  of(raw: string | null): string {
    const value = raw === null ? NONE : clean(raw)
    if (value === NONE || value === OTHER || this.taken.has(value)) return value
    if (this.taken.size >= MAX_VALUES) return OTHER
    this.taken.add(value)
    return value
  }
}

/** Whether the day has so many values of what is asked that some may be `(other)`. */
export const mayHaveOthers = (day: Day, { by, filter }: AsOfWanted): boolean =>
  by !== undefined &&
  by.dimension !== "PROPERTY" &&
  filter === undefined &&
  (day.doc.c?.[dimensionCode[by.dimension]] ?? 0) >= MAX_VALUES

/** Makes buckets of facts, and of the sessions that these facts alone would have given. */
export class AsOfFold {
  private readonly fold: FactFold
  readonly rows = new SessionRows()
  private readonly places = new Map<string, Places>()
  private readonly whats = new Map<string | null, number>()
  private readonly values: Array<string | null> = []

  /** `since`: sessions are made of the events from this instant on, epoch ms. */
  constructor(
    zone: string,
    parts: ReadonlyArray<Part>,
    private readonly wanted: AsOfWanted,
    private readonly since: number,
  ) {
    this.fold = new FactFold(zone, parts, wanted.visitors, wanted.by)
  }

  /** Takes the first `count` facts, once. */
  readonly take = (columns: Columns, count: number, day: Day): void => {
    const { filter, sessions } = this.wanted
    const passes = filter === undefined ? undefined : matchFacts(filter, columns)
    const names = mayHaveOthers(day, this.wanted) ? this.namesIn(columns, count, day) : undefined
    this.fold.addFacts(
      columns,
      (row) => row < count && passes?.(row) !== false,
      names === undefined ? undefined : (row) => names[row] as string,
    )
    if (sessions) this.takeRows(columns, count, passes, names)
  }

  private takeRows(
    columns: Columns,
    count: number,
    passes: ((row: number) => boolean) | undefined,
    names: ReadonlyArray<string> | undefined,
  ): void {
    const { by } = this.wanted
    const codeOf = by === undefined ? undefined : codesOf(columns, by)
    for (let row = 0; row < count; row++) {
      const at = columns.at(row)
      const visitor = at < this.since ? null : columns.visitor(row)
      if (visitor === null) continue
      const own = codeOf === undefined ? null : columns.text(codeOf(row))
      this.rows.add({
        visitor,
        activity: Math.min(at, columns.recordedAt(row)),
        isPageView: columns.value(row, indexOf.TYPE) === PAGEVIEW,
        revision: columns.revision(row),
        what: this.what(names === undefined ? own : (names[row] as string), passes?.(row) !== false),
      })
    }
  }

  /** Takes the sessions that start in the range, once each. `first` is the row of its earliest event. */
  takeSession({ start, end, events, pageViews }: FoundSession, first: number): void {
    const what = this.rows.what(first)
    if (what % 2 === 0) return
    const value = this.wanted.by === undefined ? undefined : (this.values[what >> 1] as string | null)
    const isBounce = events === 1 && pageViews === 1
    this.fold.change(start, value, { sessions: 1, bounces: isBounce ? 1 : 0, milliseconds: end - start })
  }

  buckets() {
    return this.fold.buckets()
  }

  private namesIn(columns: Columns, count: number, { zone, start }: Day): ReadonlyArray<string> {
    const day = `${zone} ${start}`
    const places = this.places.get(day) ?? new Places()
    this.places.set(day, places)
    const codeOf = codesOf(columns, this.wanted.by as By)
    return Array.from({ length: count }, (_, row) => places.of(columns.text(codeOf(row))))
  }

  /** A value, and whether its event passes, as one number. */
  private what(value: string | null, passes: boolean): number {
    let place = this.whats.get(value)
    if (place === undefined) {
      place = this.values.push(value) - 1
      this.whats.set(value, place)
    }
    return place * 2 + (passes ? 1 : 0)
  }
}

export const startsIn = ({ from, to }: Range, { start }: FoundSession): boolean => start >= from && start < to
