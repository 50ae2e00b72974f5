import { join } from "node:path"
import { DatabaseSync } from "@photostructure/sqlite"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import { PARTITIONS, type Partition, partitionOf, partitionOfStream } from "../../../src/domain/Partition.js"
import { compare, type Position, start } from "../../../src/domain/Position.js"
import type { Past } from "../../../src/eventlog/EventLog.js"
import { BuildFold } from "../../../src/processors/BuildFold.js"
import { FoldGroup } from "../../../src/processors/FoldGroup.js"
import { makeFoldRunner } from "../../../src/processors/FoldRunner.js"
import { memoryOf } from "../../../src/processors/memoryOf.js"
import { foldPast, type PastOptions } from "../../../src/processors/PastFold.js"
import type { Progress } from "../../../src/processors/Processors.js"
import type { Projection } from "../../../src/processors/Projection.js"
import { WorkingSet } from "../../../src/processors/WorkingSet.js"
import { projections } from "../../../src/projections/index.js"
import { makeMemoryReadModels } from "../../../src/readmodels/MemoryReadModels.js"
import {
  type Build,
  type ReadModelsService,
  ReadModelsUnavailable,
} from "../../../src/readmodels/ReadModels.js"
import { drawHistory } from "../../support/drawHistory.js"
import { rounds } from "../../support/rounds.js"
import { seededRandom } from "../../support/Seed.js"
import { until } from "../../support/until.js"
import { Bench, counting, recorded, run, type TestEvent } from "./support.js"

const buildOf = (projection: Projection): Build => ({
  id: `${projection.name}-1`,
  ...{ projection: projection.name, definition: "d", state: "BUILDING" },
})

/** As the program begins with what is stored. */
const begin = async (projection: Projection, readModels: ReadModelsService): Promise<BuildFold> => {
  const build = buildOf(projection)
  const working = new WorkingSet((collection, key) => readModels.loadNow?.(build.id, { collection, key }))
  return new BuildFold(build, projection, await run(readModels.checkpoints(build.id)), working)
}

const pastOf = (events: ReadonlyArray<RecordedEvent>): Past => {
  const groups = new Map<Partition, Array<RecordedEvent>>()
  for (const event of events) {
    const partition = partitionOfStream(event.stream) as Partition
    groups.set(partition, [...(groups.get(partition) ?? []), event])
  }
  const last = events.at(-1) as RecordedEvent
  return {
    partitions: [...groups].map(([partition, some]) => ({ partition, events: some })),
    events: events.length,
    upTo: last.position,
    recordedAt: last.metadata.recordedAt,
  }
}

const documentsOf = async ({ collections, name }: Projection, readModels: ReadModelsService) => {
  const scans = collections.map((collection) => ({ collection, from: "", to: "\uffff" }))
  return (await run(readModels.query(`${name}-1`, 0, scans))).rows
}

