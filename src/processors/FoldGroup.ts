import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { RecordedEvent } from "../domain/Event.js"
import type { Partition } from "../domain/Partition.js"
import { compare, max, min, type Position, start } from "../domain/Position.js"
import {
  type EventLogService,
  LONG_AGO_MS,
  type LogBatch,
  type LogError,
  type Past,
  type PastOptions,
} from "../eventlog/EventLog.js"
import type { Checkpoint, Put, ReadModelsService, ReadModelsUnavailable } from "../readmodels/ReadModels.js"
import type { BuildFold } from "./BuildFold.js"
import { foldPast } from "./PastFold.js"
import type { Progress } from "./Processors.js"
import { RetryEnded, retryLetters } from "./Retry.js"
import { type Folding, foldInto } from "./SetAside.js"
import { Wishes } from "./Wishes.js"

/**
 * When to commit. An event is visible soon after it was recorded while there is little to do; under load
 * commits are spaced so that they take a small share of the time, as a larger batch writes each document
 * once for many events; and what is folded and not yet written stays bounded.
 */
const SOONEST_MS = 80
const LATEST_MS = 600
const SPACING = 8
const MOST_EVENTS = 100_000
const MOST_DOCUMENTS = 150_000
const MANY_BYTES = 48 * 1024 * 1024
const MOST_BYTES = 1.5 * MANY_BYTES
const MOST_BYTES_READ = 96 * 1024 * 1024
/** Nobody waits for events that were recorded long ago: commits are rare while a build catches up. */
const LATEST_LONG_AGO_MS = 10_000
/** Unless no more of them come. */
const PAUSE_MS = 200
/** Events folded in one go. */
const SLICE = 2_000
/** A stretch takes seconds, and more on a busy machine: meanwhile it says how fast it is. */
const TELL_EVERY_MS = 1_000
/** Of a stretch of the past: the more, the fewer of its documents are written twice. */
export const mostOfPast = (lanes: number): PastOptions["most"] => ({
  events: Math.floor(MOST_EVENTS / lanes),
  bytes: Math.floor(MOST_BYTES_READ / lanes),
})
/** The same of those recorded long ago: the more, the more of them are of a merchant that was just met. */
export const SLICE_LONG_AGO = 8_000
/** Of what is folded of a stretch and not written yet, at most. */
export const mostUnwritten = (lanes: number) => ({
  bytes: MANY_BYTES / lanes,
  documents: MOST_DOCUMENTS / lanes,
})

const retry = Schedule.exponential("100 millis").pipe(Schedule.union(Schedule.spaced("5 seconds")))

/** Events come in the order in which they were recorded, nearly: the last one speaks for a batch. */
const isLongAgo = (last: RecordedEvent | undefined): boolean =>
  last !== undefined && last.metadata.recordedAt < Date.now() - LONG_AGO_MS

/** Whose turn it is to fold the past, where threads that do take turns. One stretch at a time asks for it. */
export interface Turns {
  /** Before each slice: waits for this thread's turn, or lets others have theirs. */
  readonly ask: Effect.Effect<void>
  /** It folds no past for now. */
  readonly leave: Effect.Effect<void>
}

const always: Turns = { ask: Effect.void, leave: Effect.void }

/** Folding stands still at a position, with everything up to there written, until it is released. */
interface Hold {
  readonly at: Position
  readonly reached: Deferred.Deferred<Position>
  readonly released: Deferred.Deferred<void>
}

/** Builds that are fed by one subscription: folded event by event, committed one after the other. */
export class FoldGroup {
  private readonly lock = Effect.unsafeMakeSemaphore(1)
  private readonly wake = Effect.unsafeMakeSemaphore(0)
  private pendingSince: number | undefined
  private pendingEvents = 0
  private isCatchingUp = false
  private lastTakenAt = 0
  private lastCommitMs = 0
  private lastCommitAt = performance.now()
  private readonly rates = new Map<BuildFold, number>()
  /** Where folding is to stand still. */
  private toHold: Hold | undefined
  /** Ends the hold that is on. */
  private release: Deferred.Deferred<void> | undefined
  private readonly folding: Folding
  private readonly wishes = new Wishes()
  private readonly oneRetry = Effect.unsafeMakeSemaphore(1)
  private isEnding = false
  /** Builds of which the last attempt to write has failed. */
  private readonly failing = new Set<BuildFold>()
  /** How often it was told to go on. */
  private timesLetGo = 0

