import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { PARTITIONS, partitionOf } from "../../../src/domain/Partition.js"
import { fromNumber } from "../../../src/domain/Position.js"
import { makeFoldRunner } from "../../../src/processors/FoldRunner.js"
import { type Lane, lanesOf, together } from "../../../src/processors/Lanes.js"
import type { Progress } from "../../../src/processors/Processors.js"
import { definitionOf } from "../../../src/processors/Projection.js"
import type { Runner } from "../../../src/processors/Runner.js"
import { projections } from "../../../src/projections/index.js"
import * as Embedded from "../../../src/readmodels/embedded/EmbeddedReadModels.js"
import { type Build, ReadModels, type Row } from "../../../src/readmodels/ReadModels.js"
import { drawHistory } from "../../support/drawHistory.js"
import { seededRandom } from "../../support/Seed.js"
import { until } from "../../support/until.js"
import { Bench, run, type TestEvent } from "./support.js"

const sizes = (lanes: ReadonlyArray<Lane>, weights: ReadonlyArray<number>) =>
  lanes.map(({ partitions }) =>
    [...partitions].reduce((sum, partition) => sum + (weights[partition] ?? 0), 0),
  )

describe("lanes of a build", () => {
  it("have every partition once, and about the same to fold, also beside one that has half of all", () => {
    const weights = Array.from({ length: PARTITIONS }, (_, partition) => (partition === 7 ? 2_000 : 8))
    for (const [count, most] of [
      [2, 2_050],
      [3, 2_010],
    ] as const) {
      const lanes = lanesOf(weights, count)
      expect(lanes.map(({ of }) => of)).toEqual(new Array(count).fill(count))
      const all = lanes.flatMap(({ partitions }) => [...partitions])
      expect(all.toSorted((a, b) => a - b)).toEqual([...Array(PARTITIONS).keys()])
      expect(Math.max(...sizes(lanes, weights))).toBeLessThanOrEqual(most)
    }
    const even = lanesOf([], 4)
    expect(even.map(({ partitions }) => partitions.size)).toEqual([64, 64, 64, 64])
  })

  it("say together what the build says: where the last of them is", () => {
    const progress = (position: number, more: Partial<Progress> = {}): Progress => ({
      ...{ projection: "p", build: "p-1", position: fromNumber(position), recordedAt: position * 10 },
      ...{ eventsPerSecond: 100, ...more },
    })
    expect(together([progress(5), progress(3)])).toEqual(progress(3, { eventsPerSecond: 200 }))
    const stopped = { position: undefined, eventType: undefined, reason: "no" }
    expect(
      together([
        progress(9, { deadLetters: { merchants: 1, waiting: 2 }, passedOver: { a: 1, b: 2 } }),
        progress(9, { deadLetters: { merchants: 2, waiting: 5 }, passedOver: { b: 1 }, recordedAt: 95 }),
        progress(20, { stopped }),
      ]),
    ).toEqual(
      progress(9, {
        ...{ recordedAt: 95, eventsPerSecond: 300, stopped },
        ...{ deadLetters: { merchants: 3, waiting: 7 }, passedOver: { a: 1, b: 3 } },
      }),
    )
  })
})

const { random } = seededRandom("lanes")

/** Of several merchants, in the order of their recording. */
const history = (): ReadonlyArray<TestEvent> =>
  Array.from({ length: 6 }, (_, merchant) =>
    drawHistory(random, 250, 20, 5).map((event) => ({
      ...event,
      data: { ...event.data, merchantId: `m-${merchant}` },
    })),
  )
    .flat()
    .toSorted((a, b) => a.recordedAt - b.recordedAt)

