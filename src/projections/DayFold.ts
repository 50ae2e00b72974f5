import { bucketDimensions } from "../domain/Metrics.js"
import { cut, nextBucket } from "../domain/TimeBuckets.js"
import type { Docs } from "../processors/Projection.js"
import { type SessionChange, wholeSession } from "./Counts.js"
import type { Values } from "./Dimensions.js"
import {
  appendFact,
  Columns,
  FACTS,
  type Fact,
  isHeavy,
  lastPosition,
  newSegment,
  type Segment,
  segmentKey,
} from "./Facts.js"
import { type Large, LargeDay } from "./LargeDay.js"
import { collections, type DayDoc, type PendingSession, TAIL, timeKey } from "./Layout.js"
import { type Session, sessionsStarting } from "./Sessions.js"

const newDay = (): DayDoc => ({ n: 0 })

/** What the first four numbers of a pending session are followed by: its values, or where they stand. */
const VALUES = 4

/** Changes of sessions that wait for a tail that does not fill, at most. */
const MOST_PENDING = 2 * TAIL

/**
 * A day with so many fewer values of a dimension than are counted apart is settled with every event: which
 * values are `(other)` is then known without counting those in the tail.
 */
const NEAR_MOST_VALUES = TAIL + MOST_PENDING

/** How many names `s` has: counting them with every event would cost more than the event. */
const waitingCounts = new WeakMap<NonNullable<DayDoc["s"]>, number>()

const waitingIn = (sessions: NonNullable<DayDoc["s"]>): number =>
  waitingCounts.get(sessions) ?? Object.keys(sessions).length

/** The values of a session that waits. */
const valuesOf = (pending: PendingSession, tail: Columns | undefined): Values => {
  const first = pending[VALUES]
  if (typeof first === "number" && tail !== undefined) return tail.values(first)
  return bucketDimensions.map((_, index) => {
    const value = pending[VALUES + index]
    return typeof value === "string" ? value : null
  })
}

export interface WaitingSession {
  /** Epoch ms. */
  readonly start: number
  readonly values: Values
  readonly change: SessionChange
}

/** The changes of sessions that the day's buckets lack. `day`: its first instant, epoch ms. */
export function* waitingSessions(day: number, { s, f }: DayDoc): Generator<WaitingSession> {
  if (s === undefined) return
  const tail = f === undefined ? undefined : new Columns(f)
  for (const name in s) {
    const pending = s[name] as PendingSession
    const [start, sessions, bounces, milliseconds] = pending
    yield {
      start: day + start,
      values: valuesOf(pending, tail),
      change: { sessions, bounces, milliseconds },
    }
  }
}

/** A day of a merchant, or of many together: its tail, and the buckets that the tail is settled into. */
export class DayFold {
  private readonly key: string

  constructor(
    private readonly docs: Docs,
    private readonly is: Large,
    /** Facts of a tail, at most. */
    private readonly most: number,
  ) {
    this.key = timeKey(is.merchantId, is.zone, is.day)
  }

  /** `now`: when the fact was recorded, epoch ms. */
  add(fact: Fact, now: number): void {
    const doc = this.edit()
    if (doc.n === 0) this.before().settleIfLarge(now)
    doc.n++
    doc.f ??= newSegment(this.is.day, this.segmentBefore(doc))
    appendFact(doc.f, fact)
    if (doc.f.n >= this.most || isHeavy(doc.f) || this.isNearMostValues(doc)) this.settle(doc, now)
  }

  /**
   * Notes a change of a session that starts on the day. Sessions of a merchant's day that was never settled
   * are not noted: they are counted when it is, and read where they lie until then.
   */
  changeSession(session: Session, change: SessionChange, now: number): void {
    if (!this.is.isTogether && this.docs.get<DayDoc>(collections.days, this.key)?.d === undefined) return
    const doc = this.edit()
    doc.s ??= {}
    const name = `p${session.position}`
    const known = doc.s[name]
    if (known === undefined) {
      // Counted before it is put in: what is not known yet is counted as it stands.
      const waiting = waitingIn(doc.s) + 1
      doc.s[name] = this.pending(doc, session, change)
      waitingCounts.set(doc.s, waiting)
      if (waiting >= MOST_PENDING || this.isNearMostValues(doc)) this.settle(doc, now)
      return
    }
    known[1] += change.sessions
    known[2] += change.bounces
    known[3] += change.milliseconds
    if (known[1] === 0 && known[2] === 0 && known[3] === 0) {
      waitingCounts.set(doc.s, waitingIn(doc.s) - 1)
      delete doc.s[name]
    }
    if (this.isNearMostValues(doc)) this.settle(doc, now)
  }

  private pending(doc: DayDoc, { start, position, values }: Session, change: SessionChange): PendingSession {
    const numbers = [start - this.is.day, change.sessions, change.bounces, change.milliseconds] as const
    if (this.is.isTogether) return [...numbers]
    // Most sessions change first by the event that begins them, which is the last of the tail.
    const last = (doc.f?.n ?? 0) - 1
    if (doc.f !== undefined && lastPosition(doc.f) === position) return [...numbers, last]
    let count = values.length
    while (count > 0 && values[count - 1] === null) count--
    return [...numbers, ...values.slice(0, count).map((value) => value ?? 0)]
  }

  private edit(): DayDoc {
    return this.docs.edit(collections.days, this.key, newDay)
  }

  private isNearMostValues({ c }: DayDoc): boolean {
    const many = this.is.maxValues - NEAR_MOST_VALUES
    for (const code in c) if ((c[code] as number) > many) return true
    return false
  }

  private segmentBefore({ k }: DayDoc): Segment | undefined {
    if (k === undefined) return undefined
    const { merchantId, zone, day } = this.is
    return this.docs.get<Segment>(FACTS, segmentKey(merchantId, zone, day, k - 1))
  }

  private before(): DayFold {
    const day = cut(this.is.zone, this.is.day - 1).day
    return new DayFold(this.docs, { ...this.is, day }, this.most)
  }

  /** A day that is over gets no more facts, mostly: who reads it then need not count its tail. */
  private settleIfLarge(now: number): void {
    const doc = this.docs.get<DayDoc>(collections.days, this.key)
    if (doc?.d !== undefined && (doc.f !== undefined || doc.s !== undefined)) this.settle(this.edit(), now)
  }

  private settle(doc: DayDoc, now: number): void {
    const { merchantId, zone, day, isTogether } = this.is
    const isFirst = doc.d === undefined
    const buckets = this.buckets(doc)
    for (const { start, values, change } of waitingSessions(day, doc)) {
      buckets.changeSession(start, values, change, now)
    }
    delete doc.s
    if (doc.f !== undefined) {
      buckets.countFacts(new Columns(doc.f), now)
      if (!isTogether) {
        const number = doc.k ?? 0
        this.docs.put(FACTS, segmentKey(merchantId, zone, day, number), doc.f)
        doc.k = number + 1
      }
      delete doc.f
    }
    if (!isFirst || isTogether) return
    for (const session of sessionsStarting(this.docs, merchantId, day, nextBucket(zone, "DAY", day))) {
      if (session.zone !== zone) continue
      buckets.changeSession(session.start, session.values, wholeSession(session, 1), now)
    }
  }

  private buckets(doc: DayDoc): LargeDay {
    const known = this.docs.memo.get(this.key)
    if (known instanceof LargeDay) return known
    const opened = new LargeDay(this.docs, this.is, doc)
    this.docs.memo.set(this.key, opened)
    return opened
  }
}