  constructor(
    log: EventLogService,
    private readonly readModels: ReadModelsService,
    private folds: ReadonlyArray<BuildFold>,
    private readonly onCommit: (progress: ReadonlyArray<Progress>) => Effect.Effect<void>,
    /** How many share the memory in which this one holds what is not written yet. */
    private readonly lanes = 1,
    private readonly turns: Turns = always,
  ) {
    this.folding = { log, readModels, commit: (fold) => this.commitSurely(fold) }
  }

  private running(): ReadonlyArray<BuildFold> {
    return this.folds.filter((fold) => fold.stopped === undefined)
  }

  /** Where to subscribe: after what all running builds have folded. */
  after(): Position {
    const positions = this.running().map((fold) => fold.upTo)
    return positions.length === 0 ? start : positions.reduce(min)
  }

  private progress(): ReadonlyArray<Progress> {
    return this.folds.map((fold) => ({
      ...(fold.unknown.passedOver === undefined ? {} : { passedOver: fold.unknown.passedOver }),
      projection: fold.projection.name,
      build: fold.build.id,
      position: fold.committed,
      recordedAt: fold.lastRecordedAt,
      eventsPerSecond: this.rates.get(fold) ?? 0,
      ...(fold.letters?.summary === undefined ? {} : { deadLetters: fold.letters.summary }),
      ...(fold.stopped === undefined ? {} : { stopped: fold.stopped }),
    }))
  }

  readonly announce: Effect.Effect<void> = Effect.suspend(() => this.onCommit(this.progress()))

  /** Folds a batch into all builds, and commits when it is time. */
  readonly take = (batch: LogBatch): Effect.Effect<void> =>
    Effect.gen(this, function* () {
      const most = isLongAgo(batch.events.at(-1)) ? SLICE_LONG_AGO : SLICE
      for (let at = 0; at < batch.events.length; at += most) {
        const whole = at === 0 && batch.events.length <= most
        const slice = whole ? batch.events : batch.events.slice(at, at + most)
        const upTo = at + most >= batch.events.length ? batch.upTo : (slice.at(-1)?.position ?? batch.upTo)
        yield* this.takeSlice(slice, upTo)
      }
      if (batch.events.length === 0) yield* this.takeSlice([], batch.upTo)
    })

  /**
   * Folds a stretch of what was recorded long ago, and writes it; `after` says how far it has come. `Later`: somebody
   * else had to have a turn. `InOrder`: what comes next must be folded in the order of the log.
   */
  readonly takePast = (past: Past): Effect.Effect<"Folded" | "Later" | "InOrder"> =>
    this.lock.withPermits(1)(
      Effect.suspend(() => {
        const folds = this.running()
        if (this.toHold !== undefined || this.pendingEvents > 0 || !folds.every((fold) => fold.mayFoldPast)) {
          return Effect.succeed("InOrder")
        }
        const rated = this.rating()
        let isFolded = false
        const { ask, leave } = this.turns
        let toldAt = performance.now()
        const tellNowAndThen = (events: number): Effect.Effect<void> => {
          if (performance.now() - toldAt < TELL_EVERY_MS) return Effect.void
          toldAt = performance.now()
          rated(events)
          return this.announce
        }
        const folded = foldPast(folds, past, {
          ...mostUnwritten(this.lanes),
          write: (fold, puts, checkpoints) => this.writeSurely(fold, puts, checkpoints),
          wish: () => this.wishes.strongest,
          pause: (events) => Effect.zipRight(ask, tellNowAndThen(events)),
        })
        return Effect.zipRight(ask, folded).pipe(
          Effect.ensuring(leave),
          Effect.tap((outcome) => {
            if (outcome !== "Folded") return Effect.void
            isFolded = true
            rated(past.events)
            return this.announce
          }),
          Effect.ensuring(
            Effect.sync(() => {
              if (isFolded) return
              for (const fold of folds) {
                fold.revert()
                fold.foldedAgain()
              }
            }),
          ),
        )
      }),
    )

