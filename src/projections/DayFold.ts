import { bucketDimensions } from "../domain/Metrics.js"
import { nextBucket } from "../domain/TimeBuckets.js"
import { whole } from "../domain/whole.js"
import type { Docs } from "../processors/Projection.js"
import type { Session } from "./ClientDay.js"
import { type SessionChange, wholeSession } from "./Counts.js"
import { Day } from "./Day.js"
import { mostOf } from "./DayValues.js"
import type { Values } from "./Dimensions.js"
import { type Columns, FACTS, type Fact, newSegment, type Segment, segmentKey } from "./Facts.js"
import { type Large, LargeDay } from "./LargeDay.js"
import { collections, type DayDoc, type PendingSession, TAIL, timeKey } from "./Layout.js"
import { sessionsStarting } from "./Sessions.js"
import { Tail } from "./Tail.js"
import { Waiting } from "./Waiting.js"

/** What the first four numbers of a pending session are followed by: its values, or where they stand. */
const VALUES = 4

/** Changes of sessions that wait for a tail that does not fill, at most. */
const MOST_PENDING = 2 * TAIL

/**
 * A day with so many fewer values of a dimension than are counted apart is settled with every event: which
 * values are `(other)` is then known without counting those in the tail.
 */
const NEAR_MOST_VALUES = TAIL + MOST_PENDING

/** Settled facts of a day that wait to be counted, about: the more, the less each costs, and the more memory it takes. */
const MOST_UNCOUNTED = 16 * TAIL

/** Days with settled facts that are not counted. Until they are, nobody may ask for what they count. */
export class Uncounted {
  private readonly days = new Set<LargeDay>()
  /** Whether they may wait; else they are counted at once. */
  mayWait = false

  add(day: LargeDay): void {
    if (this.mayWait) this.days.add(day)
    else day.countFacts()
  }

  count(): void {
    for (const day of this.days) day.countFacts()
    this.days.clear()
  }
}

const noValues: Values = bucketDimensions.map(() => null)

/** The values of a tail's facts, by their number in it. */
type TailValues = Pick<Columns, "values">

/** The values of a session that waits. */
const valuesOf = (pending: PendingSession, tail: TailValues | undefined): Values => {
  if (pending.length === VALUES) return noValues
  const first = pending[VALUES]
  if (typeof first === "number" && tail !== undefined) return tail.values(first)
  return bucketDimensions.map((_, index) => {
    const value = pending[VALUES + index]
    return typeof value === "string" ? value : null
  })
}

/** The changes of sessions that the day's buckets lack. `day`: its first instant, epoch ms. */
export const eachWaitingSession = (
  day: number,
  waiting: DayDoc["s"],
  tail: TailValues | undefined,
  take: (start: number, values: Values, change: SessionChange) => void,
): void => {
  if (waiting === undefined) return
  for (const pending of Waiting.of(waiting).byPosition.values()) {
    const [start, sessions, bounces, milliseconds] = pending
    take(day + start, valuesOf(pending, tail), { sessions, bounces, milliseconds })
  }
}

/**
 * A day of a merchant, or of many together: its tail, and the buckets that the tail is settled into. It keeps
 * references into documents that it edits, and so lives until the next commit.
 */
export class DayFold {
  /** The first instant after the day, epoch ms. */
  readonly to: number
  private readonly key: string
  /** Once it is to be written. */
  private doc: Day | undefined
  private large: LargeDay | undefined
  /** What `mostValues` were when nothing was settled yet. */
  private mostBefore: number | undefined

  constructor(
    private readonly docs: Docs,
    private readonly is: Large,
    /** Facts of a tail, at most. */
    private readonly most: number,
    /** The merchant's day before. */
    private readonly before: () => DayFold,
    private readonly uncounted: Uncounted,
  ) {
    this.key = timeKey(is.merchantId, is.zone, is.day)
    this.to = nextBucket(is.zone, "DAY", is.day)
  }

  /** Its first instant, epoch ms. */
  get from(): number {
    return this.is.day
  }

  /** `now`: when the fact was recorded, epoch ms. */
  add(fact: Fact, now: number): void {
    const doc = this.edit()
    if (doc.n === 0) this.before().settleIfLarge(now)
    doc.n++
    const tail = this.tail(doc)
    tail.add(fact)
    if (tail.size >= this.most || tail.isHeavy || this.isNearMostValues(doc)) this.settle(doc, now)
  }

