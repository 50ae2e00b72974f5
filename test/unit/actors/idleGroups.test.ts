import { rmSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { SettingsChange, SystemSettings } from "../../../src/domain/Settings.js"
import { storedPeriods } from "../../support/idleLog.js"
import { seededRandom } from "../../support/Seed.js"
import { until } from "../../support/until.js"
import { admin, event, type Running, start, temporary } from "./harness.js"

const MINUTE = 60_000
const START = Date.UTC(2026, 5, 1)

/** Actors whose clock is a number. The program is started with half an hour. */
class World {
  now = START
  private running: Running | undefined
  readonly directory = temporary()

  async start(): Promise<void> {
    this.running = await start(this.directory, {
      tuning: { now: () => this.now, idleAfterMs: 30 * MINUTE, tickMs: 1 },
    })
  }

  async restart(forget: boolean): Promise<void> {
    await this.close()
    if (forget) rmSync(join(this.directory, "actors.clients"), { force: true })
    await this.start()
  }

  async close(): Promise<void> {
    await this.running?.close()
    this.running = undefined
  }

  get actors(): Running {
    if (this.running === undefined) throw new Error("not started")
    return this.running
  }

  visit = (clientId: string, more: { address?: string; country?: string; merchantId?: string } = {}) => {
    const { merchantId = "m-1", ...data } = more
    const type = data.address === undefined ? "pageview" : "request"
    return this.actors.record([
      event(merchantId, `${this.now}-${clientId}`, { clientId, at: this.now, type, ...data }),
    ])
  }

  merchant = (change: SettingsChange) =>
    this.actors.settings({ merchantId: "m-1", kind: "update", change, origin: admin })

  system = async (change: SystemSettings): Promise<void> => {
    const done = await new Promise<{ readonly _tag: string }>((resolve) =>
      this.actors.recorder.changeSystem({ change, origin: admin }, resolve),
    )
    expect(done._tag).toBe("Saved")
  }

  /** Minutes after which clients were reported, in the order of the reports; `back` for returns. */
  facts = async (): Promise<ReadonlyArray<number | "back">> =>
    (await this.actors.all()).flatMap(({ event }): ReadonlyArray<number | "back"> => {
      if (event.type === "ClientReturned") return ["back"]
      return event.type === "ClientBecameIdle" ? [(event.data.silence?.afterMs ?? 0) / MINUTE] : []
    })

  async until(...expected: ReadonlyArray<number | "back">): Promise<void> {
    await until(
      `${expected.length} facts`,
      15_000,
      async () => (await this.facts()).length >= expected.length,
    )
    expect((await this.facts()).toSorted()).toEqual(expected.toSorted())
  }
}

const japan = { countries: ["JP"], idleAfterSeconds: 5 * 60 }
const office = { addresses: ["203.0.112.0/20"], idleAfterSeconds: 10 * 60 }

describe("groups of clients", () => {
  it("have idle times of their own, after returns and restarts too", { timeout: 60_000 }, async () => {
    const world = new World()
    await world.start()
    await world.visit("first")
    await world.merchant({ idleGroups: [japan, office] })
    await world.visit("jp", { country: "JP" })
    await world.visit("office", { address: "203.0.113.0" })
    world.now += 10 * MINUTE
    await world.until(5, 10)
    // They come back by events that don't say where from: that they are in their groups is kept.
    await world.visit("jp")
    await world.visit("office")
    await world.restart(true)
    world.now += 5 * MINUTE
    await world.until(5, 10, "back", "back", 5)
    await world.restart(false)
    world.now += 5 * MINUTE
    await world.until(5, 10, "back", "back", 5, 10)
    world.now += 10 * MINUTE
    await world.until(5, 10, "back", "back", 5, 10, 30)
    await world.close()
  })

  it("follow a change at once, of the groups and of where a client is", { timeout: 60_000 }, async () => {
    const world = new World()
    await world.start()
    await world.visit("a", { address: "203.0.113.0" })
    await world.visit("b", { country: "JP" })
    world.now += 6 * MINUTE
    await world.merchant({ idleGroups: [japan] })
    await world.until(5)
    world.now += 6 * MINUTE
    await world.merchant({ idleGroups: [office] })
    await world.until(5, 10)
    await world.visit("c", { address: "203.0.113.0" })
    await world.visit("c", { address: "198.51.100.0", country: "DE" })
    world.now += 1
    await world.visit("c", { address: "198.51.100.0" })
    world.now += 11 * MINUTE
    await world.visit("d")
    expect(await world.facts()).toHaveLength(2)
    await world.merchant({ idleGroups: [] })
    world.now += 19 * MINUTE
    await world.until(5, 10, 30)
    await world.close()
  })
})

describe("the system's idle time", () => {
  it("changes while the program runs, for all whose merchant says nothing else", {
    timeout: 60_000,
  }, async () => {
    const world = new World()
    await world.start()
    await world.visit("a")
    await world.merchant({ idleAfterSeconds: 20 * 60 })
    for (const merchantId of ["m-2", "m-3"]) await world.visit("a", { merchantId })
    world.now += 6 * MINUTE
    await world.system({ idleAfterSeconds: 5 * 60 })
    await world.until(5, 5)
    // It comes before what the program is started with, and what was decided stays.
    await world.restart(true)
    await world.visit("a", { merchantId: "m-2" })
    world.now += 5 * MINUTE
    await world.until(5, 5, "back", 5)
    await world.system({ idleAfterSeconds: 0, idleGroups: [japan] })
    await world.visit("b", { merchantId: "m-3", country: "JP" })
    await world.visit("c", { merchantId: "m-3" })
    world.now += 9 * MINUTE
    await world.until(5, 5, "back", 5, 20, 5)
    world.now += 21 * MINUTE
    await world.until(5, 5, "back", 5, 20, 5, 30)
    await world.close()
  })
})

describe("recovery decides as it was decided", () => {
  it("when groups and idle times change all the time", { timeout: 120_000 }, async () => {
    const { random } = seededRandom("idle groups")
    const world = new World()
    await world.start()
    await world.visit("c-0")
    const pick = <A>(...from: ReadonlyArray<A>): A => from[random.integer(from.length)] as A
    for (let step = 0; step < 120; step++) {
      world.now += 1 + random.integer(4 * MINUTE)
      const groups = pick([], [japan], [office], [japan, office], [{ ...office, idleAfterSeconds: 60 }])
      const seconds = 60 * (1 + random.integer(30))
      const what = random.integer(20)
      if (what === 0) await world.merchant({ idleGroups: groups })
      else if (what === 1) await world.merchant({ idleAfterSeconds: seconds })
      else if (what === 2 && step % 3 === 0)
        await world.system({ idleAfterSeconds: seconds, idleGroups: groups })
      else if (what === 3) {
        const before = await world.facts()
        await world.restart(random.integer(2) === 0)
        // What comes after a restart without time in between is nothing: all was decided.
        await world.visit("probe", { merchantId: "m-2" })
        expect((await world.facts()).filter((_, at) => at < before.length)).toEqual(before)
      } else {
        const address = pick("203.0.113.0", "198.51.100.0", "")
        const country = pick("JP", "DE", "")
        await world.visit(`c-${random.integer(8)}`, {
          ...(address === "" ? {} : { address }),
          ...(country === "" ? {} : { country }),
        })
      }
    }
    const decided = await settled(world)
    await world.restart(true)
    await world.restart(true)
    expect(await settled(world)).toEqual(decided)
    // It throws when one is idle twice, or returns twice.
    expect(storedPeriods(await world.actors.all()).length).toBeGreaterThan(10)
    await world.close()
  })
})

/** The facts once nothing that is due is missing: an event of each merchant's comes after them. */
const settled = async (world: World): Promise<ReadonlyArray<number | "back">> => {
  let known = -1
  await until("no more facts", 15_000, async () => {
    await world.visit("probe-1", { merchantId: "m-2" })
    await world.visit("probe-1")
    const { length } = await world.facts()
    const isSame = length === known
    known = length
    return isSame
  })
  return world.facts()
}
