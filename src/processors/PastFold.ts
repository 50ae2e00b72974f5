import * as Effect from "effect/Effect"
import type { RecordedEvent } from "../domain/Event.js"
import type { Partition } from "../domain/Partition.js"
import type { Past } from "../eventlog/EventLog.js"
import { Text } from "../readmodels/DocText.js"
import type { Checkpoint, Put } from "../readmodels/ReadModels.js"
import { turn } from "../threads/turn.js"
import type { BuildFold } from "./BuildFold.js"
import { unknownOf } from "./KnownEvents.js"

/** Events of a partition that are folded before anybody else has a turn. */
const SLICE = 4_000

/** Whether to go on with a stretch, to leave it as long as nothing of it is written, or to leave it anyway. */
export type Wish = "GoOn" | "LeaveUnwritten" | "Leave"

export interface PastOptions {
  /** Of what is folded and not written yet, in bytes, about, and in documents. */
  readonly bytes: number
  readonly documents: number
  /** Writes what a build has folded. It may stop the build. */
  readonly write: (
    fold: BuildFold,
    puts: ReadonlyArray<Put>,
    checkpoints: ReadonlyMap<Partition, Checkpoint>,
  ) => Effect.Effect<void>
  /** Asked now and then. */
  readonly wish: () => Wish
  /** After each slice, when other fibers have had a turn, with how many events of the stretch are folded. */
  readonly pause?: (folded: number) => Effect.Effect<void>
}

/** What one build has folded of a stretch and not written. */
class Unwritten {
  private puts: Array<Put> = []
  private bytes = 0
  private checkpoints = new Map<Partition, Checkpoint>()
  hasWritten = false

  constructor(
    readonly fold: BuildFold,
    private readonly options: PastOptions,
  ) {}

  /**
   * Nobody asks for the documents of this partition before they are written. Throws where one has no text.
   */
  release(partition: Partition, last: RecordedEvent): void {
    for (const put of this.fold.working.release()) {
      this.puts.push(put)
      this.bytes += put.key.length + (put.doc instanceof Text ? put.doc.length : 0)
    }
    this.checkpoints.set(partition, this.fold.after(partition, last))
  }

  get isFull(): boolean {
    const { working } = this.fold
    return (
      this.bytes + working.changedBytes >= this.options.bytes ||
      this.puts.length + working.changedCount >= this.options.documents
    )
  }

  /** Writes what is folded of some partitions. */
  readonly writePart: Effect.Effect<void> = Effect.suspend(() => {
    const { fold, puts, checkpoints } = this
    this.hasWritten = true
    this.puts = []
    this.bytes = 0
    this.checkpoints = new Map()
    return Effect.zipRight(
      this.options.write(fold, puts, checkpoints),
      Effect.sync(() => {
        if (fold.stopped === undefined) fold.markWritten(checkpoints)
      }),
    )
  }).pipe(Effect.uninterruptible)

  /** Everything up to here is folded: writes what is left. */
  writeAll({ upTo, recordedAt }: Past): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { fold, puts, checkpoints } = this
      fold.pastFolded(checkpoints, upTo, recordedAt)
      return Effect.zipRight(
        this.options.write(fold, puts, fold.pending().checkpoints),
        Effect.sync(() => {
          if (fold.stopped === undefined) fold.markCommitted()
        }),
      )
    }).pipe(Effect.uninterruptible)
  }
}

/** The next events of an iterator, and what the last one of them was. */
class Slice implements IterableIterator<RecordedEvent> {
  last: RecordedEvent | undefined
  size = 0
  isOver = false

  constructor(private readonly events: Iterator<RecordedEvent>) {}

  [Symbol.iterator](): this {
    return this
  }

  // No generator: every event that is folded goes through here.
  next(): IteratorResult<RecordedEvent> {
    if (this.size === SLICE) return { done: true, value: undefined }
    const result = this.events.next()
    if (result.done === true) {
      this.isOver = true
      return result
    }
    const { value } = result
    if (unknownOf(value.event) !== undefined) throw new Error(`${value.event.type} is not known`)
    this.last = value
    this.size++
    return result
  }
}

/**
 * Folds a long stretch of the log partition after partition. A partition's documents are made once, written as texts
 * as soon as its last event is folded, and forgotten, so that what is in memory is small and at hand. `InOrder`: an
 * event can't be folded this way. `Later`: it was told not to go on. Then what is not written is to be undone.
 */
export const foldPast = (
  folds: ReadonlyArray<BuildFold>,
  past: Past,
  options: PastOptions,
): Effect.Effect<"Folded" | "Later" | "InOrder"> =>
  Effect.gen(function* () {
    const all = folds.map((fold) => new Unwritten(fold, options))
    const running = () => all.filter(({ fold }) => fold.stopped === undefined)
    const { pause = () => Effect.void } = options
    let folded = 0
    for (const { partition, events } of past.partitions) {
      const iterator = events[Symbol.iterator]()
      let last: RecordedEvent | undefined
      for (let isOver = false; !isOver; ) {
        const slice = new Slice(iterator)
        if (!foldSlice(running(), partition, slice)) return "InOrder"
        isOver = slice.isOver
        last = slice.last ?? last
        // None at all of this partition.
        if (last === undefined) break
        for (const one of running()) {
          const isFull = one.isFull
          if ((isOver || isFull) && !released(one, partition, last)) return "InOrder"
          if (isFull || one.isFull) yield* one.writePart
        }
        folded += slice.size
        yield* turn
        yield* pause(folded)
        const wish = options.wish()
        if (wish === "Leave") return "Later"
        if (wish === "LeaveUnwritten" && !all.some(({ hasWritten }) => hasWritten)) return "Later"
      }
    }
    for (const one of running()) yield* one.writeAll(past)
    return "Folded"
  })

const released = (one: Unwritten, partition: Partition, last: RecordedEvent): boolean => {
  try {
    one.release(partition, last)
    return true
  } catch {
    // Writing it in the log's order says which document it is.
    return false
  }
}

const foldSlice = (all: ReadonlyArray<Unwritten>, partition: Partition, slice: Slice): boolean => {
  try {
    // It can be gone through once.
    const events = all.length === 1 ? slice : [...slice]
    for (const { fold } of all) fold.foldPast(partition, events)
    return true
  } catch {
    // Folding in the log's order meets it again, and says which event it is.
    return false
  }
}
