import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { differences, type Question } from "../support/askNumbers.js"
import { METRICS } from "../support/oracleEvents.js"
import { realFile } from "../support/realFile.js"
import { runImport } from "../support/runImport.js"
import { projectRoot, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"

const payments = realFile("payments.csv")
const accessLog = realFile("access.log")

type Numbers = Readonly<Record<string, number | null>>
type ByKey = Readonly<Record<string, Numbers>>

/** What an independent script computes from the file, sharing no code with Tidemark. */
const compute = <A>(script: string, ...args: ReadonlyArray<string>): A =>
  JSON.parse(
    execFileSync("python3", [join(projectRoot, "test/independent", script), ...args], {
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    }),
  ) as A

/**
 * What the answer is compared as: ratios to 12 digits, and what is expected where more than 1,024 visitors
 * may be estimated within 3 %.
 */
const comparable = (
  metric: string,
  value: number | null,
  wanted: number | null | undefined,
): number | null => {
  if (value === null || value === undefined) return null
  if (metric === "VISITORS" && (wanted ?? 0) > 1_024) {
    return Math.abs(value / (wanted ?? 1) - 1) < 0.03 ? (wanted ?? null) : value
  }
  return Number.isInteger(value) ? value : Number(value.toPrecision(12))
}

const column = (byKey: ByKey, metric: string): Record<string, number | null> =>
  Object.fromEntries(
    Object.entries(byKey).map(([key, numbers]) => [key, comparable(metric, numbers[metric] ?? null, null)]),
  )

/** How the buckets of an interval are named by the scripts. */
const named = { HOUR: 13, DAY: 10, MONTH: 7 } as const

/** Series of these metrics are the script's; buckets that it does not name are empty. */
const askSeries = (
  interval: keyof typeof named,
  range: string,
  wanted: ByKey,
  metrics: ReadonlyArray<string>,
): ReadonlyArray<Question> =>
  metrics.map((metric) => {
    const field = `series(metric: ${metric} interval: ${interval} range: ${range}) { points { at value } }`
    const name = (at: string) => at.slice(0, named[interval])
    return {
      ...{ what: field, field, cost: interval === "DAY" ? 6_500 : 1_000 },
      expected: () => column(wanted, metric),
      read: ({ points }: { points: ReadonlyArray<{ at: string; value: number | null }> }) =>
        Object.fromEntries(
          points
            .filter(({ at, value }) => value || wanted[name(at)] !== undefined)
            .map(({ at, value }) => [name(at), comparable(metric, value, wanted[name(at)]?.[metric])]),
        ),
    }
  })

const shownAtZero = new Set([
  "GROSS_VOLUME",
  "NET_VOLUME",
  "AVERAGE_ORDER_VALUE",
  "BOUNCE_RATE",
  "SESSION_SECONDS",
])

/** Breakdowns are the script's; a row is there when the metric has anything to count in it. */
const askRows = (
  by: string,
  range: string,
  wanted: ByKey,
  metrics: ReadonlyArray<string>,
): ReadonlyArray<Question> =>
  metrics.map((metric) => {
    const first = Math.min(1_000, Object.keys(wanted).length + 10)
    const field = `breakdown(metric: ${metric} by: ${by} range: ${range} first: ${first}) { rows { key value } }`
    return {
      ...{ what: field, field, cost: 300 + 4 * first },
      expected: () =>
        Object.fromEntries(
          Object.entries(column(wanted, metric)).filter(
            ([, value]) => value !== null && (value !== 0 || shownAtZero.has(metric)),
          ),
        ),
      read: ({ rows }: { rows: ReadonlyArray<{ key: string; value: number | null }> }) =>
        Object.fromEntries(
          rows.map(({ key, value }) => [key, comparable(metric, value, wanted[key]?.[metric])]),
        ),
    }
  })

/** Every metric over the range; one that the script does not name can't happen in its file: 0, or 0 ÷ 0. */
const askTotals = (range: string, wanted: Numbers): Question => {
  const field = `totals(range: ${range}) { values { metric value } }`
  return {
    ...{ what: field, field, cost: 300 },
    expected: () =>
      Object.fromEntries(METRICS.map((metric) => [metric, comparable(metric, wanted[metric] ?? 0, null)])),
    read: ({ values }: { values: ReadonlyArray<{ metric: string; value: number | null }> }) =>
      Object.fromEntries(
        values.map(({ metric, value }) => [metric, comparable(metric, value, wanted[metric]) ?? 0]),
      ),
  }
}

const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path)
beforeAll(async () => {
  await tidemark.start()
})
afterAll(async () => {
  await tidemark.stop()
  directory.remove()
})

