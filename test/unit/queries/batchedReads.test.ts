import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import { fromNumber } from "../../../src/domain/Position.js"
import { batchedReads, MAX_QUESTIONS } from "../../../src/queries/BatchedReads.js"
import { sameTick } from "../../../src/queries/SameTick.js"
import { makeMemoryReadModels } from "../../../src/readmodels/MemoryReadModels.js"
import { ReadModelsUnavailable } from "../../../src/readmodels/ReadModels.js"
import { counting } from "./counting.js"

const run = Effect.runPromise
const all = { collection: "c", from: "", to: "~" }

const filled = async () => {
  const { calls, over } = counting()
  const store = over(makeMemoryReadModels({ synchronous: true }))
  const puts = Array.from({ length: 5 }, (_, i) => ({ collection: "c", key: `k${i}`, doc: i }))
  const checkpoint = { position: fromNumber(9), recordedAt: 90 }
  await run(store.commit("b", puts, new Map([[1, checkpoint]])))
  return { reads: batchedReads(store), calls }
}

describe("reads of the read models", () => {
  it("of one tick go to the store in one call, each with its own answer", async () => {
    const { reads, calls } = await filled()
    const scan = (i: number) => ({ collection: "c", from: `k${i}`, to: `k${i}~` })
    const answers = await Promise.all(
      [3, 1, 4, 1].map((i) => run(reads.query("b", i === 4 ? 1 : 0, [scan(i)]))),
    )
    expect(answers.map(({ rows }) => rows)).toEqual([3, 1, 4, 1].map((i) => [[{ key: `k${i}`, doc: i }]]))
    expect(answers.map(({ checkpoint }) => checkpoint.position)).toEqual(["0", "0", "9", "0"])
    expect(calls.queryMany).toEqual([3])
    await run(reads.query("b", 0, [scan(1)]))
    expect(calls.queryMany).toEqual([3, 1])
  })

  it("of one tick look up builds and documents in one call", async () => {
    const { reads, calls } = await filled()
    const load = (key: string) => run(reads.load("b", [{ collection: "c", key }]))
    expect(await Promise.all([load("k2"), load("k0"), load("none"), load("k2")])).toEqual([
      [2],
      [0],
      [undefined],
      [2],
    ])
    await Promise.all([run(reads.builds), run(reads.builds)])
    expect(calls).toMatchObject({ load: [3], builds: 1 })
  })

  it("leave the store to others between many", async () => {
    const { reads, calls } = await filled()
    const asked = Array.from({ length: MAX_QUESTIONS + 1 }, (_, i) => ({ ...all, from: `k${i}` }))
    const answers = await Promise.all(asked.map((scan) => run(reads.query("b", 0, [scan]))))
    expect(answers).toHaveLength(MAX_QUESTIONS + 1)
    expect(calls.queryMany).toEqual([MAX_QUESTIONS, 1])
  })

  it("fail alone when what follows can't be said", async () => {
    const { reads, calls } = await filled()
    const failing = run(
      Effect.exit(
        reads.query("b", 0, [all], () => {
          throw new Error("of one question")
        }),
      ),
    )
    const following = run(reads.query("b", 0, [all], (rows) => (rows[0]?.length === 5 ? [all] : [])))
    expect(Exit.isFailure(await failing)).toBe(true)
    expect((await following).rows).toHaveLength(2)
    expect(calls.queryMany).toEqual([2])
  })

  it("fail together when the store does", async () => {
    const store = makeMemoryReadModels({ synchronous: true })
    const error = new ReadModelsUnavailable({ reason: "gone" })
    const reads = batchedReads({ ...store, queryMany: () => Effect.fail(error) })
    const ask = () => run(Effect.flip(reads.query("b", 0, [all])))
    expect(await Promise.all([ask(), ask()])).toEqual([error, error])
  })
})

describe("sameTick", () => {
  it("asks anew what was asked before, and what comes while an answer is made", async () => {
    const asked: Array<ReadonlyArray<string>> = []
    const ask = sameTick(
      (keys: ReadonlyArray<string>) =>
        Effect.sync(() => {
          asked.push(keys)
          return keys.map((key) => `${key}${asked.length}`)
        }).pipe(Effect.tap(() => Effect.sleep("1 millis"))),
      (key) => key,
    )
    const first = run(ask("a"))
    const second = new Promise((resolve) => setImmediate(() => resolve(run(ask("a")))))
    expect(await Promise.all([first, second])).toEqual(["a1", "a2"])
    expect(asked).toEqual([["a"], ["a"]])
  })
})