describe("a stretch of the past", () => {
  const { random } = seededRandom("past")

  /** Folded in the order of the log, event by event. */
  const inOrder = async (projection: Projection, events: ReadonlyArray<RecordedEvent>) => {
    const readModels = makeMemoryReadModels({ synchronous: true })
    const fold = await begin(projection, readModels)
    fold.fold(events, events.at(-1)?.position ?? start)
    const { puts, checkpoints } = fold.pending()
    await run(readModels.commit(fold.build.id, puts, checkpoints))
    return { readModels, checkpoints, lastRecordedAt: fold.lastRecordedAt }
  }

  const history = (): ReadonlyArray<RecordedEvent> => {
    const merchants = Array.from({ length: 1 + random.integer(4) }, (_, i) => `m-${i}`)
    // Most are of one merchant, whose days have several segments.
    const drawn = drawHistory(random, 3_000 + random.integer(4_000), 60, 3)
    return recorded(
      drawn.map((event) => ({
        ...event,
        data: { ...event.data, merchantId: random.integer(3) > 0 ? "m-0" : random.pick(merchants) },
      })),
    )
  }

  it("gives what the log's order gives, however often it is written, left for later or broken off", async () => {
    const seen = { Folded: 0, Later: 0, InOrder: 0 }
    let writes = 0
    for (let round = 0; round < rounds(3, 30); round++) {
      const events = history()
      for (const projection of projections) {
        const readModels = makeMemoryReadModels({ synchronous: true })
        let fold = await begin(projection, readModels)
        while (fold.committed !== events.at(-1)?.position) {
          const left = events.filter(({ position }) => compare(position, fold.committed) > 0)
          let patience = random.pick([0, 2, 5, 1_000])
          const options: PastOptions = {
            bytes: random.pick([1, 20_000, 1_000_000]),
            documents: random.pick([1, 50, 100_000]),
            write: (_, puts, checkpoints) => {
              writes++
              return Effect.orDie(readModels.commit(fold.build.id, puts, checkpoints))
            },
            wish: () => (patience-- > 0 ? "GoOn" : "Leave"),
          }
          const outcome = await run(
            foldPast([fold], pastOf(left.slice(0, 500 + random.integer(3_000))), options),
          )
          seen[outcome]++
          if (outcome === "Folded") continue
          // The program ends, or goes on.
          if (random.integer(2) === 0) fold = await begin(projection, readModels)
          else fold.revert()
        }
        const expected = await inOrder(projection, events)
        expect(await documentsOf(projection, readModels)).toEqual(
          await documentsOf(projection, expected.readModels),
        )
        expect(await run(readModels.checkpoints(fold.build.id))).toEqual(expected.checkpoints)
        expect(fold.lastRecordedAt).toBe(expected.lastRecordedAt)
      }
    }
    expect(seen.Later).toBeGreaterThan(0)
    expect(writes).toBeGreaterThan(seen.Folded)
  })

  it("makes a document that several partitions share again from its text", async () => {
    const shared: Projection = {
      ...{ name: "shared", version: 1, collections: ["all"] },
      apply: (_, docs) => {
        docs.edit("all", "events", () => ({ n: 0 })).n++
      },
    }
    const events = history()
    const readModels = makeMemoryReadModels({ synchronous: true })
    const fold = await begin(shared, readModels)
    await run(
      foldPast([fold], pastOf(events), {
        ...{ bytes: 1e9, documents: 1e9, wish: () => "GoOn" as const },
        write: (_, puts, checkpoints) => Effect.orDie(readModels.commit("shared-1", puts, checkpoints)),
      }),
    )
    expect((await documentsOf(shared, readModels))[0]?.[0]?.doc).toEqual({ n: events.length })
  })

  it("is to be folded in order where an event can't be folded or is not known, and what is not written is as before", async () => {
    const failing: Projection = {
      ...{ name: "failing", version: 1, collections: ["counts"] },
      apply: ({ event }, docs) => {
        docs.edit("counts", event.data.merchantId, () => ({ n: 0 })).n++
        if (event.type === "poison") throw new Error("no antidote")
      },
    }
    const events = history()
    for (const type of ["poison", "MerchantMerged"]) {
      const readModels = makeMemoryReadModels({ synchronous: true })
      const fold = await begin(failing, readModels)
      const at = events.length - 1 - random.integer(1_000)
      const some = events.map((one, i) => (i === at ? { ...one, event: { ...one.event, type } } : one))
      const outcome = await run(
        foldPast([fold], pastOf(some), {
          ...{ bytes: 1e9, documents: 1e9, wish: () => "GoOn" as const },
          write: () => Effect.die("nothing is to be written"),
        }),
      )
      expect(outcome).toBe("InOrder")
      fold.revert()
      expect(fold.isPending).toBe(false)
    }
    const textless: Projection = {
      ...failing,
      apply: ({ event }, docs) => docs.put("counts", event.data.merchantId, { n: 1n }),
    }
    const fold = await begin(textless, makeMemoryReadModels({ synchronous: true }))
    const options = { bytes: 1e9, documents: 1e9, wish: () => "GoOn" as const, write: () => Effect.void }
    expect(await run(foldPast([fold], pastOf(events), options))).toBe("InOrder")
    fold.revert()
    expect(fold.isPending).toBe(false)
  })
})