describe.skipIf(accessLog.missing)("access.log, imported", () => {
  interface Expected {
    readonly lines: number
    readonly unreadable: number
    readonly total: Numbers
    readonly days: ByKey
    readonly hours: ByKey
    readonly by: Readonly<Record<string, ByKey>>
    readonly byDay: Readonly<Record<string, Readonly<Record<string, ByKey>>>>
    /** Page views by those values that an agent names without doubt. */
    readonly agents: Readonly<Record<string, Readonly<Record<string, number>>>>
  }
  const id = "semicomplete"
  const whole = '{from: "2015-05-17" to: "2015-05-22"}'
  const metrics = ["EVENTS", "PAGEVIEWS", "VISITORS", "SESSIONS", "BOUNCE_RATE", "SESSION_SECONDS"]
  const load = (...more: ReadonlyArray<string>) =>
    runImport(tidemark, ["access-log", accessLog.path, "--merchant", id, ...more])
  let expected: Expected
  beforeAll(() => {
    expected = compute("access_log.py", accessLog.path)
  })

  const byDay = () => [
    askTotals(whole, expected.total),
    ...askSeries("DAY", whole, expected.days, metrics),
    ...Object.entries(expected.by).flatMap(([by, rows]) => askRows(by, whole, rows, metrics)),
  ]
  const byHourAndDimension = () => [
    ...askSeries("HOUR", whole, expected.hours, metrics),
    ...Object.entries(expected.byDay).flatMap(([day, dimensions]) => {
      const range = `{from: "${day}T00:00:00Z" to: "${day}T23:59:59Z"}`
      return [
        askTotals(range, expected.days[day] ?? {}),
        ...Object.entries(dimensions).flatMap(([by, rows]) => askRows(by, range, rows, metrics)),
      ]
    }),
  ]

  it("gives every number by hour, by day and by each dimension that an independent script computes", async () => {
    const summary = await load()
    expect(summary).toMatchObject({
      lines: expected.lines,
      unreadable: expected.unreadable,
      duplicates: 0,
      rejected: 0,
    })
    expect(await differences(tidemark, id, [...byDay(), ...byHourAndDimension()])).toEqual([])
  })

  it("counts each page view and each session under one browser, one system and one kind of device", async () => {
    for (const by of ["BROWSER", "OS", "DEVICE"]) {
      for (const metric of ["PAGEVIEWS", "SESSIONS"]) {
        const { merchant } = await tidemark.graphql(
          `{ merchant(id: "${id}") { breakdown(metric: ${metric} by: ${by} range: ${whole} first: 1000) { rows { key value } } } }`,
        )
        const rows = merchant.breakdown.rows as ReadonlyArray<{ key: string; value: number }>
        expect(rows.length).toBeGreaterThan(3)
        expect(
          rows.reduce((sum, { value }) => sum + value, 0),
          `${metric} by ${by}`,
        ).toBe(expected.total[metric])
        const wanted = metric === "PAGEVIEWS" ? (expected.agents[by] ?? {}) : {}
        expect(Object.fromEntries(rows.map(({ key, value }) => [key, value]))).toMatchObject(wanted)
      }
    }
  })

  it("imported again, nothing changes", async () => {
    const summary = await load("--restart")
    expect(summary).toMatchObject({ accepted: 0, rejected: 0 })
    expect(await differences(tidemark, id, byDay())).toEqual([])
  })
})

