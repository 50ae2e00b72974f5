import { setImmediate } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { rounds } from "../../support/rounds.js"
import { Random } from "../../support/Seed.js"
import { shops } from "../../support/shops.js"
import { watchShop } from "../../support/watchShop.js"

const WEEKS = 60

const quantile = (sorted: ReadonlyArray<number>, part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN

const hours = (value: number): string =>
  value < 1 ? `${Math.round(value * 60)} min` : `${value.toFixed(1)} h`

describe("what is unusual", () => {
  // The same shops each time, so that the figures in docs/idle.md can be repeated.
  it("is seldom what a shop always does, and is found when it stops", { timeout: 900_000 }, async () => {
    const lines: Array<string> = []
    let [alerts, years] = [0, 0]
    for (const shop of shops) {
      // The runner hears from the test meanwhile.
      await setImmediate()
      const count = shop.isSparse ? rounds(6, 40) : rounds(1, 8)
      const all = Array.from({ length: count }, (_, n) =>
        watchShop(shop, new Random(n * 7_919 + 17), WEEKS, 8),
      )
      const sum = (of: (one: (typeof all)[number]) => number) => all.reduce((sum, one) => sum + of(one), 0)
      const own = { alerts: sum((one) => one.alerts), years: sum(({ weeks }) => weeks) / 52 }
      alerts += own.alerts
      years += own.years
      const delays = all.flatMap((one) => one.delays).sort((a, b) => a - b)
      const learned = all.flatMap(({ learnedAfter }) => learnedAfter ?? []).sort((a, b) => a - b)
      const [first, middle, last] = [0.1, 0.5, 0.9].map((part) => hours(quantile(delays, part)))
      lines.push(
        `| ${shop.name} | ${own.alerts} in ${own.years.toFixed(1)} years | ${first} / ${middle} / ${last} | ${quantile(learned, 0.5).toFixed(1)} weeks |`,
      )
      expect(learned.length, shop.name).toBe(count)
      expect(
        sum((one) => one.never),
        shop.name,
      ).toBe(0)
      expect(own.alerts / own.years, shop.name).toBeLessThan(0.5)
    }
    console.log(lines.join("\n"))
    expect(alerts / years).toBeLessThan(0.15)
  })
})
