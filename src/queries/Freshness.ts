import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { type Partition, partitionOf } from "../domain/Partition.js"
import { compare, isPosition, type Position } from "../domain/Position.js"
import { deadLetterScan, decodeDeadLetter } from "../processors/DeadLetters.js"
import type { Progress } from "../processors/Processors.js"
import { reachedIn } from "../readmodels/Reached.js"
import type {
  Answer,
  Build,
  Checkpoint,
  Follow,
  ReadModelsService,
  Rows,
  Scan,
} from "../readmodels/ReadModels.js"
import { servingIn } from "../readmodels/Registry.js"
import type { LogTail } from "./LogTail.js"
import type { ProgressBoard } from "./ProgressBoard.js"
import { NotServed, type QueryError, refused } from "./QueryError.js"

/** How fresh an answer is. Everything recorded up to `position` is in it. */
export interface AsOf {
  readonly position: Position
  /** When the event at `position` was recorded, epoch ms; null before the first. */
  readonly recordedAt: number | null
  /** Age of the oldest event that is not in the answer yet; 0 when all are. */
  readonly lagMs: number
  readonly build: string
  /**
   * The first event that could not be folded, of the merchant that was asked about: what is later of it waits.
   * Missing when there is none.
   */
  readonly stalledAt?: Position
}

export interface Reading {
  readonly answer: Answer
  readonly asOf: AsOf
  readonly build: Build
  /** Everything recorded before this instant (epoch ms) is in the answer. */
  readonly caughtUpTo: number
}

/** How long a question with `atLeast` waits. */
export const AT_LEAST_MS = 10_000
/** How often who waits looks whether another build serves. */
const LOOK_AGAIN_MS = 1_000

/** Reads of a projection's serving build, each with how fresh it is. */
export interface Freshness {
  /** With a merchant: the build that answers what is asked about it. */
  readonly serving: (projection: string, merchantId?: string) => Effect.Effect<Build, QueryError>
  /** `of`: a merchant's id, or a partition with all its merchants. */
  readonly read: (
    projection: string,
    of: string | Partition,
    scans: ReadonlyArray<Scan>,
    follow?: Follow,
  ) => Effect.Effect<Reading, QueryError>
  /**
   * Waits until all these projections, as far as they answer for the merchant, are at the position, which is checked
   * first: `deadlineMs` in all.
   */
  readonly settle: (
    projections: ReadonlyArray<string>,
    atLeast: string,
    deadlineMs?: number,
    merchantId?: string,
  ) => Effect.Effect<Position, QueryError>
  /** A position that a client sent: well-formed, and not beyond the head of the log. */
  readonly checkPosition: (text: string) => Effect.Effect<Position, QueryError>
}

/** What the question under way reads; undefined where each read asks anew. */
interface Pinned {
  /** For all that is asked of its projection, about whichever merchant. */
  readonly build: Build | undefined
  /** Those that were asked for, by projection and merchant. */
  readonly known: Map<string, Build>
}

const reading = FiberRef.unsafeMake<Pinned | undefined>(undefined)

/**
 * All reads within see one build of each projection and merchant, though another may come to serve meanwhile: the
 * first one that is asked for, or `build`. Not across calls that are shared by several questions.
 */
export const atOneBuild = <A, E, R>(effect: Effect.Effect<A, E, R>, build?: Build): Effect.Effect<A, E, R> =>
  Effect.flatMap(FiberRef.get(reading), (known) =>
    known !== undefined && build === undefined
      ? effect
      : Effect.locally(effect, reading, { build, known: new Map() }),
  )

const ahead = (checkpoint: Checkpoint, progress: Progress | undefined): Checkpoint =>
  progress !== undefined && compare(progress.position, checkpoint.position) > 0 ? progress : checkpoint

