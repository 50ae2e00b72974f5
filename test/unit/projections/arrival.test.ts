import { describe, expect, it } from "vitest"
import { ZONES } from "../../support/drawEvents.js"
import { askable, drawNarrowing, drawRange } from "../../support/drawQuestions.js"
import { Oracle } from "../../support/oracle.js"
import { type Counted, DIMENSIONS, INTERVALS, METRICS } from "../../support/oracleEvents.js"
import { rounds } from "../../support/rounds.js"
import { type Random, seededRandom } from "../../support/Seed.js"
import { run, type TestEvent } from "../processors/support.js"
import { askFolded } from "./askFolded.js"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** In times to come: events that were recorded long ago are committed at leisure. */
const lastRecorded = Date.parse("2036-11-21T12:00:00Z")
const merchantId = "m"

const maybe = <A>(random: Random, name: string, values: ReadonlyArray<A>): Record<string, A> =>
  random.integer(2) === 0 ? { [name]: random.pick(values) } : {}

/** Events as they come in over nine days: most at once, some late, some with a clock that is ahead. */
const arriving = (random: Random, count: number, clients: number): ReadonlyArray<TestEvent> => {
  const step = (9 * DAY) / count
  return Array.from({ length: count }, (_, i) => {
    const recordedAt = Math.round(lastRecorded - (count - 1 - i) * step)
    const early = random.pick([
      0,
      0,
      -random.integer(5 * MINUTE),
      random.integer(40 * MINUTE),
      random.integer(DAY),
    ])
    const type = random.pick(["pageview", "pageview", "payment", "refund", "signup", "request"])
    const paid = type === "payment" || type === "refund"
    return {
      type,
      at: recordedAt - early,
      recordedAt,
      data: {
        id: `${random.pick(["", "a"])}${i}`,
        merchantId,
        clientKey: `client-${random.integer(clients)}`,
        ...maybe(random, "path", ["/", "/a", "/b"]),
        ...maybe(random, "country", ["JP", "DE"]),
        ...maybe(random, "properties", [{ sku: "A" }, { sku: "B", gift: true }, { size: 2 }]),
        ...(paid ? { amount: random.integer(5_000), currency: random.pick(["USD", "EUR"]) } : {}),
      },
    }
  })
}

const countedOf = ({ type, at, recordedAt, data }: TestEvent): Counted => ({
  ...{ type, at, amount: data.amount ?? 0, currency: data.currency, pointsUsed: 0, pointsEarned: 0 },
  id: data.id ?? "",
  client: data.clientKey,
  activity: Math.min(at, recordedAt),
  values: { TYPE: type, PATH: data.path, COUNTRY: data.country, CURRENCY: data.currency },
  properties: data.properties ?? {},
})

const close = (value: number | null): number | null => (value === null ? null : Number(value.toPrecision(12)))

const expectNumbers = async (random: Random, events: ReadonlyArray<TestEvent>): Promise<void> => {
  const counted = events.map(countedOf)
  const timezone = random.pick(ZONES)
  const oracle = new Oracle(counted, timezone, "USD")
  await askFolded(random, { merchantId, timezone, currency: "USD" }, events, async (queries, merchant) => {
    for (let asked = 0; asked < 60; asked++) {
      const { currency, filter } = drawNarrowing(random, counted)
      const range = drawRange(random, counted)
      const metric = random.pick(METRICS)
      const about = JSON.stringify({ timezone, metric, range, currency, filter })
      const totals = await run(queries.totals(merchant, { range, currency, filter }))
      expect(
        Object.fromEntries(totals.values.map((one) => [one.metric, close(one.value)])),
        `totals ${about}`,
      ).toEqual(
        Object.fromEntries(
          Object.entries(oracle.totals(range, currency, filter)).map(([name, value]) => [name, close(value)]),
        ),
      )
      const interval = random.pick(INTERVALS)
      const part = askable(interval, range, lastRecorded)
      if (part !== undefined) {
        const series = await run(
          queries.series(merchant, { metric, interval, range: part, currency, filter }),
        )
        expect(
          series.points.map(({ at, value }) => [at, close(value)]),
          `series by ${interval} ${about}`,
        ).toEqual(
          oracle.series(metric, part, interval, currency, filter).map(({ at, value }) => [at, close(value)]),
        )
      }
      const property = random.integer(3) === 0 ? random.pick(["sku", "gift", "size"]) : undefined
      const by = property === undefined ? random.pick(DIMENSIONS) : "PROPERTY"
      const wanted = { metric, by, range, first: 100, currency, filter, property } as const
      const { rows } = await run(queries.breakdown(merchant, wanted))
      const options = {
        ...(property === undefined ? {} : { property }),
        ...(currency === undefined ? {} : { currency }),
        ...(filter === undefined ? {} : { filter }),
      }
      const keyed = (all: ReadonlyArray<{ key: string; value: number | null }>) =>
        Object.fromEntries(all.map(({ key, value }) => [key, close(value)]))
      expect(keyed(rows), `breakdown by ${by} ${property} ${about}`).toEqual(
        keyed(oracle.breakdown(metric, by, range, options)),
      )
    }
  })
}

describe("numbers of events that are recorded as they happen", () => {
  const { random } = seededRandom("arrival")

  it("equal their definition on quiet days, whatever is late or has a clock that is ahead", async () => {
    for (let round = 0; round < rounds(2, 40); round++) await expectNumbers(random, arriving(random, 300, 5))
  })

  it("equal their definition on busy days, whatever is late or has a clock that is ahead", async () => {
    for (let round = 0; round < rounds(2, 40); round++)
      await expectNumbers(random, arriving(random, 2_000, 25))
  })

  it("give a session the property of its earliest event, though that is dated after the day it began on", async () => {
    const midnight = Date.parse("2036-11-20T00:00:00Z")
    const event = (id: string, at: number, recordedAt: number, sku: string): TestEvent => ({
      ...{ type: "pageview", at, recordedAt },
      data: { id, merchantId, clientKey: "client", properties: { sku } },
    })
    const events = [
      event("ahead", midnight + 2 * MINUTE, midnight - MINUTE, "A"),
      event("later", midnight + 20 * MINUTE, midnight + 20 * MINUTE, "B"),
    ]
    const settings = { merchantId, timezone: "UTC", currency: "USD" }
    await askFolded(random, settings, events, async (queries, merchant) => {
      const range = { from: midnight - HOUR, to: midnight }
      const by = { by: "PROPERTY", property: "sku" } as const
      const { rows } = await run(queries.breakdown(merchant, { metric: "SESSIONS", ...by, range }))
      expect(rows).toEqual([{ key: "A", value: 1 }])
      const filter = { all: [{ dimension: "PROPERTY", property: "sku", in: ["A"] }] } as const
      const { values } = await run(queries.totals(merchant, { range, filter }))
      expect(values.find(({ metric }) => metric === "SESSIONS")?.value).toBe(1)
      expect(values.find(({ metric }) => metric === "EVENTS")?.value).toBe(0)
    })
  })
})