describe("documents that are released", () => {
  it("are estimated as large as they are, so that what is not written stays bounded", () => {
    const working = new WorkingSet(() => undefined)
    const doc = () => ({ numbers: Array.from({ length: 2_000 }, (_, i) => i * 1.5) })
    const change = () => {
      for (let i = 0; i < 500; i++) working.put("large", `${i}`, doc())
      return working.changedBytes
    }
    change()
    working.release()
    working.committed()
    const actual = 500 * memoryOf(doc())
    const estimated = change()
    expect(estimated).toBeGreaterThan(0.8 * actual)
    expect(estimated).toBeLessThan(1.3 * actual)
  })
})

describe("a build that catches up", () => {
  let bench: Bench
  beforeEach(async () => {
    bench = await new Bench().open()
  })
  afterEach(() => bench.close())

  const began = Date.parse("2026-03-01T00:00:00Z")
  const events = (count: number): ReadonlyArray<TestEvent> =>
    Array.from({ length: count }, (_, i) => ({
      ...{ type: "pageview", at: began + i, recordedAt: began + i },
      data: { merchantId: `m-${i % 40}`, id: `e-${i}` },
    }))

  /** Waits for a moment with each slice. */
  const slow = (version: number): Projection => ({
    ...{ name: "slow", version, collections: ["counts"] },
    apply: ({ event }, docs) => {
      docs.edit("counts", event.data.merchantId, () => ({ n: 0 })).n++
    },
    applyAll: (all, docs) => {
      const until = performance.now() + 20
      while (performance.now() < until);
      for (const { event } of all) docs.edit("counts", event.data.merchantId, () => ({ n: 0 })).n++
    },
  })

  it("reads what was recorded long ago in stretches, and all else from the subscription", async () => {
    const { log } = bench
    const stretches: Array<Past> = []
    const past = log.past as NonNullable<typeof log.past>
    bench.log = {
      ...log,
      past: (options) =>
        past(options).pipe(Stream.tap((stretch) => Effect.sync(() => stretches.push(stretch)))),
    }
    await bench.append(events(5_000))
    const now = Date.now()
    const head = await bench.append(
      Array.from({ length: 50 }, (_, i) => ({
        ...{ type: "pageview", at: now, recordedAt: now },
        data: { merchantId: `m-${i % 40}`, id: `n-${i}` },
      })),
    )
    await bench.start([slow(1)])
    await bench.caughtUp(head)
    // The last event says when a stretch was recorded.
    expect(stretches).toEqual([])
    const more = await bench.append(
      events(3_000).map((one) => ({ ...one, data: { ...one.data, id: `${one.data.id}-more` } })),
    )
    await bench.stop()
    await bench.start([slow(2)])
    await bench.caughtUp(more)
    expect(stretches.map(({ events: count }) => count)).toEqual([8_050])
    const { rows } = await run(
      bench.readModels.query("slow-2", 0, [{ collection: "counts", from: "", to: "\uffff" }]),
    )
    const counts = (rows[0] ?? []).map(({ doc }) => (doc as { n: number }).n)
    expect(counts.reduce((a, b) => a + b, 0)).toBe(8_050)
  })

  it("ends soon when it is cancelled, and leaves a long stretch for later when others want to have a turn", async () => {
    const head = await bench.append(events(4_000))
    await bench.start([slow(1)])
    await bench.caughtUp(head)
    await bench.done({ _tag: "Rebuild", projection: "slow", promote: false }, "ann")
    await new Promise((resolve) => setTimeout(resolve, 100))
    const began = performance.now()
    await bench.done({ _tag: "Cancel", projection: "slow" }, "ann")
    // Forty partitions take 20 ms each.
    expect(performance.now() - began).toBeLessThan(500)
    await until("it is gone", 5_000, async () => (await run(bench.readModels.builds)).length === 1)
  })

  it("goes on where it was after it was stopped at any moment", async () => {
    const head = await bench.append(events(6_000))
    const { random } = seededRandom("stopped")
    for (let i = 0; i < 4; i++) {
      await bench.start([slow(1)])
      await new Promise((resolve) => setTimeout(resolve, random.integer(400)))
      await bench.stop()
    }
    await bench.start([slow(1)])
    await bench.caughtUp(head)
    const positions = new Set<Position>()
    for (const [, { position }] of await run(bench.readModels.checkpoints("slow-1"))) positions.add(position)
    expect([...positions]).toEqual([head])
    expect((await run(bench.readModels.checkpoints("slow-1"))).size).toBe(PARTITIONS)
    const { rows } = await run(
      bench.readModels.query("slow-1", 0, [{ collection: "counts", from: "", to: "\uffff" }]),
    )
    expect((rows[0] ?? []).map(({ doc }) => (doc as { n: number }).n)).toEqual(new Array(40).fill(150))
  })

  const counted = async (build: string, readModels = bench.readModels) => {
    const { rows } = await run(readModels.query(build, 0, [{ collection: "counts", from: "", to: "\uffff" }]))
    return (rows[0] ?? []).reduce((sum, { doc }) => sum + (doc as { n: number }).n, 0)
  }

  it("beside one that is further folds each event once", async () => {
    const head = await bench.append(events(5_000))
    await bench.start([counting("a")])
    await bench.caughtUp(head)
    await bench.stop()
    await bench.start([counting("a"), counting("b")])
    await bench.caughtUp(head)
    await bench.stop()
    await bench.start([counting("a"), counting("b")])
    expect([await counted("a-1"), await counted("b-1")]).toEqual([5_000, 5_000])
    for (const { build, recordedAt } of await run(bench.processors.progress)) {
      expect([build, recordedAt]).toEqual([build, began + 4_999])
    }
  })

  it("folds all of it in every lane, however many there are", async () => {
    const head = await bench.append(events(8_000))
    for (const of of [3, 30, 7]) {
      const mine = Array.from({ length: 40 }, (_, i) => partitionOf(`m-${i}`)).filter((_, i) => i % of !== 0)
      const readModels = makeMemoryReadModels({ synchronous: true })
      const scope = Effect.runSync(Scope.make())
      const lane = { partitions: new Set(mine), of }
      const runner = await run(
        makeFoldRunner({ log: bench.log, readModels, projections: [counting("a")], lane }).pipe(
          Scope.extend(scope),
        ),
      )
      await run(runner.start([{ ...buildOf(counting("a")), definition: "a@1" }], "aside"))
      await until("it is there", 20_000, async () => (await run(runner.progress))[0]?.position === head)
      await run(Scope.close(scope, Exit.void))
      const own = events(8_000).filter(({ data }) => lane.partitions.has(partitionOf(data.merchantId)))
      expect(await counted("a-1", readModels)).toBe(own.length)
    }
  })

  it("holds nothing from beyond where it is said to be held", async () => {
    await bench.append(events(8_000))
    const projection = counting("a")
    const readModels = makeMemoryReadModels({ synchronous: true })
    let commits = 0
    const store: ReadModelsService = {
      ...readModels,
      commit: (...asked) => Effect.tap(readModels.commit(...asked), () => Effect.sync(() => commits++)),
    }
    const working = new WorkingSet((collection, key) => readModels.loadNow?.("a-1", { collection, key }))
    const fold = new BuildFold(buildOf(projection), projection, new Map(), working)
    const other = counting("b")
    const beside = new BuildFold(buildOf(other), other, new Map(), new WorkingSet(() => undefined))
    // So many lanes that a few documents are enough to write a part.
    const group = new FoldGroup(bench.log, store, [fold, beside], () => Effect.void, 30_000)
    const all = await run(Stream.runCollect(bench.log.readAll({ direction: "forwards" })))
    const list = [...all].flat()
    const taking = run(group.takePast(pastOf(list)))
    // A part is written.
    while (commits < 3) await new Promise((resolve) => setImmediate(resolve))
    const removing = run(group.remove("b-1"))
    const holding = run(group.hold(fold, start))
    expect(await taking).toBe("Later")
    await removing
    expect(await run(group.takePast(pastOf(list)))).toBe("InOrder")
    await Promise.race([holding, run(group.take({ events: list, upTo: list.at(-1)?.position ?? start }))])
    const held = await holding
    const upTo = list.filter(({ position }) => compare(position, held) <= 0)
    expect(await counted("a-1", readModels)).toBe(upTo.length)
    expect(upTo.length).toBeGreaterThan(0)
    expect(fold.furthest).toBe(held)
    await run(group.letGo)
  })

  it("waits for its turn before each slice, says how fast it is meanwhile, and leaves its turn at the end", async () => {
    await bench.append(events(8_000))
    const projection = counting("a")
    const readModels = makeMemoryReadModels({ synchronous: true })
    const fold = await begin(projection, readModels)
    const list = [...(await run(Stream.runCollect(bench.log.readAll({ direction: "forwards" }))))].flat()
    const past = pastOf(list)
    const slices = [...past.partitions].length
    const log: Array<"asks" | "leaves"> = []
    const rates: Array<number> = []
    const said = (progress: ReadonlyArray<Progress>) =>
      Effect.sync(() => {
        if (fold.committed === start) rates.push(...progress.map((one) => one.eventsPerSecond))
      })
    const turns = {
      ask: Effect.zipRight(
        Effect.sync(() => log.push("asks")),
        Effect.sleep(`${Math.ceil(2_500 / slices)} millis`),
      ),
      leave: Effect.sync(() => log.push("leaves")),
    }
    const group = new FoldGroup(bench.log, readModels, [fold], said, 1, turns)
    expect(await run(group.takePast(past))).toBe("Folded")
    // Each partition is one slice.
    expect(log).toEqual([...Array.from({ length: slices + 1 }, () => "asks"), "leaves"])
    expect(rates.length).toBeGreaterThanOrEqual(2)
    for (const rate of rates) {
      expect(rate).toBeGreaterThan(list.length / 10)
      expect(rate).toBeLessThan(list.length)
    }
    expect(await counted("a-1", readModels)).toBe(list.length)
  })

  it("ends soon while the store can't be written, in stretches and else, and goes on where it was", async () => {
    const head = await bench.append(events(5_000))
    const { past: _, ...inOrder } = bench.log
    for (const log of [bench.log, inOrder]) {
      const readModels = makeMemoryReadModels({ synchronous: true })
      let isFull = true
      let attempts = 0
      const commit: ReadModelsService["commit"] = (...asked) =>
        Effect.suspend(() => {
          attempts++
          return isFull ? new ReadModelsUnavailable({ reason: "it is full" }) : readModels.commit(...asked)
        })
      const begin = async () => {
        const scope = Effect.runSync(Scope.make())
        const store = { ...readModels, commit }
        const runner = await run(
          makeFoldRunner({ log, readModels: store, projections: [counting("a")] }).pipe(Scope.extend(scope)),
        )
        await run(runner.start([{ ...buildOf(counting("a")), definition: "a@1" }], "aside"))
        return { runner, scope }
      }
      const first = await begin()
      await until("it has tried again", 20_000, () => attempts > 1)
      const began = performance.now()
      await run(Scope.close(first.scope, Exit.void))
      expect(performance.now() - began).toBeLessThan(5_000)
      expect(await counted("a-1", readModels)).toBe(0)
      isFull = false
      const second = await begin()
      await until(
        "it is there",
        20_000,
        async () => (await run(second.runner.progress))[0]?.position === head,
      )
      await run(Scope.close(second.scope, Exit.void))
      expect(await counted("a-1", readModels)).toBe(5_000)
    }
  })

  it("stops where the log is damaged, and not a stretch before that", async () => {
    await bench.append(events(8_000))
    for (const damage of [
      "UPDATE events SET event = '{' WHERE sequence = 8000",
      "DELETE FROM events WHERE sequence = 7500",
    ]) {
      const database = new DatabaseSync(join(bench.directory, "events.db"), { timeout: 5_000 })
      database.exec(damage)
      database.close()
      const { past: _, ...inOrder } = bench.log
      const stopped: Array<string | undefined> = []
      for (const [which, log] of [bench.log, inOrder].entries()) {
        const readModels = makeMemoryReadModels({ synchronous: true })
        const scope = Effect.runSync(Scope.make())
        const runner = await run(
          makeFoldRunner({ log, readModels, projections: [counting("a")] }).pipe(Scope.extend(scope)),
        )
        await run(runner.start([{ ...buildOf(counting("a")), definition: "a@1" }], "live"))
        await until(`it has stopped (${which})`, 20_000, async () => {
          const [progress] = await run(runner.progress)
          return progress?.stopped !== undefined
        })
        stopped.push((await run(runner.progress))[0]?.position)
        await run(Scope.close(scope, Exit.void))
      }
      expect(stopped[0]).toBe(stopped[1])
      expect(Number(stopped[0])).toBeGreaterThan(5_000)
    }
  })
})
