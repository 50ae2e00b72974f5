import * as Effect from "effect/Effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import { partitionOf } from "../../../src/domain/Partition.js"
import { type Position, start } from "../../../src/domain/Position.js"
import { BuildFold } from "../../../src/processors/BuildFold.js"
import { byPartition } from "../../../src/processors/ByPartition.js"
import type { Projection } from "../../../src/processors/Projection.js"
import { WorkingSet } from "../../../src/processors/WorkingSet.js"
import { projections } from "../../../src/projections/index.js"
import type { Build } from "../../../src/readmodels/ReadModels.js"
import { drawHistory } from "../../support/drawHistory.js"
import { seededRandom } from "../../support/Seed.js"
import { until } from "../../support/until.js"
import { Bench, recorded, run, type TestEvent } from "./support.js"

const day = Date.parse("2026-03-01T00:00:00Z")

/** Merchants of different partitions, in the order of these, the highest first. */
const merchants = Array.from({ length: 40 }, (_, i) => `m-${i}`).toSorted(
  (a, b) => partitionOf(b) - partitionOf(a),
)

const foldOf = (projection: Projection) => {
  const working = new WorkingSet(() => undefined)
  const build: Build = { id: "b", projection: projection.name, definition: "d", state: "BUILDING" }
  return { working, fold: new BuildFold(build, projection, new Map(), working) }
}

const textsOf = (working: WorkingSet): ReadonlyArray<string> =>
  working
    .puts()
    .map(({ collection, key, doc }) => `${collection} ${key} ${JSON.stringify(doc)}`)
    .toSorted()

const upTo = (events: ReadonlyArray<RecordedEvent>): Position => events.at(-1)?.position ?? start

describe("events that are folded partition after partition", () => {
  const { random } = seededRandom("by partition")

  it("give the documents and checkpoints that the log's order gives", () => {
    for (let time = 0; time < 5; time++) {
      const some = merchants.slice(0, 1 + random.integer(6))
      const history = drawHistory(random, 400, 12, 3).map((event) => ({
        ...event,
        data: { ...event.data, merchantId: random.pick(some) },
      }))
      const events = recorded(history)
      for (const projection of projections) {
        const one = foldOf(projection)
        const other = foldOf(projection)
        one.fold.fold(events, upTo(events))
        let at = 0
        while (at < events.length) {
          const slice = events.slice(at, at + 1 + random.integer(200))
          const divided = byPartition(slice)
          expect(other.fold.isOrderFree(divided)).toBe(true)
          expect(other.fold.foldByPartition(divided, upTo(slice))).toBe(true)
          at += slice.length
        }
        expect(textsOf(other.working)).toEqual(textsOf(one.working))
        expect(other.fold.pending().checkpoints).toEqual(one.fold.pending().checkpoints)
        expect(other.fold.lastRecordedAt).toBe(one.fold.lastRecordedAt)
      }
    }
  })

  it("have an order when this program does not know one of them", () => {
    const { fold } = foldOf(projections[0] as Projection)
    const [known, unknown] = ["pageview", "MerchantMerged"].map((type) =>
      byPartition(recorded([{ type, at: day, recordedAt: day, data: { merchantId: "m" } }])),
    )
    expect([known, unknown].map((some) => some && fold.isOrderFree(some))).toEqual([true, false])
  })
})

describe("of events that can't be folded, recorded long ago", () => {
  let bench: Bench
  beforeEach(async () => {
    bench = await new Bench().open()
  })
  afterEach(() => bench.close())

  /** Counts events by merchant, each with where it stood among its merchant's. Throws at poison. */
  const counting: Projection = {
    name: "counting",
    version: 1,
    collections: ["counts"],
    apply: ({ event }, docs) => {
      docs.edit("counts", event.data.merchantId, () => ({ n: 0 })).n++
      if (event.type === "poison") throw new Error(`no antidote against ${event.data.id}`)
    },
  }
  const isPoison = (i: number) => i >= 5_000 && i % 7 === 0
  const events = (): ReadonlyArray<TestEvent> =>
    Array.from({ length: 6_000 }, (_, i) => ({
      ...{ type: isPoison(i) ? "poison" : "pageview", at: day + i, recordedAt: day + i },
      data: { merchantId: merchants[i % merchants.length] as string, id: `e-${i}` },
    }))

  it("the first of the log is named, though others come first among the partitions", async () => {
    await bench.append(events())
    await bench.start([counting], {}, "never")
    await until("it has stopped", 20_000, async () =>
      (await run(bench.processors.progress)).some(({ stopped }) => stopped !== undefined),
    )
    const [progress] = await run(bench.processors.progress)
    expect(progress?.stopped).toMatchObject({
      position: "5006",
      reason: "counting could not fold it: no antidote against e-5005",
    })
  })

  it("each merchant's first is set aside, and everything before it is folded once", async () => {
    const head = await bench.append(events())
    await bench.start([counting], {}, "always")
    await bench.caughtUp(head)
    const rows = await run(
      Effect.map(
        bench.readModels.query("counting-1", 0, [{ collection: "counts", from: "", to: "\uffff" }]),
        (answer) => answer.rows[0] ?? [],
      ),
    )
    const expected = new Map<string, number>()
    const waiting = new Set<string>()
    events().forEach(({ type, data: { merchantId } }) => {
      if (type === "poison") waiting.add(merchantId)
      if (!waiting.has(merchantId)) expected.set(merchantId, (expected.get(merchantId) ?? 0) + 1)
    })
    expect(waiting.size).toBeGreaterThan(10)
    expect(new Map(rows.map(({ key, doc }) => [key, (doc as { n: number }).n]))).toEqual(expected)
  })
})
