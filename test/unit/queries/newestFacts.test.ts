import * as Effect from "effect/Effect"
import { beforeAll, describe, expect, it } from "vitest"
import { partitionOf } from "../../../src/domain/Partition.js"
import { compare, fromNumber, type Position } from "../../../src/domain/Position.js"
import { WorkingSet } from "../../../src/processors/WorkingSet.js"
import { indexOf } from "../../../src/projections/Dimensions.js"
import { metrics, PROJECTION } from "../../../src/projections/metrics.js"
import type { Freshness } from "../../../src/queries/Freshness.js"
import { type FactsAsked, type FoundFact, makeNewestFacts } from "../../../src/queries/NewestFacts.js"
import { makeZones } from "../../../src/queries/Zones.js"
import { makeMemoryReadModels } from "../../../src/readmodels/MemoryReadModels.js"
import type { Build, ReadModelsService } from "../../../src/readmodels/ReadModels.js"
import { Random, seededRandom } from "../../support/Seed.js"
import { recorded, type TestEvent } from "../processors/support.js"

const DAY = 86_400_000
const HOUR = 3_600_000
const BUILD: Build = { id: "b", projection: PROJECTION, definition: "metrics@0", state: "SERVING" }
const partition = partitionOf("m")
const run = Effect.runPromise

const event = (at: number, recordedAt: number, type = "pageview"): TestEvent => ({
  ...{ type, at, recordedAt },
  data: { merchantId: "m" },
})
const settings = (timezone: string, recordedAt: number): TestEvent => ({
  ...{ type: "MerchantSettingsChanged", at: recordedAt, recordedAt },
  data: { merchantId: "m", settings: { timezone } },
})

/** The real fold of the events, in a store whose reads are counted; the answer's position can be set back. */
const folded = async (events: ReadonlyArray<TestEvent>) => {
  const store = makeMemoryReadModels({ synchronous: true })
  await run(store.saveBuild(BUILD))
  const log = recorded(events)
  const working = new WorkingSet((collection, key) => store.loadNow?.(BUILD.id, { collection, key }))
  const position = log.at(-1)?.position ?? fromNumber(0)
  for (const one of log) metrics.apply(one, working)
  const checkpoints = new Map([[partition, { position, recordedAt: null }]])
  await run(store.commit(BUILD.id, working.puts(), checkpoints))
  const reads = { documents: 0 }
  const readModels: ReadModelsService = {
    ...store,
    query: (build, asked, scans, follow) =>
      Effect.tap(store.query(build, asked, scans, follow), ({ rows }) =>
        Effect.sync(() => {
          for (const some of rows) reads.documents += some.length
        }),
      ),
  }
  const upTo: { position: Position } = { position }
  const freshness: Freshness = {
    serving: () => Effect.succeed(BUILD),
    read: (_, asked, scans) =>
      Effect.map(readModels.query(BUILD.id, placeOf(asked), scans), (answer) => ({
        ...{ answer, build: BUILD, caughtUpTo: 0 },
        asOf: { position: upTo.position, recordedAt: null, lagMs: 0, build: BUILD.id },
      })),
    settle: (_, position) => Effect.succeed(position as Position),
    checkPosition: () => Effect.succeed(position),
  }
  const zones = makeZones(readModels, freshness)
  const facts = (lookedThrough?: number) => makeNewestFacts(readModels, freshness, zones, lookedThrough)
  return { log, facts, reads, upTo }
}

const placeOf = (asked: string | number) => (typeof asked === "number" ? asked : partitionOf(asked))

const anything = () => () => true

/** Live events in three zones, late ones among them, and days that were imported in no order of time. */
const history = (random: Random): ReadonlyArray<TestEvent> => {
  const start = Date.parse("2026-03-26T00:00:00Z")
  const types = ["pageview", "payment", "signup"]
  const events: Array<TestEvent> = []
  let now = start + 40 * DAY
  const importDay = (day: number, count: number) => {
    for (let i = 0; i < count; i++) {
      now += random.integer(3)
      events.push(event(start + day * DAY + random.integer(1_440) * 60_000, now, random.pick(types)))
    }
  }
  importDay(0, 300)
  importDay(3, 60)
  events.push(settings("Asia/Tokyo", now))
  importDay(3, 500)
  now = start + 50 * DAY
  for (let i = 0; i < 1_400; i++) {
    now += random.integer(16 * 60_000)
    const late = random.integer(20) === 0 ? random.integer(2 * DAY) : random.integer(1000)
    events.push(event(Math.floor((now - late) / 10_000) * 10_000, now, random.pick(types)))
    if (i === 450) events.push(settings("America/Lima", now))
  }
  return events
}

