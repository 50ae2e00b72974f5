import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../domain/Event.js"
import { partitionOfStream, prefixesOf } from "../domain/Partition.js"
import { compare, max, type Position, start } from "../domain/Position.js"
import type { LogError } from "../eventlog/EventLog.js"
import type { BuildFold } from "./BuildFold.js"
import { type Folding, loadFor } from "./SetAside.js"

/** Events that are folded, and committed, in one go: the live ones wait so long. */
const SLICE = 500
/** When reading what has come meanwhile takes no longer than this, the rest is read while folding stands still. */
const SHORT_MS = 200
/** Past so many partitions the whole log is read. */
const MOST_PARTITIONS = 8

/** The build is not folded here any more: who goes on with it goes on with the retry. */
export class RetryEnded extends Data.TaggedError("RetryEnded")<{ readonly build: string }> {
  override get message(): string {
    return `${this.build} was stopped while what it had set aside was folded: that goes on when it runs again`
  }
}

/** Fails when the build is not folded here any more. */
type Alone = <A, E>(use: Effect.Effect<A, E>) => Effect.Effect<A, E | RetryEnded>

export interface Retrying extends Folding {
  /** Keeps the live events out meanwhile. */
  readonly alone: Alone
}

/**
 * Folds what waits behind the dead letters of a build, in the order of the log, beside the live events. In memory
 * is one slice of them; what is done is noted with the documents, so that it goes on after a crash where it was.
 */
export const retryLetters = (
  retrying: Retrying,
  fold: BuildFold,
): Effect.Effect<void, LogError | RetryEnded> =>
  Effect.gen(function* () {
    const { letters } = fold
    if (letters === undefined || letters.size === 0) return
    const { alone, commit } = retrying
    const first = yield* alone(
      Effect.suspend(() => {
        const from = letters.beginRetry()
        return Effect.as(commit(fold), from)
      }),
    )
    let at = first ?? start
    for (;;) {
      const began = performance.now()
      const upTo = fold.upTo
      yield* pass(retrying, fold, at, upTo, alone)
      at = max(at, upTo)
      if (performance.now() - began < SHORT_MS) break
    }
    yield* alone(
      Effect.gen(function* () {
        yield* pass(retrying, fold, at, fold.upTo, (use) => use)
        if (fold.stopped !== undefined) return
        letters.endRetry()
        yield* commit(fold)
      }).pipe(Effect.uninterruptible),
    )
  })

/** Folds what waits and lies after `from`, up to `upTo`. */
const pass = (
  retrying: Retrying,
  fold: BuildFold,
  from: Position,
  upTo: Position,
  alone: Alone,
): Effect.Effect<void, LogError | RetryEnded> =>
  Effect.suspend(() => {
    const partitions = [...(fold.letters?.partitions ?? [])]
    if (compare(from, upTo) >= 0 || partitions.length === 0) return Effect.void
    let slice: Array<RecordedEvent> = []
    const flush = Effect.suspend(() => {
      const events = slice
      slice = []
      return events.length === 0 ? Effect.void : alone(foldSlice(retrying, fold, events))
    })
    return retrying.log
      .readAll({
        direction: "forwards",
        ...(from === start ? {} : { from }),
        ...(partitions.length > MOST_PARTITIONS ? {} : { prefixes: partitions.flatMap(prefixesOf) }),
      })
      .pipe(
        Stream.takeUntil((chunk) => compare(chunk.at(-1)?.position ?? start, upTo) >= 0),
        Stream.runForEach((chunk) =>
          Effect.gen(function* () {
            for (const event of chunk) {
              if (compare(event.position, upTo) > 0) return
              const partition = partitionOfStream(event.stream)
              if (partition === undefined || fold.letters?.isNext(event, partition) !== true) continue
              slice.push(event)
              if (slice.length >= SLICE) yield* flush
            }
          }),
        ),
        Effect.zipRight(flush),
      )
  })

/** What can't be folded this time either leaves nothing behind: the slice is folded again without it. */
const foldSlice = (
  retrying: Retrying,
  fold: BuildFold,
  events: ReadonlyArray<RecordedEvent>,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (fold.stopped !== undefined) return
    // From here on everything that is not committed is of this slice.
    yield* retrying.commit(fold)
    let left = events
    const failures = []
    for (;;) {
      yield* loadFor(retrying, fold, left)
      const failed = fold.foldWaiting(left)
      if (failed === undefined) break
      fold.revert()
      fold.foldedAgain()
      failures.push(failed)
      const { merchantId } = failed.event.event.data
      const stream = partitionOfStream(failed.event.stream)
      left = left.filter(
        (event, index) =>
          index < failed.index ||
          event.event.data.merchantId !== merchantId ||
          partitionOfStream(event.stream) !== stream,
      )
    }
    for (const { event, error } of failures) {
      const partition = partitionOfStream(event.stream)
      if (partition !== undefined) fold.letters?.parkAgain(event, partition, error)
    }
    yield* retrying.commit(fold)
  }).pipe(Effect.uninterruptible)
