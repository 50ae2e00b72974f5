import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { compareWithIndependent } from "../support/independent.js"
import { readWholeLog } from "../support/readWholeLog.js"
import { rounds } from "../support/rounds.js"
import { runVerify } from "../support/runVerify.js"
import { type Random, seededRandom } from "../support/Seed.js"
import { randomEvent, Sender, type SentEvent } from "../support/Sender.js"
import { ADMIN_KEY, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const ROUNDS = rounds(3, 50)
const CONNECTIONS = 8
const READY_MS = 5_000

const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path)
const now = Date.now()

/** Every event by id, with what is known of it. */
const sent = new Map<string, SentEvent>()
const acknowledged = new Set<string>()
const readyAfter: Array<number> = []

const remember = (events: ReadonlyArray<SentEvent>): void => {
  for (const event of events) sent.set(event.id, event)
}

const acknowledge = (events: ReadonlyArray<SentEvent>): void => {
  for (const event of events) acknowledged.add(event.id)
}

/** Sends until the process dies: new events, and now and then a batch that was sent before. */
const press = async (random: Random, round: number, sender: Sender, alive: () => boolean): Promise<void> => {
  let made = 0
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const before: Array<ReadonlyArray<SentEvent>> = []
      while (alive()) {
        const again = before.length > 0 && random.integer(5) === 0
        const batch = again
          ? random.pick(before)
          : Array.from({ length: 1 + random.integer(20) }, () =>
              randomEvent(random, `r${round}-${made++}`, now),
            )
        remember(batch)
        const outcome = await sender.send(batch)
        if (outcome === undefined) continue
        expect(outcome).toMatchObject({ status: 202, rejected: 0 })
        acknowledge(batch)
        before.push(batch)
      }
    }),
  )
}

beforeAll(() => tidemark.start())
afterAll(async () => {
  await tidemark.stop()
  directory.remove()
})

describe("kill -9 at random moments under load", () => {
  it(`accepted means durable, and counted once, over ${ROUNDS} kills`, {
    timeout: ROUNDS * 20_000 + 60_000,
  }, async () => {
    const { random } = seededRandom("kill -9")
    for (let round = 0; round < ROUNDS; round++) {
      const sender = new Sender(() => tidemark.url, ADMIN_KEY, CONNECTIONS)
      let alive = true
      const before = acknowledged.size
      const pressing = press(random, round, sender, () => alive)
      await until("the first acknowledgements", 10_000, () => acknowledged.size > before)
      await new Promise((resolve) => setTimeout(resolve, random.integer(1_500)))
      alive = false
      await tidemark.kill()
      await pressing
      sender.close()
      readyAfter.push(await tidemark.start())
    }
    console.log(
      `${ROUNDS} kills, ${acknowledged.size} events acknowledged, ${sent.size - acknowledged.size} with unknown outcome, ` +
        `ready again after ${Math.round(Math.max(...readyAfter))} ms at most`,
    )
    const stored = await readWholeLog(directory.path)
    expect(stored.twice).toEqual([])
    expect([...acknowledged].filter((id) => !stored.sentIds.has(id))).toEqual([])
    expect([...stored.sentIds].filter((id) => !sent.has(id))).toEqual([])
  })

  it(`a restarted process is ready within ${READY_MS / 1000} seconds`, () => {
    expect(Math.max(...readyAfter)).toBeLessThan(READY_MS)
  })

  it("what had no answer is sent again, and then everything is stored once", {
    timeout: 120_000,
  }, async () => {
    const sender = new Sender(() => tidemark.url, ADMIN_KEY, CONNECTIONS)
    const unknown = [...sent.values()].filter((event) => !acknowledged.has(event.id))
    for (let at = 0; at < unknown.length; at += 500) {
      expect(await sender.send(unknown.slice(at, at + 500))).toMatchObject({ status: 202, rejected: 0 })
    }
    sender.close()
    const stored = await readWholeLog(directory.path)
    expect(stored.twice).toEqual([])
    expect(stored.sentIds.size).toBe(sent.size)
  })

  it("an independent implementation agrees with the read models", { timeout: 300_000 }, async () => {
    const differences = await compareWithIndependent(tidemark, [...sent.values()])
    expect(differences).toEqual([])
  })

  it("verify finds every read model equal, while serving and after it", { timeout: 300_000 }, async () => {
    expect(await runVerify(directory.path)).toMatchObject({ code: 0 })
    await tidemark.stop()
    expect(await runVerify(directory.path)).toMatchObject({ code: 0 })
  })
})
