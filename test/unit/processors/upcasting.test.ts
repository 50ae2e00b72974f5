import { join } from "node:path"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { NewEvent, StoredEvent } from "../../../src/domain/Event.js"
import { merchantStream, partitionOf } from "../../../src/domain/Partition.js"
import { type Upcaster, upcastWith } from "../../../src/domain/Upcast.js"
import { EventLog, NO_STREAM } from "../../../src/eventlog/EventLog.js"
import { upcasting } from "../../../src/eventlog/Upcasting.js"
import * as EmbeddedKeyStore from "../../../src/keystore/embedded/EmbeddedKeyStore.js"
import { BuildFold } from "../../../src/processors/BuildFold.js"
import { UnknownEvents } from "../../../src/processors/KnownEvents.js"
import { Processors } from "../../../src/processors/Processors.js"
import { WorkingSet } from "../../../src/processors/WorkingSet.js"
import { projections } from "../../../src/projections/index.js"
import { metrics } from "../../../src/projections/metrics.js"
import * as QueriesLayer from "../../../src/queries/Queries.js"
import { Queries } from "../../../src/queries/Queries.js"
import { everything } from "../../../src/queries/Scope.js"
import { ReadModels } from "../../../src/readmodels/ReadModels.js"
import { Bench, newEvent, recorded, run, type TestEvent } from "./support.js"

const day = Date.parse("2026-03-01T00:00:00Z")
const stream = merchantStream(partitionOf("m"), "m")

const of = (type: string, second: number, data: Record<string, unknown> = {}, v = 1): NewEvent => {
  const at = day + second * 1_000
  const event: TestEvent = { type, at, recordedAt: at, data: { merchantId: "m", id: `e-${second}`, ...data } }
  const made = newEvent(event, stream)
  return { ...made, event: { ...made.event, v } }
}

/** In version 0 of this test a payment was called `sale` and had a price with two decimals, as a text. */
const fromSales: Upcaster = {
  type: "sale",
  from: 0,
  up: ({ data, ...event }) => {
    const { price, ...rest } = data as typeof data & { readonly price: string }
    return { ...event, type: "payment", data: { ...rest, amount: Math.round(Number(price) * 100) } }
  },
}

describe("an event of an older version", () => {
  const old: StoredEvent = { v: 0, type: "sale", at: 1, data: { id: "a", merchantId: "m" } }
  const step = (type: string, from: number, to = type): Upcaster => ({
    type,
    from,
    up: (event) => ({
      ...event,
      type: to,
      data: { ...event.data, path: `${event.data.path ?? ""}/${from}` },
    }),
  })

  it("comes up a version at a time, by the type that it has come to have", () => {
    const upcast = upcastWith([step("sale", 0, "paid"), step("paid", 2), step("sale", 1)], 3)
    expect(upcast(old)).toEqual({ ...old, v: 3, type: "paid", data: { ...old.data, path: "/0/2" } })
    expect(upcast({ ...old, v: 1 })).toMatchObject({ v: 3, type: "sale", data: { path: "/1" } })
    expect(upcast({ ...old, type: "pageview" })).toEqual({ ...old, type: "pageview", v: 3 })
  })

  it("stays as it is when it is of today, of later, or can't be brought up", () => {
    const broken: Upcaster = {
      ...fromSales,
      up: () => {
        throw new Error("no price")
      },
    }
    const upcast = upcastWith([broken], 1)
    for (const event of [old, { ...old, v: 1 }, { ...old, v: 7 }]) expect(upcast(event)).toBe(event)
    expect(() => upcastWith([fromSales, fromSales])).toThrow(/two upcasters of sale from version 0/)
  })
})