describe("the newest facts of a merchant", () => {
  const { random } = seededRandom("newest facts")
  let made: Awaited<ReturnType<typeof folded>>
  beforeAll(async () => {
    made = await folded(history(random))
  })

  const expected = (asked: Pick<FactsAsked, "range">, type: string | undefined, upTo: Position) =>
    made.log
      .filter(({ event: one, position }) => {
        if (one.type === "MerchantSettingsChanged" || compare(position, upTo) > 0) return false
        if (type !== undefined && one.type !== type) return false
        return one.at >= asked.range.from && one.at < asked.range.to
      })
      .map(({ event: one, position, revision }): FoundFact => ({ at: one.at, position, revision }))
      .sort((a, b) => b.at - a.at || compare(b.position, a.position))

  it("come page by page, each once and in order of time, across days, zones and late events", async () => {
    const times = made.log.map(({ event: one }) => one.at)
    const [first, last] = [Math.min(...times), Math.max(...times)]
    for (let round = 0; round < 40; round++) {
      const ends = [first, last + 1, ...Array.from({ length: 2 }, () => random.pick(times))]
      const [from, to] = [random.pick(ends), random.pick(ends)].sort((a, b) => a - b) as [number, number]
      const range = { from, to }
      const type = random.pick([undefined, "payment", "none"])
      const limit = random.pick([1, 7, 50, 400])
      made.upTo.position = random.pick([made.log, made.log.slice(700)]).at(-1)?.position as Position
      if (random.integer(3) === 0) made.upTo.position = random.pick(made.log).position
      const newest = made.facts(random.pick([1, 300, 1_000_000]))
      const matches: FactsAsked["matches"] =
        type === undefined ? anything : (columns) => (row) => columns.value(row, indexOf.TYPE) === type
      const all: Array<FoundFact> = []
      let after: FactsAsked["after"]
      for (let pages = 0; ; pages++) {
        expect(pages).toBeLessThan(3_000)
        const answer = await run(newest.find({ merchantId: "m", range, after, limit, matches }))
        expect(answer.found.length).toBeLessThanOrEqual(limit)
        all.push(...answer.found)
        after = answer.found.length === limit ? answer.found.at(-1) : answer.stoppedAt
        if (after === undefined) break
        if (limit === 1 && pages > 100) break
      }
      const whole = expected({ range }, type, made.upTo.position)
      expect(all, `round ${round}`).toEqual(limit === 1 ? whole.slice(0, all.length) : whole)
      if (limit === 1) expect(all.length).toBeGreaterThanOrEqual(Math.min(whole.length, 1))
    }
  })

  it("stop after a bounded number, and say where to go on", async () => {
    made.upTo.position = made.log.at(-1)?.position as Position
    const range = { from: 0, to: Date.parse("2027-01-01T00:00:00Z") }
    const nothing = () => undefined
    let after: FactsAsked["after"]
    let pages = 0
    do {
      const answer = await run(
        made.facts(100).find({ merchantId: "m", range, after, limit: 10, matches: nothing }),
      )
      expect(answer.found).toEqual([])
      if (answer.stoppedAt !== undefined && after !== undefined) {
        expect(answer.stoppedAt.at).toBeLessThan(after.at)
      }
      after = answer.stoppedAt
      pages++
    } while (after !== undefined)
    expect(pages).toBeGreaterThan(3)
  })

  it("are all found when each page stops after a few days", async () => {
    const start = Date.parse("2026-01-01T00:00:00Z")
    const times = Array.from({ length: 40 }, (_, day) =>
      [10, 23 * 60 + 30].map((m) => start + day * DAY + m * 60_000),
    )
    const { facts } = await folded(times.flat().map((at) => event(at, at)))
    const range = { from: start, to: start + 41 * DAY }
    const found: Array<number> = []
    let after: FactsAsked["after"]
    let pages = 0
    do {
      const page = await run(facts(1).find({ merchantId: "m", range, after, limit: 90, matches: anything }))
      found.push(...page.found.map(({ at }) => at))
      after = page.stoppedAt
      pages++
    } while (after !== undefined)
    expect(found).toEqual(times.flat().reverse())
    expect(pages).toBeGreaterThan(5)
  })
})

describe("the cost of the newest facts", () => {
  it("of a year of days is that of the last few, and of a large day that of its last minutes", async () => {
    const random = new Random(3)
    const start = Date.parse("2026-01-01T00:00:00Z")
    const year = Array.from({ length: 365 }, (_, day) => {
      const at = start + day * DAY + 10 * HOUR
      return Array.from({ length: day === 364 ? 12_000 : 3 }, (_, i) =>
        event(at + i * 3_000 - random.integer(60_000), at + i * 3_000),
      )
    }).flat()
    const { facts, reads } = await folded(year)
    const range = { from: start, to: start + 400 * DAY }
    const { found } = await run(
      facts().find({ merchantId: "m", range, after: undefined, limit: 20, matches: anything }),
    )
    expect(found).toHaveLength(20)
    expect(reads.documents).toBeLessThan(12)
  })
})
