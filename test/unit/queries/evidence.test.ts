import { describe, expect, it } from "vitest"
import type { Filter, FilterTerm } from "../../../src/domain/Filter.js"
import { bucketDimensions, type Dimension, intervals, type Metric } from "../../../src/domain/Metrics.js"
import type { Range } from "../../../src/domain/TimeBuckets.js"
import type { ListedEvent } from "../../../src/queries/ClientNames.js"
import type { Merchant } from "../../../src/queries/MerchantQueries.js"
import type { QueriesService } from "../../../src/queries/Queries.js"
import { everything } from "../../../src/queries/Scope.js"
import { began, drawHistory, merchantId } from "../../support/drawHistory.js"
import { rounds } from "../../support/rounds.js"
import { type Random, seededRandom } from "../../support/Seed.js"
import { run } from "../processors/support.js"
import { askFolded } from "../projections/askFolded.js"

const DAY = 86_400_000
const CURRENCY = "USD"
const CHECKED = [
  "EVENTS",
  "PAGEVIEWS",
  "PAYMENTS",
  "REFUNDS",
  "VISITORS",
  "GROSS_VOLUME",
  "POINTS_USED",
] as const
type Checked = (typeof CHECKED)[number]

/** What the list is narrowed to by the metric itself. */
const typeOf: Partial<Record<Metric, string>> = {
  PAGEVIEWS: "pageview",
  PAYMENTS: "payment",
  REFUNDS: "refund",
  GROSS_VOLUME: "payment",
  POINTS_USED: "payment",
}

/** The metric, as anyone would work it out from the events of the list. */
const worked = (metric: Checked, events: ReadonlyArray<ListedEvent["recorded"]["event"]>): number => {
  switch (metric) {
    case "VISITORS":
      return new Set(events.flatMap(({ data }) => data.clientKey ?? [])).size
    case "GROSS_VOLUME":
      return events.reduce((sum, { data }) => sum + (data.amount ?? 0), 0)
    case "POINTS_USED":
      return events.reduce((sum, { data }) => sum + (data.pointsUsed ?? 0), 0)
    default:
      return events.length
  }
}

const listed = async (
  queries: QueriesService,
  metric: Checked,
  range: Range,
  terms: ReadonlyArray<FilterTerm>,
) => {
  const events: Array<ListedEvent["recorded"]["event"]> = []
  const money: ReadonlyArray<FilterTerm> =
    metric === "GROSS_VOLUME" ? [{ dimension: "CURRENCY", in: [CURRENCY] }] : []
  const asked = { merchantId, type: typeOf[metric], range, filter: { all: [...terms, ...money] }, first: 200 }
  let after: string | undefined
  do {
    const page = await run(queries.events.list(everything, { ...asked, after }))
    events.push(...page.edges.map(({ node }) => node.recorded.event))
    after = page.hasNextPage ? page.endCursor : undefined
  } while (after !== undefined)
  expect(new Set(events.map(({ data }) => data.id)).size).toBe(events.length)
  return events
}

const filters: ReadonlyArray<Filter | undefined> = [
  undefined,
  undefined,
  { all: [{ dimension: "DEVICE", in: ["mobile"] }] },
  { all: [{ dimension: "COUNTRY", notIn: ["JP"] }] },
]

const drawRange = (random: Random): Range => {
  const from = began - DAY + random.integer(9 * DAY)
  return { from, to: from + 1 + random.integer(random.pick([3_600_000, DAY, 9 * DAY])) }
}

/** Picks buckets at random, and works each out again from the list of its events. */
const checkBuckets = async (random: Random, queries: QueriesService, merchant: Merchant, count: number) => {
  let events = 0
  for (let i = 0; i < count; i++) {
    const metric = random.pick(CHECKED)
    const filter = random.pick(filters)
    const terms = filter?.all ?? []
    const interval = random.pick(intervals.slice(2))
    const asked = { metric, range: drawRange(random), filter, currency: CURRENCY }
    const series = await run(queries.series(merchant, { ...asked, interval }))
    const at = random.integer(series.points.length)
    const point = series.points[at]
    if (point === undefined) throw new Error("a series has points")
    const bucket = { from: point.at, to: series.points[at + 1]?.at ?? series.range.to }
    const behindPoint = await listed(queries, metric, bucket, terms)
    expect(worked(metric, behindPoint), `${JSON.stringify({ ...asked, interval, bucket })}`).toBe(point.value)

    const by: Dimension = random.pick([...bucketDimensions, "PROPERTY", "PROPERTY"])
    const property = by === "PROPERTY" ? random.pick(["sku", "size", "none"]) : undefined
    const breakdown = await run(queries.breakdown(merchant, { ...asked, by, property }))
    if (breakdown.rows.length === 0) continue
    const row = random.pick(breakdown.rows)
    const term: FilterTerm = { dimension: by, property, in: [row.key] }
    const behindRow = await listed(queries, metric, breakdown.range, [...terms, term])
    expect(worked(metric, behindRow), JSON.stringify({ ...asked, by, property, row })).toBe(row.value)
    events += behindPoint.length + behindRow.length
  }
  return events
}

describe("evidence lists exactly the events that a bucket counted", () => {
  const { random } = seededRandom("evidence")

  for (const [name, count, clients, days] of [
    ["on quiet days", 400, 12, 8],
    ["on busy days", 4_000, 200, 3],
  ] as const) {
    it(name, async () => {
      const [created, ...events] = drawHistory(random, count, clients, days)
      const timezone = String(created?.data.settings?.timezone)
      await askFolded(
        random,
        { merchantId, timezone, currency: CURRENCY },
        events,
        async (queries, merchant) => {
          expect(await checkBuckets(random, queries, merchant, rounds(40, 400))).toBeGreaterThan(0)
        },
      )
    })
  }

  it("of a bucket, by their ids", async () => {
    const [created, ...events] = drawHistory(random, 1_000, 50, 2)
    const timezone = String(created?.data.settings?.timezone)
    await askFolded(random, { merchantId, timezone, currency: CURRENCY }, events, async (queries) => {
      for (let i = 0; i < 20; i++) {
        const range = drawRange(random)
        const path = random.pick(["/", "/a", "(none)"])
        const found = await listed(queries, "EVENTS", range, [{ dimension: "PATH", in: [path] }])
        const expected = events.filter(
          ({ at, data, type }) =>
            type !== "MerchantSettingsChanged" &&
            at >= range.from &&
            at < range.to &&
            (data.path ?? "(none)") === path,
        )
        expect(found.map(({ data }) => data.id).sort()).toEqual(expected.map(({ data }) => data.id).sort())
      }
    })
  })
})
