import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { Interval } from "../../../src/domain/Metrics.js"
import { metrics } from "../../../src/projections/metrics.js"
import { folded } from "../../support/folded.js"
import { Oracle } from "../../support/oracle.js"
import type { Counted } from "../../support/oracleEvents.js"
import { seededRandom } from "../../support/Seed.js"
import { recorded, type TestEvent } from "../processors/support.js"

const { random } = seededRandom("zones")
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const settings = (timezone: string, recordedAt: number): TestEvent => ({
  type: "MerchantSettingsChanged",
  at: recordedAt,
  recordedAt,
  data: { merchantId: "m", settings: { timezone } },
})

const counted = ({ type, at, recordedAt, data }: TestEvent): Counted => ({
  ...{ type, at, amount: 0, currency: undefined, pointsUsed: 0, pointsEarned: 0 },
  id: data.id ?? "",
  client: data.clientKey,
  activity: Math.min(at, recordedAt),
  values: { TYPE: type },
  properties: {},
})

/** Events around an instant, recorded a while later. */
const around = (instant: number, name: string, count: number, recordedAt: number): Array<TestEvent> =>
  Array.from({ length: count }, (_, i) => ({
    type: random.pick(["pageview", "signup"]),
    at: instant - 20 * HOUR + random.integer(40 * HOUR),
    recordedAt,
    data: { merchantId: "m", id: `${name}${i}`, clientKey: `client-${random.integer(40)}` },
  }))

const expectSeries = async (events: ReadonlyArray<TestEvent>, zone: string, middle: number) => {
  const { numbers } = await folded(metrics, recorded(events), (index) => index % 97 === 0)
  const subject = { id: "m", timezone: zone, currency: "USD" }
  const oracle = new Oracle(events.filter(({ data }) => data.id !== undefined).map(counted), zone, "USD")
  const range = { from: middle - 2 * DAY, to: middle + 2 * DAY }
  for (const interval of ["MINUTE", "TEN_MINUTES", "HOUR", "DAY"] satisfies ReadonlyArray<Interval>) {
    for (const metric of ["EVENTS", "VISITORS", "SESSIONS", "SESSION_SECONDS"] as const) {
      const { points } = await Effect.runPromise(numbers.series(subject, { metric, interval, range }))
      expect(
        points.flatMap(({ at, value }) => (value ? [`${new Date(at).toISOString()} ${value}`] : [])),
        `${metric} by ${interval} in ${zone}`,
      ).toEqual(
        oracle
          .series(metric, range, interval)
          .flatMap(({ at, value }) => (value ? [`${new Date(at).toISOString()} ${value}`] : [])),
      )
    }
  }
}

describe("numbers of a merchant that moved to another zone", () => {
  for (const [name, change] of [
    ["back", Date.parse("2026-04-04T15:00:00Z")],
    ["forward", Date.parse("2026-10-03T15:30:00Z")],
  ] as const) {
    it(`are right on the day on which clocks were set ${name} by half an hour`, async () => {
      const now = change + 2 * DAY
      for (const [former, today] of [
        ["Australia/Lord_Howe", "UTC"],
        ["Australia/Lord_Howe", "Asia/Kolkata"],
        ["UTC", "Australia/Lord_Howe"],
        ["Asia/Kolkata", "Australia/Lord_Howe"],
      ] as const) {
        const events = [
          settings(former, now),
          ...around(change, "a", 700, now),
          settings(today, now),
          ...around(change, "b", 700, now),
        ]
        await expectSeries(events, today, change)
      }
    })
  }

  it("are read from the buckets of both zones, and not from every session", async () => {
    const first = Date.parse("2026-03-02T00:00:00Z")
    const now = first + 8 * DAY
    const day = (from: number, name: string): ReadonlyArray<TestEvent> =>
      around(from + 12 * HOUR, name, 300, now).map((event) => ({
        ...event,
        at: from + ((((event.at - from) % (15 * HOUR)) + 15 * HOUR) % (15 * HOUR)),
      }))
    const events = [
      settings("Asia/Tokyo", now),
      ...[0, 1, 2, 3].flatMap((n) => day(first + n * DAY, `a${n}-`)),
      settings("UTC", now),
      ...[4, 5, 6, 7].flatMap((n) => day(first + n * DAY, `b${n}-`)),
    ]
    await expectSeries(events, "UTC", first + 4 * DAY)
    const { buckets } = await folded(metrics, recorded(events))
    const part = { interval: "DAY", range: { from: first, to: first + 8 * DAY } } as const
    const wanted = { counts: true, visitors: true, sessions: true }
    const { answer } = await Effect.runPromise(buckets.read({ id: "m", timezone: "UTC" }, [part], wanted))
    const sessionTables = answer.rows.flat().filter(({ doc }) => Object.hasOwn(doc as object, "e"))
    expect(sessionTables.length).toBeLessThanOrEqual(1)
  })
})
