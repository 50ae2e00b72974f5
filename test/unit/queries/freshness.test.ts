import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import { PARTITIONS } from "../../../src/domain/Partition.js"
import { fromNumber, type Position } from "../../../src/domain/Position.js"
import type { ProcessorsService, Progress } from "../../../src/processors/Processors.js"
import { makeFreshness } from "../../../src/queries/Freshness.js"
import { makeProgressBoard } from "../../../src/queries/ProgressBoard.js"
import type { QueryError } from "../../../src/queries/QueryError.js"
import { makeMemoryReadModels } from "../../../src/readmodels/MemoryReadModels.js"
import type { BuildState, ReadModelsService } from "../../../src/readmodels/ReadModels.js"

const HEAD = 100

const serve = (readModels: ReadModelsService, projection: string, number: number, state: BuildState) =>
  readModels.saveBuild({
    id: `${projection}-${number}`,
    projection,
    definition: `${projection}@${number}`,
    state,
  })

/** Builds whose progress the test makes, and a log that ends at 100. */
const waiting = <A>(
  use: (
    of: ReturnType<typeof makeFreshness>,
    move: (build: string, to: number) => Effect.Effect<void>,
    readModels: ReadModelsService,
  ) => Effect.Effect<A, unknown>,
): Promise<A> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const all = new Map<string, Progress>()
        const changes = yield* PubSub.unbounded<Progress>()
        const processors: Pick<ProcessorsService, "progress" | "changes"> = {
          progress: Effect.sync(() => [...all.values()]),
          changes: Stream.fromPubSub(changes),
        }
        const readModels = makeMemoryReadModels({ synchronous: true })
        yield* serve(readModels, "metrics", 1, "SERVING")
        yield* serve(readModels, "merchants", 1, "SERVING")
        const board = yield* makeProgressBoard(processors)
        const tail = { head: () => Effect.succeed(fromNumber(HEAD)), lagMs: () => Effect.succeed(0) }
        const move = (build: string, to: number) => {
          const projection = build.slice(0, build.indexOf("-"))
          const position = fromNumber(to)
          const progress = { projection, build, position, recordedAt: null, eventsPerSecond: 0 }
          all.set(build, progress)
          return Effect.asVoid(PubSub.publish(changes, progress))
        }
        yield* move("metrics-1", 5)
        yield* move("merchants-1", 5)
        return yield* use(makeFreshness(readModels, tail, board, Date.now), move, readModels)
      }),
    ),
  )

const both = ["metrics", "merchants"]
const codeOf = (result: Either.Either<Position, QueryError>) =>
  Either.isLeft(result) && result.left._tag === "QueryRefused" ? result.left.code : result._tag

describe("who waits for a position", () => {
  it("is answered once every projection is there", () =>
    waiting((freshness, move) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(freshness.settle(both, "7", 10_000))
        yield* move("metrics-1", 7)
        expect(yield* Effect.either(freshness.settle(both, "7", 20)).pipe(Effect.map(codeOf))).toBe("NOT_YET")
        yield* move("merchants-1", 9)
        expect(yield* fiber.await.pipe(Effect.map((exit) => exit._tag))).toBe("Success")
        expect(yield* freshness.settle(both, "7", 0)).toBe("7")
      }),
    ))

  it("is answered by a build that nobody folds, as it is paused or frozen, where that has come far enough", () =>
    waiting((freshness, _, readModels) =>
      Effect.gen(function* () {
        yield* serve(readModels, "metrics", 2, "SERVING")
        const checkpoints = new Map(
          Array.from({ length: PARTITIONS }, (_, partition) => [
            partition,
            { position: fromNumber(40), recordedAt: 1 },
          ]),
        )
        yield* readModels.commit("metrics-2", [], checkpoints)
        expect(yield* freshness.settle(["metrics"], "40", 0)).toBe("40")
        const refused = yield* Effect.either(freshness.settle(["metrics"], "41", 20))
        expect(refused).toMatchObject({ left: { code: "NOT_YET", details: { reached: "40" } } })
      }),
    ))

  it("is told how far it is when the time is over, once for all projections together", () =>
    waiting((freshness) =>
      Effect.gen(function* () {
        const began = performance.now()
        const result = yield* Effect.either(freshness.settle(both, "8", 300))
        const took = performance.now() - began
        expect(Either.isLeft(result) ? result.left : {}).toMatchObject({
          code: "NOT_YET",
          details: { reached: "5" },
          message: expect.stringMatching(/after 0.3 s .* at position 5, not yet at 8: ask again/),
        })
        expect(took).toBeGreaterThanOrEqual(290)
      }),
    ))

  it("is refused by name for what is no position, and for one beyond the end of the log", () =>
    waiting((freshness) =>
      Effect.gen(function* () {
        for (const [text, code] of [
          ["", "INVALID_POSITION"],
          ["-1", "INVALID_POSITION"],
          ["007", "INVALID_POSITION"],
          ["101", "POSITION_UNKNOWN"],
        ] as const) {
          expect(codeOf(yield* Effect.either(freshness.settle(both, text, 10_000)))).toBe(code)
        }
      }),
    ))

  it("waits for the build that takes over meanwhile", () =>
    waiting((freshness, move, readModels) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(freshness.settle(["metrics"], "50", 20_000))
        yield* Effect.yieldNow()
        yield* move("metrics-2", 50)
        yield* serve(readModels, "metrics", 2, "SERVING")
        expect(yield* fiber.await.pipe(Effect.map((exit) => exit._tag))).toBe("Success")
      }),
    ))
})
