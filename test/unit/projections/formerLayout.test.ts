import { describe, expect, it } from "vitest"
import { bucketDimensions, metrics as metricNames } from "../../../src/domain/Metrics.js"
import { hoursIn } from "../../../src/projections/DayHours.js"
import { makeMetrics } from "../../../src/projections/metrics.js"
import { countsPacking, hoursPacking } from "../../../src/projections/PackedEntries.js"
import { entryName, isPacked, type Packing } from "../../../src/projections/Table.js"
import type { MetricQueries } from "../../../src/queries/MetricQueries.js"
import { makeMemoryReadModels } from "../../../src/readmodels/MemoryReadModels.js"
import type { Put, ReadModelsService } from "../../../src/readmodels/ReadModels.js"
import { Folding } from "../../support/folded.js"
import { seededRandom } from "../../support/Seed.js"
import { recorded, run, type TestEvent } from "../processors/support.js"

const HOUR = 3_600_000
const DAY = 24 * HOUR
const now = Date.parse("2026-11-21T12:00:00Z")
const range = { from: now - 6 * DAY - 5 * HOUR, to: now - DAY - 7 * HOUR }
const subject = { id: "m", timezone: "UTC", currency: "USD" }

const packings: Readonly<Record<string, Packing>> = { values: countsPacking, valueHours: hoursPacking }

const unpacked = (packing: Packing, stored: object): object => {
  if (!isPacked(stored)) return stored
  const { names, entries } = packing.unpack(stored)
  return Object.fromEntries(names.map((name, index) => [entryName(name), entries[index]]))
}

/** The document as versions before 4 stored it. */
const asFormerly = (put: Put): Put => {
  if (put.doc === undefined) return put
  const doc = JSON.parse(JSON.stringify(put.doc))
  if (put.collection === "days")
    return { ...put, doc: doc.h === undefined ? doc : { ...doc, h: hoursIn(doc.h) } }
  const packing = packings[put.collection]
  if (packing === undefined) return put
  if (typeof doc.n !== "number") return { ...put, doc: unpacked(packing, doc) }
  return { ...put, doc: doc.e === undefined ? doc : { ...doc, e: unpacked(packing, doc.e) } }
}

const storingAsFormerly = (): ReadModelsService => {
  const store = makeMemoryReadModels({ synchronous: true })
  return {
    ...store,
    commit: (build, puts, checkpoints) => store.commit(build, puts.map(asFormerly), checkpoints),
  }
}

const events = (count: number): ReadonlyArray<TestEvent> => {
  const { random } = seededRandom("former layout")
  return Array.from({ length: count }, (_, index) => ({
    type: random.pick(["pageview", "pageview", "pageview", "payment", "refund", "signup"]),
    at: now - 7 * DAY + Math.floor((7 * DAY * index) / count) + random.integer(2 * HOUR),
    recordedAt: now,
    data: {
      merchantId: "m",
      clientKey: `client-${random.integer(200)}`,
      path: random.integer(8) === 0 ? `/rare/${random.integer(900)}` : `/${random.integer(90)}`,
      country: random.pick(["JP", "DE", "FR"]),
      amount: random.integer(9_000),
      currency: random.pick(["USD", "EUR"]),
    },
  }))
}

const everyNumber = async (queries: MetricQueries) => {
  const found = new Map<string, unknown>()
  for (const metric of metricNames) {
    for (const interval of ["HOUR", "DAY", "WEEK"] as const) {
      const { points } = await run(queries.series(subject, { metric, interval, range }))
      found.set(`${metric} by ${interval}`, points)
    }
    for (const by of bucketDimensions) {
      const { rows } = await run(queries.breakdown(subject, { metric, by, range, first: 1_000 }))
      found.set(`${metric} by ${by}`, rows)
    }
  }
  const { values } = await run(queries.totals(subject, { range }))
  return found.set("totals", values)
}

describe("documents as the version before stored them", () => {
  it("give the same numbers, and go on being folded", async () => {
    const log = recorded(events(4_000))
    const projection = makeMetrics({ maxValues: 10_000, tail: 64 })
    const [today, formerly] = await Promise.all([
      Folding.of(projection),
      Folding.of(projection, storingAsFormerly()),
    ])
    for (const [index, event] of log.entries()) {
      for (const folding of [today, formerly]) {
        folding.take(event)
        if (index % 500 === 499) await folding.commit()
      }
    }
    for (const folding of [today, formerly]) await folding.commit()
    const numbers = await everyNumber(today.queries().numbers)
    expect(await everyNumber(formerly.queries().numbers)).toEqual(numbers)
    expect((numbers.get("PAGEVIEWS by PATH") as ReadonlyArray<unknown>).length).toBeGreaterThan(200)
  })
})