  /**
   * Notes a change of a session that starts on the day. Sessions of a merchant's day that was never settled
   * are not noted: they are counted when it is, and read where they lie until then.
   */
  changeSession(session: Session, change: SessionChange, now: number): void {
    const { isTogether } = this.is
    const stored = this.doc ?? this.stored
    if (!isTogether && stored?.d === undefined) return
    const doc = this.edit()
    doc.s ??= new Waiting()
    const { byPosition } = doc.s
    const { position } = session
    const pending = byPosition.get(position)
    if (pending === undefined) byPosition.set(position, this.pending(doc, session, change))
    else {
      pending[1] += change.sessions
      pending[2] += change.bounces
      pending[3] += change.milliseconds
      if (pending[1] === 0 && pending[2] === 0 && pending[3] === 0) byPosition.delete(position)
    }
    if (byPosition.size >= MOST_PENDING || this.isNearMostValues(doc)) this.settle(doc, now)
  }

  private pending(doc: Day, { start, position, values }: Session, change: SessionChange): PendingSession {
    const pending: PendingSession = [
      whole(start - this.is.day),
      change.sessions,
      change.bounces,
      change.milliseconds,
    ]
    if (this.is.isTogether) return pending
    // Most sessions change first by the event that begins them, which is the last of the tail.
    if (doc.f !== undefined) {
      const { lastPosition, size } = this.tail(doc)
      if (lastPosition === position) {
        pending.push(size - 1)
        return pending
      }
    }
    let count = values.length
    while (count > 0 && values[count - 1] === null) count--
    for (let i = 0; i < count; i++) pending.push(values[i] ?? 0)
    return pending
  }

  private tail(doc: Day): Tail {
    if (doc.f instanceof Tail) return doc.f
    const tail = new Tail(doc.f ?? newSegment(this.is.day, this.segmentBefore(doc)), this.is.isTogether)
    doc.f = tail
    return tail
  }

  private edit(): Day {
    if (this.doc === undefined) {
      this.doc = Day.of(this.stored)
      this.docs.put(collections.days, this.key, this.doc)
    }
    return this.doc
  }

  private get stored(): DayDoc | Day | undefined {
    return this.docs.get<DayDoc | Day>(collections.days, this.key)
  }

  /** Values counted apart of the dimension that has most of them: asked for every fact. */
  private mostValues({ c }: Day): number {
    if (this.large !== undefined) return this.large.mostValues
    this.mostBefore ??= mostOf(c ?? {})
    return this.mostBefore
  }

  private isNearMostValues(doc: Day): boolean {
    return this.mostValues(doc) > this.is.maxValues - NEAR_MOST_VALUES
  }

  /** Whether no dimension can come near its most values by facts that are not counted yet. */
  private mayWait(doc: Day): boolean {
    const many = this.is.maxValues - NEAR_MOST_VALUES - TAIL - MOST_UNCOUNTED
    return many >= 0 && this.mostValues(doc) <= many
  }

  private segmentBefore({ k }: Day): Segment | undefined {
    if (k === undefined) return undefined
    const { merchantId, zone, day } = this.is
    return this.docs.get<Segment>(FACTS, segmentKey(merchantId, zone, day, k - 1))
  }

  /** A day that is over gets no more facts, mostly: who reads it then need not count its tail. */
  private settleIfLarge(now: number): void {
    const doc = this.doc ?? this.stored
    if (doc?.d !== undefined && (doc.f !== undefined || doc.s !== undefined)) this.settle(this.edit(), now)
  }

  private settle(doc: Day, now: number): void {
    const { merchantId, zone, day, isTogether } = this.is
    const isFirst = doc.d === undefined
    this.large ??= new LargeDay(this.docs, this.is, doc)
    const buckets = this.large
    const { s, rows } = doc
    eachWaitingSession(day, s, rows, (start, values, change) => {
      buckets.changeSession(start, values, change, now)
    })
    delete doc.s
    if (rows !== undefined) {
      buckets.takeFacts(rows, now)
      if (!isTogether) {
        const number = doc.k ?? 0
        this.docs.put(FACTS, segmentKey(merchantId, zone, day, number), doc.segment)
        doc.k = number + 1
      }
      delete doc.f
    }
    if (isFirst && !isTogether) {
      for (const session of sessionsStarting(this.docs, merchantId, day, this.to)) {
        if (session.zone !== zone) continue
        buckets.changeSession(session.start, session.values, wholeSession(session, 1), now)
      }
    }
    if (buckets.uncounted < MOST_UNCOUNTED && this.mayWait(doc)) this.uncounted.add(buckets)
    else buckets.countFacts()
  }
}
