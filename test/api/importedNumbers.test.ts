import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runImport } from "../support/runImport.js"
import { projectRoot, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"

const dataFile = (name: string): string => join(projectRoot, "..", "shared", "data", name)
const payments = dataFile("payments.csv")
const accessLog = dataFile("access.log")
for (const file of [payments, accessLog]) if (!existsSync(file)) console.warn(`SKIPPED: there is no ${file}`)

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

/** The metric of each key; ratios to 12 digits. */
const column = (byKey: ByKey, metric: string): Record<string, number | null> =>
  Object.fromEntries(
    Object.entries(byKey).map(([key, numbers]) => [key, rounded(numbers[metric] ?? null)] as const),
  )
const rounded = (value: number | null): number | null =>
  value === null || Number.isInteger(value) ? value : Number(value.toPrecision(12))

const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path)
beforeAll(async () => {
  await tidemark.start()
})
afterAll(async () => {
  await tidemark.stop()
  directory.remove()
})

/** All answers to one merchant's fields, by alias. */
// biome-ignore lint/suspicious/noExplicitAny: the shape follows the fields
const ask = async (id: string, fields: Readonly<Record<string, string>>): Promise<Record<string, any>> => {
  const answers = {}
  const all = Object.entries(fields)
  for (let at = 0; at < all.length; at += 6) {
    const text = all.slice(at, at + 6).map(([alias, field]) => `${alias}: ${field}`)
    const { merchant } = await tidemark.graphql(`{ merchant(id: "${id}") { ${text.join("\n")} } }`)
    Object.assign(answers, merchant)
  }
  return answers
}

/** How the buckets of an interval are named by the scripts. */
const named = { HOUR: 13, DAY: 10, MONTH: 7 } as const

/** Compares series of these metrics with the script's; buckets that it does not name must be empty. */
const expectSeries = async (
  id: string,
  interval: keyof typeof named,
  range: string,
  wanted: ByKey,
  metrics: ReadonlyArray<string>,
): Promise<void> => {
  const fields = metrics.map(
    (metric) =>
      [
        metric,
        `series(metric: ${metric} interval: ${interval} range: ${range}) { points { at value } }`,
      ] as const,
  )
  const answers = await ask(id, Object.fromEntries(fields))
  for (const metric of metrics) {
    const points = answers[metric].points as ReadonlyArray<{ at: string; value: number | null }>
    const given = points.filter(
      ({ at, value }) => value || wanted[at.slice(0, named[interval])] !== undefined,
    )
    expect(
      Object.fromEntries(given.map(({ at, value }) => [at.slice(0, named[interval]), rounded(value)])),
      `${id} ${metric} by ${interval}`,
    ).toEqual(column(wanted, metric))
  }
}

/** Compares breakdowns with the script's; a row that is left out must count nothing. */
const expectRows = async (
  id: string,
  by: string,
  range: string,
  wanted: ByKey,
  metrics: ReadonlyArray<string>,
): Promise<void> => {
  const fields = metrics.map(
    (metric) =>
      [
        metric,
        `breakdown(metric: ${metric} by: ${by} range: ${range} first: 1000) { rows { key value } }`,
      ] as const,
  )
  const answers = await ask(id, Object.fromEntries(fields))
  const money = new Set([
    "GROSS_VOLUME",
    "NET_VOLUME",
    "AVERAGE_ORDER_VALUE",
    "BOUNCE_RATE",
    "SESSION_SECONDS",
  ])
  for (const metric of metrics) {
    const rows = answers[metric].rows as ReadonlyArray<{ key: string; value: number | null }>
    const there = Object.entries(column(wanted, metric)).filter(
      ([, value]) => value !== null && (value !== 0 || money.has(metric)),
    )
    expect(
      Object.fromEntries(rows.map(({ key, value }) => [key, rounded(value)])),
      `${id} ${metric} by ${by} in ${range}`,
    ).toEqual(Object.fromEntries(there))
  }
}

const expectTotals = async (id: string, range: string, wanted: Numbers): Promise<void> => {
  const { totals } = await ask(id, { totals: `totals(range: ${range}) { values { metric value } }` })
  const values = totals.values as ReadonlyArray<{ metric: string; value: number | null }>
  for (const { metric, value } of values) {
    if (metric === "VISITORS" && (wanted.VISITORS ?? 0) > 1_024) {
      expect(Math.abs((value ?? 0) / (wanted.VISITORS ?? 0) - 1), `${id} VISITORS`).toBeLessThan(0.03)
    } else {
      // What a script does not name can't happen in its file: 0, or 0 ÷ 0.
      expect(rounded(value) || 0, `${id} ${metric}`).toBe(rounded(wanted[metric] ?? null) || 0)
    }
  }
}

