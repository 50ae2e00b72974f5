import { describe, expect, it } from "vitest"
import { Overdue } from "../../../src/actors/clients/Overdue.js"

const LIMIT = 500
const CLOCK = 1_000_000
const LONG_DUE = CLOCK - 60_000

/** With a thread whose load is set, by a clock that is turned on by hand. */
const overdueAt = (load: () => number) => {
  let ms = 0
  const overdue = new Overdue(load, () => ms)
  return {
    overdue,
    ticks: (count: number): void => {
      for (let i = 0; i < count; i++) {
        ms += 10
        overdue.tick()
      }
    },
    /** Reports as many as it may, and says how many that were. */
    spendAll: (): number => {
      let spent = 0
      for (;;) {
        const some = overdue.allowed(LONG_DUE, CLOCK, LIMIT)
        if (some === 0) return spent
        overdue.spend(some, LONG_DUE, CLOCK)
        spent += some
      }
    },
  }
}

describe("silences that are overdue", () => {
  it("come fast where they are not very many, with time for requests between", () => {
    const { ticks, spendAll } = overdueAt(() => 0.9)
    let spent = 0
    for (let i = 0; i < 20; i++) {
      const some = spendAll()
      expect(some).toBe(250)
      expect(spendAll()).toBe(0)
      spent += some
      ticks(1)
    }
    expect(spent).toBe(5_000)
  })

  /** After those that come fast. */
  const later = (load: () => number) => {
    const overdue = overdueAt(load)
    const afterTicks = (count: number): number => {
      let spent = 0
      for (let i = 0; i < count; i++) {
        overdue.ticks(1)
        spent = overdue.spendAll()
      }
      return spent
    }
    for (let i = 0; i < 30; i++) {
      overdue.spendAll()
      overdue.ticks(1)
    }
    return afterTicks
  }

  it("come the faster, the longer there is time for them", () => {
    const afterTicks = later(() => 0.2)
    const soon = afterTicks(30)
    expect(soon).toBeLessThan(50)
    expect(afterTicks(40)).toBe(soon + 20)
    expect(afterTicks(1_000)).toBe(100)
  })

  it("are few while the thread is busy, and never none", () => {
    let load = 0.2
    const afterTicks = later(() => load)
    expect(afterTicks(1_000)).toBe(100)
    load = 0.9
    expect(afterTicks(11)).toBe(50)
    expect(afterTicks(1_000)).toBe(5)
  })

  it("are not the fewer where ticks are late", () => {
    let ms = 0
    const overdue = new Overdue(
      () => 0.9,
      () => ms,
    )
    let spent = 0
    const tick = (): void => {
      ms += 50
      overdue.tick()
      const some = overdue.allowed(LONG_DUE, CLOCK, LIMIT)
      overdue.spend(some, LONG_DUE, CLOCK)
      spent += some
    }
    for (let i = 0; i < 100; i++) tick()
    spent = 0
    for (let i = 0; i < 100; i++) tick()
    expect(spent).toBe(2_500)
  })

  it("keep no silence waiting that is on time, and none is reported before it is due", () => {
    const { overdue, spendAll } = overdueAt(() => 0.9)
    spendAll()
    overdue.spend(400, CLOCK - 1_000, CLOCK)
    expect(overdue.allowed(CLOCK - 1_000, CLOCK, LIMIT)).toBe(LIMIT)
    expect(overdue.allowed(CLOCK + 1, CLOCK, LIMIT)).toBe(0)
    expect(overdue.allowed(Number.POSITIVE_INFINITY, CLOCK, LIMIT)).toBe(0)
  })
})