describe("a log with events of an older version", () => {
  let bench: Bench
  let scope: Scope.CloseableScope
  beforeEach(async () => {
    bench = await new Bench().open()
    scope = await run(Scope.make())
  })
  afterEach(async () => {
    await run(Scope.close(scope, Exit.void))
    await bench.close()
  })

  const plant = (...events: ReadonlyArray<NewEvent>) =>
    run(bench.log.append([{ stream, expectedRevision: NO_STREAM, events }]))

  it("is folded, asked and listed as if they had been stored today, whether read or followed", async () => {
    const settings = { timezone: "UTC", currency: "USD" }
    await plant(
      of("MerchantCreated", 0, { settings }),
      of("sale", 1, { price: "12.50", currency: "USD" }, 0),
      of("payment", 2, { amount: 250, currency: "USD" }),
    )
    const stored = bench.log
    bench.log = upcasting(stored, upcastWith([fromSales]))
    await bench.start(projections)
    await bench.caughtUp(await run(stored.head))
    const late = of("sale", 3, { price: "0.07", currency: "USD" }, 0)
    await run(stored.append([{ stream, expectedRevision: 2, events: [late] }]))
    await bench.caughtUp(await run(stored.head))

    const layer = QueriesLayer.layer({ secret: Buffer.from("secret"), idleAfterMs: 1_000 }).pipe(
      Layer.provide(EmbeddedKeyStore.layer({ directory: join(bench.directory, "keys") })),
      Layer.provide(Layer.succeed(EventLog, bench.log)),
      Layer.provide(Layer.succeed(ReadModels, bench.readModels)),
      Layer.provide(Layer.succeed(Processors, bench.processors)),
    )
    const queries = Context.get(await run(Layer.buildWithScope(layer, scope)), Queries)
    const merchant = await run(queries.merchants.find(everything, "m"))
    if (merchant === undefined) throw new Error("no merchant")
    const range = { from: day, to: day + 86_400_000 }
    const { values } = await run(queries.totals(merchant, { range }))
    expect(values).toContainEqual({ metric: "PAYMENTS", value: 3 })
    expect(values).toContainEqual({ metric: "GROSS_VOLUME", value: 1_507 })
    const { edges } = await run(queries.events.list(everything, { merchantId: "m", type: "payment", range }))
    expect(edges.map(({ node }) => node.recorded.event.data.amount)).toEqual([7, 250, 1_250])
    expect(edges.every(({ node }) => node.recorded.event.v === 1)).toBe(true)
    // What is stored stays as it was stored.
    const read = stored.readStream(stream, { direction: "forwards", from: 1, limit: 1 })
    const [raw] = [...(await run(Stream.runCollect(Stream.flattenIterables(read))))]
    expect(raw?.event).toMatchObject({ v: 0, type: "sale", data: { price: "12.50" } })
  })

  it("has unknown events passed over by a live fold, and counted", async () => {
    await plant(
      of("pageview", 0),
      of("MerchantMerged", 1),
      of("pageview", 2, {}, 9),
      of("MerchantMerged", 3),
      of("pageview", 4),
    )
    await bench.start([metrics])
    await bench.caughtUp(await run(bench.log.head))
    const [progress] = await run(bench.processors.progress)
    expect(progress?.stopped).toBeUndefined()
    expect(progress?.passedOver).toEqual({ MerchantMerged: 2, "pageview of version 9": 1 })
  })
})

describe("a fold that must leave nothing out", () => {
  it("stops before an event that it does not know, and says which", () => {
    const build = {
      id: "metrics-2",
      projection: "metrics",
      definition: "metrics@9",
      state: "BUILDING",
    } as const
    const working = new WorkingSet(() => undefined)
    const unknown = new UnknownEvents(true)
    const fold = new BuildFold(build, metrics, new Map(), working, unknown)
    const events = recorded([
      { type: "pageview", at: day, recordedAt: day, data: { merchantId: "m" } },
      { type: "MerchantMerged", at: day, recordedAt: day, data: { merchantId: "m" } },
    ])
    fold.fold(events, events[1]?.position ?? fold.upTo)
    expect(fold.stopped).toMatchObject({
      position: "2",
      eventType: "MerchantMerged",
      reason: expect.stringMatching(/does not know events of MerchantMerged/),
    })
    expect(fold.upTo).toBe("0")
  })
})