describe.skipIf(!existsSync(accessLog))("access.log, imported", () => {
  interface Expected {
    readonly lines: number
    readonly unreadable: number
    readonly total: Numbers
    readonly days: ByKey
    readonly hours: ByKey
    readonly by: Readonly<Record<string, ByKey>>
    readonly byDay: Readonly<Record<string, Readonly<Record<string, ByKey>>>>
  }
  const id = "semicomplete"
  const whole = '{from: "2015-05-17" to: "2015-05-22"}'
  const metrics = ["EVENTS", "PAGEVIEWS", "VISITORS", "SESSIONS", "BOUNCE_RATE", "SESSION_SECONDS"]
  const load = (...more: ReadonlyArray<string>) =>
    runImport(tidemark, ["access-log", accessLog, "--merchant", id, ...more])
  let expected: Expected
  beforeAll(() => {
    expected = compute("access_log.py", accessLog)
  })

  const expectAll = async (): Promise<void> => {
    await expectTotals(id, whole, expected.total)
    await expectSeries(id, "DAY", whole, expected.days, metrics)
    await expectSeries(id, "HOUR", whole, expected.hours, metrics)
    for (const [by, rows] of Object.entries(expected.by)) await expectRows(id, by, whole, rows, metrics)
    for (const [day, dimensions] of Object.entries(expected.byDay)) {
      const range = `{from: "${day}T00:00:00Z" to: "${day}T23:59:59Z"}`
      await expectTotals(id, range, expected.days[day] ?? {})
      for (const [by, rows] of Object.entries(dimensions)) await expectRows(id, by, range, rows, metrics)
    }
  }

  it("gives every number by hour, by day and by each dimension that an independent script computes", async () => {
    const summary = await load()
    expect(summary).toMatchObject({
      lines: expected.lines,
      unreadable: expected.unreadable,
      duplicates: 0,
      rejected: 0,
    })
    await expectAll()
  })

  it("counts each page view and each session under one browser, one system and one kind of device", async () => {
    for (const by of ["BROWSER", "OS", "DEVICE"]) {
      for (const metric of ["PAGEVIEWS", "SESSIONS"]) {
        const { answer } = await ask(id, {
          answer: `breakdown(metric: ${metric} by: ${by} range: ${whole} first: 1000) { rows { key value } }`,
        })
        const rows = answer.rows as ReadonlyArray<{ key: string; value: number }>
        expect(rows.length).toBeGreaterThan(3)
        expect(
          rows.reduce((sum, { value }) => sum + value, 0),
          `${metric} by ${by}`,
        ).toBe(expected.total[metric])
      }
    }
  })

  it("imported again, nothing changes", async () => {
    const summary = await load("--restart")
    expect(summary).toMatchObject({ accepted: 0, rejected: 0 })
    await expectAll()
  })
})

describe.skipIf(!existsSync(payments))("payments.csv, imported", () => {
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
      ...["csv", payments, "--set", "type=payment", "--set", "currency=USD", ...more],
      ...mapping.flatMap((one) => ["--map", one]),
    ])
  let expected: ReadonlyMap<string, Company>
  let count: number
  beforeAll(() => {
    const all = compute<{ payments: number; merchants: Record<string, Company> }>(
      "payments.py",
      payments,
      "fare",
    )
    expected = new Map(Object.values(all.merchants).map((one) => [one.company, one]))
    count = all.payments
  })

  const expectAll = async (): Promise<void> => {
    const { merchants } = await tidemark.graphql("{ merchants(first: 200) { nodes { id } } }")
    const found = new Set<string>()
    for (const { id } of merchants.nodes as ReadonlyArray<{ id: string }>) {
      const { who } = await ask(id, {
        who: `breakdown(metric: EVENTS by: PROPERTY property: "company" range: ${whole}) { rows { key value } }`,
      })
      const company = who.rows[0]?.key ?? ""
      const wanted = expected.get(company)
      if (wanted === undefined) continue
      found.add(company)
      expect(who.rows).toEqual([{ key: company, value: wanted.total.EVENTS }])
      await expectTotals(id, whole, wanted.total)
      await expectSeries(id, "MONTH", whole, wanted.months, metrics)
      await expectSeries(id, "DAY", whole, wanted.days, ["EVENTS", "GROSS_VOLUME", "AVERAGE_ORDER_VALUE"])
      const { AREA, ...dimensions } = wanted.by
      for (const [by, rows] of Object.entries(dimensions)) await expectRows(id, by, whole, rows, metrics)
      await expectRows(id, 'PROPERTY property: "area"', whole, AREA, metrics)
    }
    expect([...expected.keys()].filter((company) => !found.has(company))).toEqual([])
  }

  it("gives every number by month, by day and by each dimension that an independent script computes", async () => {
    const summary = await load()
    expect(summary).toMatchObject({ accepted: count, duplicates: 0 })
    await expectAll()
  })

  it("imported again, nothing changes", async () => {
    const summary = await load("--restart")
    expect(summary).toMatchObject({ accepted: 0, duplicates: count })
    await expectAll()
  })
})