  /** From now on: sets the rate of what is folded, told how many events those are. */
  private rating(): (events: number) => void {
    const began = performance.now()
    return (events) => {
      const rate = events / ((performance.now() - began) / 1000)
      for (const fold of this.running()) this.rates.set(fold, rate)
    }
  }

  private takeSlice(all: ReadonlyArray<RecordedEvent>, upTo: Position): Effect.Effect<void> {
    return this.lock.withPermits(1)(
      Effect.gen(this, function* () {
        let events = all
        const isOld = isLongAgo(all.at(-1))
        for (;;) {
          const hold = this.toHold
          if (hold === undefined || compare(hold.at, upTo) > 0) break
          const until = events.findIndex(({ position }) => compare(position, hold.at) > 0)
          const before = until < 0 ? events : events.slice(0, until)
          for (const fold of this.running()) yield* foldInto(this.folding, fold, before, hold.at, isOld)
          this.pendingEvents += before.length
          events = until < 0 ? [] : events.slice(until)
          this.toHold = undefined
          yield* this.commitAll
          this.release = hold.released
          yield* Deferred.succeed(hold.reached, hold.at)
          yield* Deferred.await(hold.released)
        }
        for (const fold of this.running()) yield* foldInto(this.folding, fold, events, upTo, isOld)
        this.pendingEvents += events.length
        const last = events.at(-1)
        if (last === undefined) return
        this.lastTakenAt = performance.now()
        this.isCatchingUp = isOld
        if (this.pendingSince === undefined) {
          this.pendingSince = performance.now()
          yield* this.wake.release(1)
        }
        if (this.isDue()) yield* this.commitAll
      }),
    )
  }

  private dueAt(): number {
    const since = this.pendingSince ?? performance.now()
    if (this.isCatchingUp) return Math.min(since + LATEST_LONG_AGO_MS, this.lastTakenAt + PAUSE_MS)
    return since + Math.min(LATEST_MS, Math.max(SOONEST_MS, SPACING * this.lastCommitMs))
  }

  private changedBytes(): number {
    return Math.max(0, ...this.folds.map(({ working }) => working.changedBytes))
  }

  /**
   * Where every event changes large documents, a commit right after the last one would write all of them again
   * for few events, and free nothing.
   */
  private mostBytes(): number {
    const spaced = this.lastCommitAt + SPACING * this.lastCommitMs
    return (performance.now() < spaced ? MOST_BYTES : MANY_BYTES) / this.lanes
  }

  private isDue(): boolean {
    return (
      this.pendingEvents >= MOST_EVENTS / this.lanes ||
      performance.now() >= this.dueAt() ||
      this.folds.some(({ working }) => working.changedCount >= MOST_DOCUMENTS / this.lanes) ||
      this.changedBytes() >= this.mostBytes()
    )
  }

  private readonly commitAll: Effect.Effect<void> = Effect.suspend(() => {
    const began = performance.now()
    const seconds = (began - this.lastCommitAt) / 1000
    const events = this.pendingEvents
    return Effect.forEach(this.running(), (fold) => this.commitSurely(fold)).pipe(
      Effect.flatMap(() => {
        this.lastCommitAt = performance.now()
        this.lastCommitMs = this.lastCommitAt - began
        this.pendingEvents = 0
        this.pendingSince = undefined
        for (const fold of this.running()) this.rates.set(fold, events / Math.max(0.05, seconds))
        return this.announce
      }),
    )
  })

