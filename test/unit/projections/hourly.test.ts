import { describe, expect, it } from "vitest"
import { type Hour, hourly } from "../../../src/projections/hourly.js"
import { given as givenTo } from "../../support/given.js"
import { Random } from "../../support/Seed.js"
import { recorded } from "../processors/support.js"
import { documents } from "./support.js"

const given = givenTo(hourly)
const minutes = (...at: ReadonlyArray<number>): Array<number> =>
  Array.from({ length: 60 }, (_, minute) => at.filter((one) => one === minute).length)

describe("the summary of an hour", () => {
  it("says what happened in it", () => {
    given(
      { type: "pageview", at: "2026-03-01T10:00:00Z", path: "/", country: "JP", device: "mobile" },
      { type: "pageview", at: "2026-03-01T10:59:59Z", path: "/a", country: "JP" },
      { type: "payment", at: "2026-03-01T10:59:00Z", amount: 1_250, currency: "USD" },
      { type: "refund", at: "2026-03-01T10:30:00Z", amount: 50, currency: "USD" },
      { type: "payment", at: "2026-03-01T10:30:00Z", amount: 0, currency: "EUR" },
      { type: "pageview", at: "2026-03-01T11:00:00Z" },
      { type: "request", at: "2026-03-01T10:00:00Z", client: "ann" },
    ).expect({
      hours: {
        "m-1/2026-03-01T10": {
          events: 5,
          minutes: minutes(0, 30, 30, 59, 59),
          types: [
            ["pageview", 2],
            ["payment", 2],
            ["refund", 1],
          ],
          paths: [
            ["/", 1],
            ["/a", 1],
          ],
          countries: [["JP", 2]],
          devices: [["mobile", 1]],
          money: [
            ["USD", 1, 1_250, 1, 50],
            ["EUR", 1, 0, 0, 0],
          ],
          amounts: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        },
        "m-1/2026-03-01T11": {
          ...{ events: 1, minutes: minutes(0), types: [["pageview", 1]], paths: [], countries: [] },
          ...{ devices: [], money: [], amounts: [] },
        },
      },
    })
  })

  it("takes about 1 KB, whatever happened", () => {
    const random = new Random(1)
    const { docs, texts, commit } = documents()
    const at = Date.parse("2026-03-01T10:00:00Z")
    const events = Array.from({ length: 5_000 }, (_, i) => ({
      type: random.pick(["pageview", "pageview", "payment", "refund", `t-${i}`]),
      at: at + random.integer(3_600_000),
      recordedAt: at,
      data: {
        merchantId: "m",
        path: `/some/long/path/of/a/shop/${random.integer(500)}`,
        country: random.pick(["JP", "DE", "US"]),
        device: random.pick(["mobile", "desktop"]),
        amount: random.integer(1_000_000),
        currency: random.pick(["USD", "EUR", "JPY"]),
      },
    }))
    for (const event of recorded(events)) hourly.apply(event, docs)
    commit()
    const [text] = [...texts.values()]
    const hour = JSON.parse(text ?? "") as Hour
    expect(hour.events).toBe(5_000)
    expect(hour.paths.at(-1)?.[0]).toBe("(other)")
    expect(text?.length).toBeGreaterThan(500)
    expect(text?.length).toBeLessThan(1_300)
  })
})
