import { spawnSync } from "node:child_process"
import { join } from "node:path"
import type { SentEvent } from "./Sender.js"
import { projectRoot, type TidemarkProcess } from "./TidemarkProcess.js"

type Numbers = {
  readonly EVENTS: number
  readonly PAGEVIEWS: number
  readonly PAYMENTS: number
  readonly GROSS_VOLUME: Readonly<Record<string, string>>
}
type ByTime<A> = Readonly<Record<string, A>>
type Independent = Readonly<
  Record<
    string,
    {
      readonly UTC: {
        readonly DAY: { readonly "": ByTime<Numbers> } & Readonly<
          Record<"TYPE" | "PATH" | "PAYMENT_METHOD", ByTime<Readonly<Record<string, Numbers>>>>
        >
      }
    }
  >
>

const CURRENCIES = ["USD", "EUR", "JPY"]
const DIMENSIONS = ["TYPE", "PATH", "PAYMENT_METHOD"] as const
const DAY = 86_400_000

const compute = (events: ReadonlyArray<SentEvent>): Independent => {
  const lines = events.map((event) => {
    const { merchantId, type, timestamp, url, paymentMethod, amount, currency } = event
    return JSON.stringify({ merchantId, type, at: timestamp, path: url, paymentMethod, amount, currency })
  })
  const result = spawnSync("python3", [join(projectRoot, "test/independent/metrics.py")], {
    input: lines.join("\n"),
    encoding: "utf8",
    maxBuffer: 1024 * 1024 * 1024,
  })
  if (result.status !== 0) throw new Error(`metrics.py failed: ${result.stderr}`)
  return JSON.parse(result.stdout) as Independent
}

const volumes = CURRENCIES.map(
  (currency) =>
    `${currency}: series(metric: GROSS_VOLUME, interval: DAY, range: $range, currency: "${currency}") { points { at value } }`,
)
const breakdowns = DIMENSIONS.flatMap((by) => [
  `${by}_EVENTS: breakdown(metric: EVENTS, by: ${by}, range: $range, first: 1000) { rows { key value } }`,
  `${by}_EUR: breakdown(metric: GROSS_VOLUME, by: ${by}, range: $range, first: 1000, currency: "EUR") { rows { key value } }`,
])
const counts = ["EVENTS", "PAGEVIEWS", "PAYMENTS"].map(
  (metric) => `${metric}: series(metric: ${metric}, interval: DAY, range: $range) { points { at value } }`,
)
const ask = (fields: ReadonlyArray<string>): string =>
  `query ($id: ID!, $range: TimeRange!) { merchant(id: $id) { ${fields.join(" ")} } }`

type Points = { readonly points: ReadonlyArray<{ readonly at: string; readonly value: number }> }
type Rows = { readonly rows: ReadonlyArray<{ readonly key: string; readonly value: number }> }

const nonZero = (pairs: ReadonlyArray<readonly [string, number]>): ReadonlyArray<string> =>
  pairs
    .filter(([, value]) => value !== 0)
    .map(([key, value]) => `${key}=${value}`)
    .sort()

/** Sums a value of an independent day-by-day breakdown over all days. */
const summed = (
  days: ByTime<Readonly<Record<string, Numbers>>>,
  read: (numbers: Numbers) => number,
): ReadonlyArray<readonly [string, number]> => {
  const sums = new Map<string, number>()
  for (const values of Object.values(days)) {
    for (const [value, numbers] of Object.entries(values))
      sums.set(value, (sums.get(value) ?? 0) + read(numbers))
  }
  return [...sums]
}

/**
 * Asks the running program for series by day and for breakdowns of every merchant, and compares them with
 * what `metrics.py` computes from the events that were sent. Returns what differs.
 */
export const compareWithIndependent = async (
  tidemark: TidemarkProcess,
  events: ReadonlyArray<SentEvent>,
): Promise<ReadonlyArray<string>> => {
  const expected = compute(events)
  let first = Number.POSITIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  for (const { timestamp } of events) {
    first = Math.min(first, timestamp)
    last = Math.max(last, timestamp)
  }
  const range = {
    from: new Date(Math.floor(first / DAY) * DAY).toISOString(),
    to: new Date(Math.floor(last / DAY + 1) * DAY).toISOString(),
  }
  const probe = await tidemark.send({ id: "probe", type: "pageview", merchantId: "probe", url: "/" })
  await tidemark.graphql(
    `query ($range: TimeRange!, $at: Position!) { merchant(id: "probe") { totals(range: $range, atLeast: $at) { asOf { position } } } }`,
    { range, at: probe.body.position },
  )
  const differences: Array<string> = []
  const compare = (what: string, stored: ReadonlyArray<string>, wanted: ReadonlyArray<string>): void => {
    if (stored.join() !== wanted.join()) {
      differences.push(`${what}: read models have ${stored.join(" ")}, expected ${wanted.join(" ")}`)
    }
  }
  for (const [id, { UTC }] of Object.entries(expected)) {
    const day = UTC.DAY[""]
    const { merchant: series } = await tidemark.graphql(ask([...counts, ...volumes]), { id, range })
    const { merchant: broken } = await tidemark.graphql(ask(breakdowns), { id, range })
    const points = (name: string) =>
      nonZero(
        (series[name] as Points).points.map(({ at, value }) => [String(Date.parse(at)), value] as const),
      )
    const wanted = (read: (numbers: Numbers) => number) =>
      nonZero(Object.entries(day).map(([at, numbers]) => [at, read(numbers)] as const))
    compare(
      `${id} EVENTS`,
      points("EVENTS"),
      wanted(({ EVENTS }) => EVENTS),
    )
    compare(
      `${id} PAGEVIEWS`,
      points("PAGEVIEWS"),
      wanted(({ PAGEVIEWS }) => PAGEVIEWS),
    )
    compare(
      `${id} PAYMENTS`,
      points("PAYMENTS"),
      wanted(({ PAYMENTS }) => PAYMENTS),
    )
    for (const currency of CURRENCIES) {
      compare(
        `${id} ${currency}`,
        points(currency),
        wanted(({ GROSS_VOLUME }) => Number(GROSS_VOLUME[currency] ?? 0)),
      )
    }
    for (const by of DIMENSIONS) {
      const rows = (name: string) =>
        nonZero((broken[name] as Rows).rows.map(({ key, value }) => [key, value] as const))
      compare(
        `${id} EVENTS by ${by}`,
        rows(`${by}_EVENTS`),
        nonZero(summed(UTC.DAY[by], ({ EVENTS }) => EVENTS)),
      )
      compare(
        `${id} EUR by ${by}`,
        rows(`${by}_EUR`),
        nonZero(summed(UTC.DAY[by], ({ GROSS_VOLUME }) => Number(GROSS_VOLUME.EUR ?? 0))),
      )
    }
  }
  return differences
}