  private commitSurely(fold: BuildFold): Effect.Effect<void> {
    return this.surely(fold, this.commit(fold))
  }

  private writeSurely(
    fold: BuildFold,
    puts: ReadonlyArray<Put>,
    checkpoints: ReadonlyMap<Partition, Checkpoint>,
  ): Effect.Effect<void> {
    return this.surely(fold, this.readModels.commit(fold.build.id, puts, checkpoints))
  }

  private surely(fold: BuildFold, write: Effect.Effect<void, ReadModelsUnavailable>): Effect.Effect<void> {
    return write.pipe(
      Effect.tap(() => Effect.sync(() => this.failing.delete(fold))),
      Effect.tapError((error) => {
        if (error.isFinal === true) return Effect.void
        this.failing.add(fold)
        // Others need not wait for what keeps this one from folding.
        return Effect.zipRight(
          this.turns.leave,
          Effect.logWarning("read models can't be written; trying again", error),
        )
      }),
      Effect.retry({ schedule: retry, while: ({ isFinal }) => isFinal !== true && !this.isEnding }),
      Effect.catchAll((error) => {
        if (error.isFinal !== true) return Effect.interrupt
        fold.stop({ position: undefined, eventType: undefined, reason: error.reason })
        return Effect.logError(`${fold.build.id} has stopped`, error)
      }),
    )
  }

  private commit(fold: BuildFold): Effect.Effect<void, ReadModelsUnavailable> {
    return Effect.suspend(() => {
      if (!fold.isPending) return Effect.void
      const { puts, checkpoints } = fold.pending()
      return this.readModels
        .commit(fold.build.id, puts, checkpoints)
        .pipe(Effect.zipRight(Effect.sync(() => fold.markCommitted())))
    })
  }

  /**
   * Stands still, with everything folded so far written: at once, or where `at` is reached if that is still to
   * come. Answers with the position of the build there. It holds until `letGo`, or until the next `hold`.
   */
  readonly hold = (fold: BuildFold, wanted: Position): Effect.Effect<Position> =>
    Effect.gen(this, function* () {
      const released = yield* Deferred.make<void>()
      const reached = yield* Deferred.make<Position>()
      const isHeld = this.release !== undefined
      const { timesLetGo } = this
      if (!isHeld)
        yield* this.wishes.wishing("LeaveUnwritten", (entered) => Effect.zipRight(this.lock.take(1), entered))
      // Where a part of a stretch is written, it stands as a whole again at the end of that.
      const at = max(wanted, fold.furthest)
      if (compare(fold.upTo, at) >= 0) {
        if (isHeld) return fold.upTo
        return yield* this.holdNow(fold, released, () => this.timesLetGo === timesLetGo)
      }
      this.toHold = { at, reached, released }
      if (isHeld) yield* this.goOn
      else yield* this.lock.release(1)
      return yield* Deferred.await(reached).pipe(
        Effect.onInterrupt(() => {
          if (this.toHold?.released === released) this.toHold = undefined
          if (this.release === released) this.release = undefined
          return Deferred.succeed(released, undefined)
        }),
      )
    })

  /** With the lock, which it keeps until `released`; or not, where nobody wants that any more. */
  private holdNow(
    fold: BuildFold,
    released: Deferred.Deferred<void>,
    isWanted: () => boolean,
  ): Effect.Effect<Position> {
    return this.commitAll.pipe(
      Effect.onError(() => this.lock.release(1)),
      Effect.tap(() => {
        if (!isWanted()) return this.lock.release(1)
        this.release = released
        return Effect.forkDaemon(Deferred.await(released).pipe(Effect.zipRight(this.lock.release(1))))
      }),
      Effect.map(() => fold.upTo),
      Effect.uninterruptible,
    )
  }

  private readonly goOn: Effect.Effect<void> = Effect.suspend(() => {
    const { release } = this
    this.release = undefined
    return release === undefined ? Effect.void : Deferred.succeed(release, undefined)
  }).pipe(Effect.asVoid)