describe.skipIf(payments.missing)("payments.csv, imported", () => {
  interface Company {
    readonly company: string
    readonly total: Numbers
    readonly days: ByKey
    readonly months: ByKey
    readonly by: Readonly<Record<"AREA" | "TYPE" | "PAYMENT_METHOD" | "CURRENCY" | "PATH", ByKey>>
  }
  const whole = '{from: "2013-01-01" to: "2017-01-01"}'
  const metrics = ["EVENTS", "PAYMENTS", "GROSS_VOLUME", "NET_VOLUME", "AVERAGE_ORDER_VALUE", "POINTS_EARNED"]
  const mapping = [
    "merchantId=company:slug",
    "timestamp=trip_start_timestamp:seconds",
    "amount=fare:major",
    "paymentMethod=payment_type",
    "pointsEarned=trip_seconds",
    "properties.company=company",
    "properties.area=pickup_community_area",
  ]
  const load = (...more: ReadonlyArray<string>) =>
    runImport(tidemark, [
      ...["csv", payments.path, "--set", "type=payment", "--set", "currency=USD", ...more],
      ...mapping.flatMap((one) => ["--map", one]),
    ])
  let expected: ReadonlyMap<string, Company>
  let count: number
  beforeAll(() => {
    const all = compute<{ payments: number; merchants: Record<string, Company> }>(
      "payments.py",
      payments.path,
      "fare",
    )
    expected = new Map(Object.values(all.merchants).map((one) => [one.company, one]))
    count = all.payments
  })

  const byDay = (wanted: Company) => [
    askTotals(whole, wanted.total),
    ...askSeries("DAY", whole, wanted.days, ["EVENTS", "GROSS_VOLUME", "AVERAGE_ORDER_VALUE"]),
  ]
  const byMonthAndDimension = (wanted: Company) => {
    const { AREA, ...dimensions } = wanted.by
    return [
      ...askSeries("MONTH", whole, wanted.months, metrics),
      ...Object.entries(dimensions).flatMap(([by, rows]) => askRows(by, whole, rows, metrics)),
      ...askRows('PROPERTY property: "area"', whole, AREA, metrics),
    ]
  }

  /** Asks every merchant what it must answer; a merchant's company stands in a property of its events. */
  const expectOfAll = async (questions: (wanted: Company) => ReadonlyArray<Question>): Promise<void> => {
    const { merchants } = await tidemark.graphql("{ merchants(first: 200) { nodes { id } } }")
    const found = new Set<string>()
    for (const { id } of merchants.nodes) {
      const { who } = (
        await tidemark.graphql(
          `{ merchant(id: "${id}") { who: breakdown(metric: EVENTS by: PROPERTY property: "company" range: ${whole}) { rows { key value } } } }`,
        )
      ).merchant
      const company = who.rows[0]?.key ?? ""
      const wanted = expected.get(company)
      if (wanted === undefined) continue
      found.add(company)
      expect(who.rows).toEqual([{ key: company, value: wanted.total.EVENTS }])
      expect(await differences(tidemark, id, questions(wanted))).toEqual([])
    }
    expect([...expected.keys()].filter((company) => !found.has(company))).toEqual([])
  }

  it("gives every number by month, by day and by each dimension that an independent script computes", async () => {
    const summary = await load()
    expect(summary).toMatchObject({ accepted: count, duplicates: 0 })
    await expectOfAll((company) => [...byDay(company), ...byMonthAndDimension(company)])
  })

  it("imported again, nothing changes", async () => {
    const summary = await load("--restart")
    expect(summary).toMatchObject({ accepted: 0, duplicates: count })
    await expectOfAll(byDay)
  })
})
