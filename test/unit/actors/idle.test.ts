import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import { SystemType } from "../../../src/domain/Event.js"
import { compareWithOracle, storedPeriods } from "../../support/idleLog.js"
import { rounds } from "../../support/rounds.js"
import { seededRandom } from "../../support/Seed.js"
import { until as pollUntil } from "../../support/until.js"
import { admin, event, type Running, start, temporary, until } from "./harness.js"

const MINUTE = 60_000
const START = Date.UTC(2026, 5, 1)

const typesOf = (log: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> =>
  log.map(({ event }) => event.type)

/** Actors whose clock is a number. */
class World {
  now = START
  private running: Running | undefined

  constructor(
    readonly directory = temporary(),
    private readonly idleAfterMs = 30 * MINUTE,
  ) {}

  async start(idleAfterMs = this.idleAfterMs): Promise<void> {
    this.running = await start(this.directory, {
      tuning: { now: () => this.now, idleAfterMs, tickMs: 1 },
    })
  }

  get actors(): Running {
    if (this.running === undefined) throw new Error("not started")
    return this.running
  }

  async restart(forget = false, idleAfterMs = this.idleAfterMs): Promise<void> {
    await this.close()
    if (forget) rmSync(join(this.directory, "actors.clients"), { force: true })
    await this.start(idleAfterMs)
  }

  async close(): Promise<void> {
    await this.running?.close()
    this.running = undefined
  }

  facts = async (): Promise<ReadonlyArray<string>> =>
    typesOf(await this.actors.all()).filter((type) => type.startsWith("Client") && type !== "ClientSeen")

  async untilTypes(type: string, count: number): Promise<void> {
    await pollUntil(`${count} ${type}`, 15_000, async () => {
      return typesOf(await this.actors.all()).filter((one) => one === type).length === count
    })
  }

  /** Waits until so many facts are in the log. */
  async until(count: number): Promise<void> {
    let facts = 0
    let asking = false
    await until(`${count} facts`, () => {
      if (!asking) {
        asking = true
        void this.facts().then((found) => {
          facts = found.length
          asking = false
        })
      }
      return facts >= count
    })
  }
}

const visit = (world: World, id: string, at = world.now, clientId = "c-1", type = "pageview") =>
  world.actors.record([event("m-1", id, { clientId, at, type })])

describe("a client that was silent for its time", () => {
  it("is reported once, returns once, also after restarts with and without the file", {
    timeout: 60_000,
  }, async () => {
    const world = new World()
    await world.start()
    await visit(world, "1")
    world.now += 30 * MINUTE - 1
    await visit(world, "other", world.now, "c-2")
    expect(await world.facts()).toEqual([])
    world.now += 1
    await world.until(1)
    await world.restart()
    await world.restart(true)
    expect(await world.facts()).toEqual(["ClientBecameIdle"])
    // Late, and so nothing: then later than the last activity.
    await visit(world, "late", START - 5)
    await visit(world, "2", world.now, "c-1", "request")
    expect(await world.facts()).toEqual(["ClientBecameIdle", "ClientReturned"])
    await world.restart(true)
    await visit(world, "3", world.now + 1)
    world.now += 10 * 30 * MINUTE
    await world.until(4)
    const log = await world.actors.all()
    const { differences } = compareWithOracle(log, { idleAfterMs: 30 * MINUTE, end: world.now })
    expect(differences).toEqual([])
    expect(storedPeriods(log)).toHaveLength(3)
    await world.close()
  })

  it("is reported once when the file is damaged, or of another log", { timeout: 60_000 }, async () => {
    const world = new World()
    await world.start()
    await visit(world, "1")
    world.now += 31 * MINUTE
    await world.until(1)
    await visit(world, "2")
    await world.close()
    const file = join(world.directory, "actors.clients")
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
    writeFileSync(file, bytes)
    await world.start()
    expect(await world.facts()).toEqual(["ClientBecameIdle", "ClientReturned"])
    await world.close()
    const other = new World()
    await other.start()
    await visit(other, "of another log", other.now, "c-9")
    await other.close()
    writeFileSync(file, readFileSync(join(other.directory, "actors.clients")))
    await world.start()
    world.now += 31 * MINUTE
    await world.until(3)
    expect(storedPeriods(await world.actors.all())).toHaveLength(2)
    await world.close()
  })

  it("is reported historical when it is imported history", { timeout: 60_000 }, async () => {
    const world = new World()
    await world.start()
    const day = 24 * 60 * MINUTE
    for (const days of [9, 8, 7]) await visit(world, `d-${days}`, world.now - days * day)
    const facts = (await world.actors.all()).filter(({ event }) => event.type === SystemType.ClientBecameIdle)
    expect(facts.map(({ event }) => event.data.silence?.historical)).toEqual([true, true])
    await world.close()
  })

  it("follows its merchant's idle time at once", { timeout: 60_000 }, async () => {
    const world = new World()
    await world.start()
    await visit(world, "1")
    world.now += 5 * MINUTE
    const change = { idleAfterSeconds: 60 }
    await world.actors.settings({ merchantId: "m-1", kind: "update", change, origin: admin })
    await world.until(1)
    const [period] = storedPeriods(await world.actors.all())
    expect(period).toMatchObject({ idleSince: START + MINUTE, reportedAt: START + 5 * MINUTE })
    await world.close()
  })

  it("follows the system's idle time from the start with it on", { timeout: 60_000 }, async () => {
    const world = new World()
    await world.start()
    await visit(world, "1")
    world.now += 5 * MINUTE
    await world.restart(false, MINUTE)
    await world.until(1)
    await visit(world, "2")
    world.now += 2 * MINUTE
    await world.until(3)
    // It was decided by a minute, and stays so.
    await world.restart(false, 60 * MINUTE)
    await visit(world, "3")
    expect(await world.facts()).toEqual([
      "ClientBecameIdle",
      "ClientReturned",
      "ClientBecameIdle",
      "ClientReturned",
    ])
    await world.close()
  })
})

describe("a merchant whose silence is watched", () => {
  const facts = async (world: World) =>
    (await world.actors.all())
      .filter(({ event }) => event.type === "MerchantFellSilent" || event.type === "MerchantResumed")
      .map(({ event, stream, metadata }) => ({
        type: event.type,
        stream: stream.slice("merchant-000.".length),
        at: metadata.recordedAt - START,
      }))
  const watch = (world: World, silentAfterSeconds: number) =>
    world.actors.settings({
      merchantId: "m-1",
      kind: "update",
      change: { silentAfterSeconds },
      origin: admin,
    })

  it("is reported once, resumes once, also after restarts with and without the file", {
    timeout: 60_000,
  }, async () => {
    const world = new World()
    await world.start()
    await visit(world, "1")
    world.now += 10 * MINUTE
    await world.restart()
    // Counted from the setting, as nobody has looked before.
    await watch(world, 300)
    world.now += 5 * MINUTE
    const fell = { type: "MerchantFellSilent", stream: "m-1", at: 15 * MINUTE }
    await world.untilTypes("MerchantFellSilent", 1)
    expect(await facts(world)).toEqual([fell])
    await world.restart()
    world.now += MINUTE
    await visit(world, "2", world.now, "c-2", "request")
    await world.restart(true)
    const resumed = { type: "MerchantResumed", stream: "m-1", at: 16 * MINUTE }
    expect(await facts(world)).toEqual([fell, resumed])
    world.now += 4 * MINUTE
    await visit(world, "3")
    world.now += 4 * MINUTE
    await visit(world, "4")
    world.now += 5 * MINUTE
    await world.untilTypes("MerchantFellSilent", 2)
    await watch(world, 0)
    world.now += MINUTE
    await visit(world, "5")
    world.now += 100 * MINUTE
    await world.restart(true)
    await visit(world, "6")
    expect(await facts(world)).toEqual([fell, resumed, { ...fell, at: 29 * MINUTE }])
    await world.close()
  })

  it("is reported again when it is watched again, as if nothing had been reported before", {
    timeout: 60_000,
  }, async () => {
    for (const forget of [undefined, false, true]) {
      const world = new World()
      await world.start()
      await visit(world, "1")
      await watch(world, 300)
      world.now += 5 * MINUTE
      await world.untilTypes("MerchantFellSilent", 1)
      await watch(world, 0)
      if (forget !== undefined) await world.restart(forget)
      world.now += MINUTE
      await visit(world, "2")
      await watch(world, 300)
      if (forget !== undefined) await world.restart(forget)
      world.now += 5 * MINUTE
      await world.untilTypes("MerchantFellSilent", 2)
      const types = ["MerchantFellSilent", "MerchantFellSilent"]
      expect((await facts(world)).map(({ type }) => type)).toEqual(types)
      await visit(world, "3")
      expect((await facts(world)).map(({ type }) => type)).toEqual([...types, "MerchantResumed"])
      await world.close()
    }
  })
})

describe("actors and oracle agree", () => {
  const STEPS = rounds(150, 1_500)

  it(`over ${STEPS} steps of random activity, with restarts`, { timeout: 600_000 }, async () => {
    const { random } = seededRandom("idle actors")
    const world = new World()
    await world.start()
    let made = 0
    for (let step = 0; step < STEPS; step++) {
      world.now += random.integer(5) === 0 ? random.integer(60 * MINUTE) : random.integer(2_000)
      const batch = Array.from({ length: 1 + random.integer(20) }, () => {
        const offset = random.integer(3) === 0 ? random.integer(3 * 60 * MINUTE) - 175 * MINUTE : 0
        const clientId = `c-${Math.floor(60 * random.next() ** 2)}`
        const type = random.pick(["pageview", "request"])
        return event(`m-${random.integer(3)}`, `e-${made++}`, { clientId, type, at: world.now + offset })
      })
      await world.actors.record(batch)
      if (random.integer(20) === 0) {
        const merchantId = `m-${random.integer(3)}`
        const change = { idleAfterSeconds: 60 * (1 + random.integer(40)) }
        await world.actors.settings({ merchantId, kind: "update", change, origin: admin })
      }
      if (random.integer(30) === 0) await world.restart(random.integer(2) === 0)
    }
    world.now += 24 * 60 * MINUTE
    await until("nobody is live", () => world.actors.actors.stats().liveClients === 0)
    const log = await world.actors.all()
    const { differences, periods } = compareWithOracle(log, { idleAfterMs: 30 * MINUTE, end: world.now })
    console.log(`${made} events, ${periods} periods`)
    expect(differences.slice(0, 3)).toEqual([])
    expect(periods).toBeGreaterThan(50)
    await world.close()
  })
})