export const makeFreshness = (
  readModels: ReadModelsService,
  tail: LogTail,
  board: ProgressBoard,
  now: () => number,
): Freshness => {
  // Asked each time: a build that was replaced is dropped, and would answer with nothing.
  const serving: Freshness["serving"] = (projection, merchantId) =>
    Effect.gen(function* () {
      const pinned = yield* FiberRef.get(reading)
      if (pinned?.build?.projection === projection) return pinned.build
      const name = merchantId === undefined ? projection : `${projection} ${merchantId}`
      const known = pinned?.known.get(name)
      if (known !== undefined) return known
      const build = servingIn(yield* readModels.builds, projection, merchantId)
      if (build === undefined) return yield* new NotServed({ projection })
      pinned?.known.set(name, build)
      return build
    })

  /** Once more, at one moment with the dead letters: rare, and so nobody else pays for it. */
  const readStalled = (build: Build, of: string | Partition, scans: ReadonlyArray<Scan>, follow?: Follow) =>
    Effect.gen(function* () {
      const [partition, merchantId] = typeof of === "number" ? [of] : [partitionOf(of), of]
      const count = scans.length
      const without = (rows: Rows): Rows => [...rows.slice(0, count), ...rows.slice(count + 1)]
      const { checkpoint, rows } = yield* readModels.query(
        build.id,
        partition,
        [...scans, deadLetterScan(partition, merchantId)],
        follow === undefined ? undefined : (found) => follow(without(found)),
      )
      const letters = (rows[count] ?? []).map(decodeDeadLetter)
      const stalled = letters.toSorted((a, b) => compare(a.folded, b.folded))[0]
      return { answer: { checkpoint, rows: without(rows) }, stalled }
    })

  const read: Freshness["read"] = (projection, of, scans, follow) =>
    Effect.gen(function* () {
      const build = yield* serving(projection, typeof of === "string" ? of : undefined)
      // Taken before the scan: what the processors have reported is in what is read afterwards.
      const progress = board.of(build.id)
      const partition = typeof of === "number" ? of : partitionOf(of)
      const first = yield* readModels.query(build.id, partition, scans, follow)
      const { answer, stalled } =
        first.checkpoint.hasDeadLetters === true
          ? yield* readStalled(build, of, scans, follow)
          : { answer: first, stalled: undefined }
      const reached = ahead(answer.checkpoint, progress)
      const position = stalled?.folded ?? reached.position
      const recordedAt = stalled === undefined ? reached.recordedAt : stalled.foldedAt
      const lagMs = yield* tail.lagMs(position)
      const asOf: AsOf = {
        ...{ position, recordedAt, lagMs, build: build.id },
        ...(stalled === undefined ? {} : { stalledAt: stalled.position }),
      }
      return { answer, asOf, build, caughtUpTo: now() - lagMs }
    })

  const checkPosition = (text: string) =>
    Effect.gen(function* () {
      if (!isPosition(text)) {
        return yield* refused(
          "INVALID_POSITION",
          `"${text.slice(0, 40)}" is not a position: send back one that an answer gave, unchanged`,
        )
      }
      // A position of a moment ago may lie beyond a head that is remembered, so that is asked again.
      const remembered = yield* tail.head(Number.POSITIVE_INFINITY)
      if (compare(text, remembered) <= 0) return text
      const head = yield* tail.head(-1)
      if (compare(text, head) <= 0) return text
      return yield* refused("POSITION_UNKNOWN", `position ${text} lies beyond the end of the log, ${head}`, {
        head,
      })
    })

  /** A build that nobody folds, as it is paused or its code is gone, is where its checkpoints are. */
  const reachedBy = ({ id }: Build) => {
    const known = board.of(id)
    return known === undefined
      ? Effect.map(readModels.checkpoints(id), reachedIn)
      : Effect.succeed(known.position)
  }

  /** A build that takes over meanwhile is waited for in the place of the one before. */
  const wait = (
    projection: string,
    merchantId: string | undefined,
    position: Position,
    until: number,
    deadlineMs: number,
  ) =>
    Effect.gen(function* () {
      for (;;) {
        const build = yield* serving(projection, merchantId)
        if (compare(yield* reachedBy(build), position) >= 0) return
        const left = until - performance.now()
        if (yield* board.reached(build.id, position, Math.max(0, Math.min(left, LOOK_AGAIN_MS)))) return
        if (left > LOOK_AGAIN_MS) continue
        const reached = yield* reachedBy(build)
        return yield* refused(
          "NOT_YET",
          `after ${deadlineMs / 1000} s the read model is at position ${reached}, not yet at ${position}: ask again, or without the position`,
          { reached },
        )
      }
    })

  const settle: Freshness["settle"] = (projections, atLeast, deadlineMs = AT_LEAST_MS, merchantId) =>
    Effect.gen(function* () {
      const position = yield* checkPosition(atLeast)
      const until = performance.now() + deadlineMs
      for (const projection of projections) yield* wait(projection, merchantId, position, until, deadlineMs)
      return position
    })

  return { serving, read, settle, checkPosition }
}
