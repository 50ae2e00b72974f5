import { describe, expect, it } from "vitest"
import { rounds } from "../../support/rounds.js"
import { seededRandom } from "../../support/Seed.js"
import { shops } from "../../support/shops.js"
import { compareSilences, storedSilences } from "../../support/silenceLog.js"
import { until } from "../../support/until.js"
import { event } from "./harness.js"
import { MINUTE, START, World } from "./idleWorld.js"

const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const send = async (
  world: World,
  merchantId: string,
  recordedAt: number,
  ats: ReadonlyArray<number> = [recordedAt],
): Promise<void> => {
  world.now = Math.max(world.now, recordedAt)
  await world.actors.record(ats.map((at, n) => event(merchantId, `${recordedAt}-${n}`, { at })))
}

const factsOf = async (world: World): Promise<ReadonlyArray<string>> =>
  (await world.actors.all()).flatMap(({ event }) =>
    event.type === "MerchantFellSilent" || event.type === "MerchantResumed" ? [event.type] : [],
  )

describe("a merchant whose silence is learned", () => {
  it("is reported once, and once when it is back, by day and not for its nights", {
    timeout: 120_000,
  }, async () => {
    const world = new World()
    await world.start()
    await send(world, "m-1", START)
    await world.merchant("m-1", { silentAfter: "LEARNED", timezone: "Europe/Berlin" })
    // Every ten minutes from 8 to 18 o'clock, also over the change to winter time.
    const days = 17
    const first = Date.UTC(2026, 9, 12)
    for (let day = 0; day < days; day++) {
      const open = first + day * DAY + (first + day * DAY < Date.UTC(2026, 9, 25) ? 6 : 7) * HOUR
      for (let at = open; at < open + 10 * HOUR; at += 10 * MINUTE) await send(world, "m-1", at)
      if (day === 7) await world.restart(true)
      if (day === 14) await world.restart(false)
    }
    expect(await factsOf(world)).toEqual([])
    const monday = first + days * DAY + 7 * HOUR
    await send(world, "m-1", monday)
    world.now = monday + 4 * HOUR
    await until("it is reported", 15_000, async () => (await factsOf(world)).length === 1)
    await world.restart(true)
    await world.restart(false)
    await send(world, "m-1", world.now + MINUTE)
    await world.restart(true)
    expect(await factsOf(world)).toEqual(["MerchantFellSilent", "MerchantResumed"])
    expect(compareSilences(await world.actors.all(), world.now)).toEqual([])
    await world.close()
  })

  const WEEKS = rounds(5, 15)

  it(`agrees with the oracle over ${WEEKS} weeks of several shops, with restarts and changed settings`, {
    timeout: 600_000,
  }, async () => {
    const { random } = seededRandom("learned silence of actors")
    const world = new World()
    await world.start()
    const zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]
    const quiet = shops.filter(({ isSparse }) => isSparse)
    const merchants = ["m-0", "m-1", "m-2"]
    const sent = merchants
      .flatMap((merchantId) => {
        const gone = Array.from({ length: 2 }, () => START + random.integer(WEEKS * 7 * DAY))
        const recorded = random.pick(quiet).recordings(random, START, WEEKS * 7)
        return recorded
          .filter(() => random.next() < 800 / recorded.length)
          .filter((at) => gone.every((from) => at < from || at > from + 2 * DAY))
          .map((recordedAt) => ({ merchantId, recordedAt }))
      })
      .sort((a, b) => a.recordedAt - b.recordedAt)
    for (const merchantId of merchants) {
      await send(world, merchantId, START)
      await world.merchant(merchantId, { silentAfter: "LEARNED", timezone: random.pick(zones) })
    }
    for (const { merchantId, recordedAt } of sent) {
      // Some come together and some late, some while settings change.
      const some = random.integer(8) === 0 ? 1 + random.integer(4) : 1
      const ats = Array.from({ length: some }, (_, n) =>
        n === 0 && random.integer(12) > 0 ? recordedAt : recordedAt - random.integer(30 * HOUR),
      )
      const sending = send(world, merchantId, recordedAt, random.integer(2) === 0 ? ats : ats.toReversed())
      const what = random.integer(400)
      if (what === 2) await world.merchant(merchantId, { timezone: random.pick(zones) })
      else if (what === 3) {
        const silentAfter = random.integer(4) === 0 ? "SECONDS" : "LEARNED"
        const silentAfterSeconds = 3600 * random.integer(48)
        await world.merchant(merchantId, { silentAfter, silentAfterSeconds })
      }
      await sending
      if (what < 2) await world.restart(what === 0)
    }
    world.now += 60 * DAY
    let differences: ReadonlyArray<unknown> = []
    await until("oracle and log agree", 15_000, async () => {
      differences = compareSilences(await world.actors.all(), world.now)
      return differences.length === 0
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(differences.slice(0, 3), undefined, 1)}`)
    })
    await world.restart(true)
    await world.restart(false)
    for (const merchantId of merchants) await send(world, merchantId, world.now)
    expect(compareSilences(await world.actors.all(), world.now)).toEqual([])
    const found = [...storedSilences(await world.actors.all()).values()].flat()
    console.log(`${sent.length} events, ${found.length} silences`)
    await world.close()
  })
})