describe("a build that is folded in lanes", () => {
  let bench: Bench
  let scope: Scope.CloseableScope
  beforeEach(async () => {
    bench = await new Bench().open()
    scope = Effect.runSync(Scope.make())
  })
  afterEach(async () => {
    await run(Scope.close(scope, Exit.void))
    await bench.close()
  })

  const builds = (name: string): ReadonlyArray<Build> =>
    projections.map((projection) => ({
      ...{ id: `${projection.name}-${name}`, projection: projection.name },
      ...{ definition: definitionOf(projection), state: "BUILDING" as const },
    }))

  const storeOf = async (writers: number, within: Scope.Scope) =>
    Effect.runSync(
      Effect.provide(
        ReadModels,
        await run(Layer.buildWithScope(Embedded.layer({ directory: bench.directory, writers }), within)),
      ),
    )

  /** Folds up to a number of the log's events in each lane, and ends with what is folded written. */
  const fold = async (name: string, lanes: ReadonlyArray<Lane | undefined>, upTo: ReadonlyArray<number>) => {
    const within = Effect.runSync(Scope.fork(scope, ExecutionStrategy.sequential))
    const runners: Array<Runner> = []
    for (const [index, lane] of lanes.entries()) {
      const last = upTo[index] ?? 0
      const log = {
        ...bench.log,
        subscribe: (options: Parameters<typeof bench.log.subscribe>[0]) =>
          bench.log.subscribe(options).pipe(
            Stream.map((batch) => ({
              upTo: fromNumber(Math.min(Number(batch.upTo), last)),
              events: batch.events.filter(({ position }) => Number(position) <= last),
            })),
          ),
      }
      const readModels = await storeOf(lanes.length, within)
      const runner = await run(
        makeFoldRunner({ log, readModels, projections, ...(lane && { lane }) }).pipe(Scope.extend(within)),
      )
      await run(runner.start(builds(name), "aside"))
      runners.push(runner)
    }
    await until("every lane is there", 20_000, async () => {
      for (const [index, runner] of runners.entries()) {
        const last = upTo[index] ?? 0
        const progress = await run(runner.progress)
        if (!progress.every(({ position }) => Number(position) >= last)) return false
      }
      return true
    })
    await run(Scope.close(within, Exit.void))
  }

  /** Every document of the builds, as it is stored. */
  const documents = async (name: string) => {
    const store = await storeOf(1, scope)
    const found: Record<string, ReadonlyArray<Row>> = {}
    for (const { collections, name: projection } of projections) {
      const scans = collections.map((collection) => ({ collection, from: "", to: "\uffff" }))
      const { rows } = await run(store.query(`${projection}-${name}`, 0, scans))
      rows.forEach((some, index) => {
        found[`${projection} ${collections[index]}`] = some
      })
    }
    return found
  }

  it("has the documents that one lane makes of the same log, to the byte, and one checkpoint for each partition", async () => {
    const events = history()
    await bench.append(events)
    const lanes = lanesOf(await run(bench.log.weights ?? Effect.succeed([])), 2)
    const merchants = new Set(
      lanes.map(
        ({ partitions }) => [0, 1, 2, 3, 4, 5].filter((n) => partitions.has(partitionOf(`m-${n}`))).length,
      ),
    )
    expect(merchants).toEqual(new Set([3]))
    const all = events.length
    await fold("one", [undefined], [all])
    // One lane far ahead of the other; then both as after a crash, divided otherwise; then the rest by one alone.
    await fold("two", lanes, [Math.floor(all / 2), 40])
    await fold("two", lanesOf([], 2), [Math.floor(all / 3), Math.floor(all / 2)])
    await fold("two", [undefined], [all])
    await fold("both", lanes, [all, all])
    const expected = await documents("one")
    expect(Object.values(expected).flat().length).toBeGreaterThan(500)
    expect(await documents("two")).toEqual(expected)
    expect(await documents("both")).toEqual(expected)
    const store = await storeOf(1, scope)
    for (const name of ["two", "both"]) {
      const checkpoints = await run(store.checkpoints(`metrics-${name}`))
      expect(checkpoints).toEqual(await run(store.checkpoints("metrics-one")))
      expect(checkpoints.size).toBe(PARTITIONS)
    }
  })
})
