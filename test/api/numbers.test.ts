import { describe, expect, it } from "vitest"
import { drawEvents, drawMerchant } from "../support/drawEvents.js"
import { drawNarrowing, drawRange, everyQuestion, someQuestions } from "../support/drawQuestions.js"
import { DIMENSIONS } from "../support/oracleEvents.js"
import { rounds } from "../support/rounds.js"
import { runningTidemark } from "../support/runningTidemark.js"
import { seededRandom } from "../support/Seed.js"
import { Shop } from "../support/Shop.js"

describe("every number equals its definition", () => {
  const tidemark = runningTidemark()
  const { random } = seededRandom("numbers")

  const batch = () => 1 + random.integer(random.pick([3, 50, 400]))

  it("totals, series at every interval and breakdowns by every dimension, of random merchants", async () => {
    for (let round = 0; round < rounds(4, 40); round++) {
      const now = Date.now()
      const merchant = drawMerchant(random, `random-${round}`)
      const shop = await Shop.open(tidemark, merchant)
      const events = drawEvents(random, merchant, now)
      const half = 1 + random.integer(events.length - 1)

      await shop.send(events.slice(0, half), batch)
      const soon = someQuestions(random, shop.oracle, shop.counted, now, 50)
      expect(await shop.differences(soon), `half of ${JSON.stringify(merchant)}`).toEqual([])

      await shop.send(events.slice(half), batch)
      const { oracle, counted } = shop
      const questions = [
        ...everyQuestion(oracle, drawRange(random, counted), now),
        ...everyQuestion(oracle, drawRange(random, counted), now, drawNarrowing(random, counted)),
        ...someQuestions(random, oracle, counted, now, 150),
      ]
      expect(await shop.differences(questions), JSON.stringify(merchant)).toEqual([])
    }
  })

  it("the same after a restart", async () => {
    const now = Date.now()
    const merchant = drawMerchant(random, "restarted")
    const shop = await Shop.open(tidemark, merchant)
    const events = drawEvents(random, merchant, now)
    const half = 1 + random.integer(events.length - 1)
    await shop.send(events.slice(0, half), batch)
    await tidemark.stop()
    await tidemark.start()
    await shop.send(events.slice(half), batch)
    const questions = everyQuestion(shop.oracle, drawRange(random, shop.counted), now)
    expect(await shop.differences(questions), JSON.stringify(merchant)).toEqual([])
  })

  it("the sum of parts equals the whole wherever the definition says so", async () => {
    const now = Date.now()
    const merchant = drawMerchant(random, "parts")
    const shop = await Shop.open(tidemark, merchant)
    await shop.send(drawEvents(random, merchant, now), batch)
    const all = shop.oracle.range("MONTH", {
      from: Math.min(...shop.counted.map(({ at }) => at)),
      to: now + 1,
    })
    const [from, to] = [new Date(all.from).toISOString(), new Date(all.to).toISOString()]
    const whole = await shop.totals(from, to)
    expect(whole.EVENTS).toBeGreaterThan(100)
    expect(whole.NET_VOLUME).toBe((whole.GROSS_VOLUME ?? 0) - (whole.REFUND_VOLUME ?? 0))
    expect(whole.EVENTS).toBeGreaterThanOrEqual(
      (whole.PAGEVIEWS ?? 0) + (whole.PAYMENTS ?? 0) + (whole.REFUNDS ?? 0),
    )
    const additive = [
      "EVENTS",
      "PAGEVIEWS",
      "SESSIONS",
      "PAYMENTS",
      "REFUNDS",
      "GROSS_VOLUME",
      "REFUND_VOLUME",
      "NET_VOLUME",
      "POINTS_USED",
      "POINTS_EARNED",
    ]
    const sum = (values: ReadonlyArray<number | null>) => values.reduce<number>((a, b) => a + (b ?? 0), 0)
    for (const metric of additive) {
      for (const interval of ["DAY", "WEEK", "MONTH"]) {
        // A week may begin before the range does, but no event lies there.
        const series = await shop.series(metric, interval, from, to)
        expect(sum(Object.values(series)), `${metric} by ${interval}`).toBe(whole[metric])
      }
      for (const by of [...DIMENSIONS, 'PROPERTY property: "sku"']) {
        const rows = await shop.rows(metric, by, from, to)
        expect(sum(rows.map(([, value]) => value)), `${metric} by ${by}`).toBe(whole[metric])
      }
    }
    for (const by of [...DIMENSIONS, 'PROPERTY property: "sku"']) {
      const rows = await shop.rows("EVENTS", by, from, to)
      const key = random.pick(rows)[0]
      const filter = (kind: string) => `filter: {all: [{dimension: ${by} ${kind}: [${JSON.stringify(key)}]}]}`
      const inside = await shop.totals(from, to, filter("in"))
      const outside = await shop.totals(from, to, filter("notIn"))
      for (const metric of additive) {
        expect(sum([inside[metric] ?? 0, outside[metric] ?? 0]), `${metric}, ${filter("in")}`).toBe(
          whole[metric],
        )
      }
      for (const metric of Object.keys(whole)) {
        const found = (await shop.rows(metric, by, from, to)).find(([one]) => one === key)
        const nothing = inside[metric] === null ? undefined : 0
        if (found === undefined) expect(inside[metric] ?? undefined, `${metric} without a row`).toBe(nothing)
        else expect(found[1], `${metric} of ${by} ${key}`).toBeCloseTo(inside[metric] ?? Number.NaN, 9)
      }
    }
  })
})