  /** Goes on, and stands still nowhere. Who waits for that is interrupted. */
  readonly letGo: Effect.Effect<void> = Effect.suspend(() => {
    const { toHold } = this
    this.timesLetGo++
    this.toHold = undefined
    return toHold === undefined ? this.goOn : Effect.zipRight(Deferred.interrupt(toHold.reached), this.goOn)
  })

  /** Commits what is folded, and folds the build no more. True when no other build is left. */
  readonly remove = (build: string): Effect.Effect<boolean> =>
    this.wishes.wishing("Leave", (entered) =>
      this.lock.withPermits(1)(
        Effect.gen(this, function* () {
          yield* entered
          if (this.pendingEvents > 0) yield* this.commitAll
          this.folds = this.folds.filter((fold) => fold.build.id !== build)
          return this.folds.length === 0
        }),
      ),
    )

  /** Folds what waits behind the dead letters of a build, as far as that can be folded now. */
  readonly retry = (fold: BuildFold): Effect.Effect<void, LogError | RetryEnded> => {
    const alone = <A, E>(use: Effect.Effect<A, E>): Effect.Effect<A, E | RetryEnded> =>
      this.lock.withPermits(1)(
        Effect.suspend(
          (): Effect.Effect<A, E | RetryEnded> =>
            this.folds.includes(fold) ? use : Effect.fail(new RetryEnded({ build: fold.build.id })),
        ),
      )
    const ended = Effect.suspend(() => {
      // The last one is of what was folded before.
      this.rates.delete(fold)
      return this.announce
    })
    return this.oneRetry
      .withPermits(1)(retryLetters({ ...this.folding, alone }, fold))
      .pipe(Effect.ensuring(ended))
  }

  /** Nothing is folded and nothing else is written meanwhile. */
  readonly alone = <A, E>(use: Effect.Effect<A, E>): Effect.Effect<A, E> => this.lock.withPermits(1)(use)

  /** From now on what can't be written at once is left: it is folded again from the log. Who waits is interrupted. */
  readonly end: Effect.Effect<void> = Effect.sync(() => {
    this.isEnding = true
  })

  /** After `end`: commits what is folded, each build for itself, but for those that could not be written just now. */
  readonly lastFlush: Effect.Effect<void> = Effect.suspend(() =>
    this.lock.withPermits(1)(
      Effect.forEach(
        this.running().filter((fold) => !this.failing.has(fold)),
        (fold) =>
          Effect.catchAllCause(this.commitSurely(fold), (cause) =>
            Effect.logWarning(
              `the last events were not written to ${fold.build.id}: they are folded again`,
              cause,
            ),
          ),
        { discard: true },
      ),
    ),
  ).pipe(Effect.zipRight(Effect.suspend(() => this.announce)))

  /** Commits what is folded, now. */
  readonly flush: Effect.Effect<void> = this.lock.withPermits(1)(
    Effect.suspend(() => (this.pendingEvents === 0 ? Effect.void : this.commitAll)),
  )

  /** Commits at the latest moment for what has come in, when no batch comes that would. */
  readonly flusher: Effect.Effect<never> = Effect.forever(
    Effect.gen(this, function* () {
      yield* this.wake.take(1)
      for (;;) {
        if (this.pendingSince === undefined) break
        const left = this.dueAt() - performance.now()
        if (left > 0) {
          yield* Effect.sleep(Duration.millis(Math.ceil(left)))
          continue
        }
        yield* this.flush
      }
    }),
  )

  /** No more events can come: all builds stop where they are, and say why. */
  readonly stop = (reason: string): Effect.Effect<never> =>
    this.flush.pipe(
      Effect.zipRight(
        Effect.sync(() => {
          for (const fold of this.running()) fold.stop({ position: undefined, eventType: undefined, reason })
        }),
      ),
      Effect.zipRight(Effect.logError(`processing has stopped: ${reason}`)),
      Effect.zipRight(this.announce),
      Effect.zipRight(Effect.never),
    )
}
