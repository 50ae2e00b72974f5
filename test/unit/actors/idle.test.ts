import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { SystemType } from "../../../src/domain/Event.js"
import { compareWithOracle, storedPeriods } from "../../support/idleLog.js"
import { type OracleChange, STANDARD } from "../../support/idleOracle.js"
import { rounds } from "../../support/rounds.js"
import { seededRandom } from "../../support/Seed.js"
import { until as pollUntil } from "../../support/until.js"
import { admin, event, until } from "./harness.js"
import { MINUTE, START, visit, World } from "./idleWorld.js"

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

const groups = [
  { countries: ["JP"], idleAfterSeconds: 5 * 60 },
  { addresses: ["203.0.112.0/20"], idleAfterSeconds: 10 * 60 },
  { addresses: ["198.51.100.0/24", "2001:db8::/32"], countries: ["DE", "FR"], idleAfterSeconds: 60 },
  { addresses: ["0.0.0.0/0"], idleAfterSeconds: 3 * 60 * 60 },
]

describe("actors and oracle agree", () => {
  const STEPS = rounds(100, 1_500)

  it(`over ${STEPS} steps of random activity and changing groups, with restarts`, {
    timeout: 600_000,
  }, async () => {
    const { random } = seededRandom("idle actors")
    const world = new World()
    await world.start()
    let made = 0
    const whereabouts = () => {
      const address = random.pick(["203.0.113.0", "198.51.100.0", "192.0.2.0", "2001:db8:7::", undefined])
      const country = random.pick(["JP", "DE", "US", undefined])
      return {
        ...(address === undefined ? {} : { address }),
        ...(country === undefined ? {} : { country }),
      }
    }
    const some = () => groups.filter(() => random.integer(2) === 0)
    for (let step = 0; step < STEPS; step++) {
      world.now += random.integer(5) === 0 ? random.integer(60 * MINUTE) : random.integer(2_000)
      const batch = Array.from({ length: 1 + random.integer(20) }, () => {
        const offset = random.integer(3) === 0 ? random.integer(3 * 60 * MINUTE) - 175 * MINUTE : 0
        const clientId = `c-${Math.floor(60 * random.next() ** 2)}`
        const type = random.pick(["pageview", "request"])
        const where = random.integer(3) === 0 ? whereabouts() : {}
        return event(`m-${random.integer(3)}`, `e-${made++}`, {
          ...{ clientId, type, at: world.now + offset },
          ...where,
        })
      })
      await world.actors.record(batch)
      if (random.integer(20) === 0) {
        const merchantId = `m-${random.integer(3)}`
        const change = { idleAfterSeconds: 60 * (1 + random.integer(40)) }
        await world.actors.settings({ merchantId, kind: "update", change, origin: admin })
      }
      if (random.integer(20) === 0) {
        const merchantId = `m-${random.integer(3)}`
        const change = { idleGroups: some() }
        await world.actors.settings({ merchantId, kind: "update", change, origin: admin })
      }
      if (random.integer(40) === 0) {
        await world.system({ idleAfterSeconds: 60 * random.integer(40), idleGroups: some() })
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

  const STARTS = rounds(8, 100)

  it(`over ${STARTS} starts, each with another idle time of the system, the file lost at half of them`, {
    timeout: 600_000,
  }, async () => {
    const { random } = seededRandom("idle starts")
    const world = new World()
    await world.start()
    const starts: Array<OracleChange> = []
    let made = 0
    let reported = 0
    for (let n = 0; n < STARTS; n++) {
      for (let step = 0; step < 8; step++) {
        world.now += random.integer(40 * MINUTE)
        const batch = Array.from({ length: 1 + random.integer(8) }, () => {
          const offset = random.integer(3) === 0 ? -random.integer(90 * MINUTE) : 0
          return event(`m-${random.integer(3)}`, `e-${made++}`, {
            clientId: `c-${Math.floor(20 * random.next() ** 2)}`,
            at: world.now + offset,
          })
        })
        await world.actors.record(batch)
      }
      // What an administrator sets comes before it, until that is taken back.
      const seconds = random.integer(4) === 0 ? 60 * (1 + random.integer(20)) : 0
      await world.system({ idleAfterSeconds: seconds })
      // What is due is reported in a moment: only then the program ends.
      await pollUntil("the oracle and the log are the same", 15_000, async () => {
        const log = await world.actors.all()
        const { differences, periods } = compareWithOracle(log, {
          ...{ idleAfterMs: 30 * MINUTE, end: world.now, starts },
        })
        reported = periods
        const wrong = differences.filter(({ what }) => what !== "not reported")
        if (wrong.length > 0) throw new Error(JSON.stringify(wrong.slice(0, 3)))
        return differences.length === 0
      })
      const idleAfterMs = MINUTE * random.pick([2, 10, 30, 60, 180])
      starts.push({ before: made, merchant: STANDARD, recordedAt: world.now, idleAfterMs })
      await world.restart(random.integer(2) === 0, idleAfterMs)
    }
    console.log(`${made} events, ${reported} periods`)
    expect(reported).toBeGreaterThan(STARTS)
    await world.close()
  })
})
