import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import { PARTITIONS, type Partition, partitionOfStream } from "../../../src/domain/Partition.js"
import { compare, type Position, start } from "../../../src/domain/Position.js"
import type { Past } from "../../../src/eventlog/EventLog.js"
import { BuildFold } from "../../../src/processors/BuildFold.js"
import { foldPast, type PastOptions } from "../../../src/processors/PastFold.js"
import type { Projection } from "../../../src/processors/Projection.js"
import { WorkingSet } from "../../../src/processors/WorkingSet.js"
import { projections } from "../../../src/projections/index.js"
import { makeMemoryReadModels } from "../../../src/readmodels/MemoryReadModels.js"
import type { Build, ReadModelsService } from "../../../src/readmodels/ReadModels.js"
import { drawHistory } from "../../support/drawHistory.js"
import { rounds } from "../../support/rounds.js"
import { seededRandom } from "../../support/Seed.js"
import { until } from "../../support/until.js"
import { Bench, recorded, run, type TestEvent } from "./support.js"

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
            mayGoOn: () => patience-- > 0,
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
        ...{ bytes: 1e9, documents: 1e9, mayGoOn: () => true },
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
          ...{ bytes: 1e9, documents: 1e9, mayGoOn: () => true },
          write: () => Effect.die("nothing is to be written"),
        }),
      )
      expect(outcome).toBe("InOrder")
      fold.revert()
      expect(fold.isPending).toBe(false)
    }
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
})
