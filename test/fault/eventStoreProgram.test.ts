import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { EventStoreServer } from "../support/eventstoredb/EventStoreServer.js"
import { compareWithIndependent } from "../support/independent.js"
import { readWholeLog } from "../support/readWholeLog.js"
import { rounds, soaking } from "../support/rounds.js"
import { runVerify } from "../support/runVerify.js"
import { seededRandom } from "../support/Seed.js"
import { randomEvent, Sender, type SentEvent } from "../support/Sender.js"
import { storesOf } from "../support/stores.js"
import { ADMIN_KEY, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const CONNECTIONS = 4

const directory = temporaryDirectory()
const secondDirectory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path)
const second = new TidemarkProcess(secondDirectory.path)
let server: EventStoreServer

const sent = new Map<string, SentEvent>()
const acknowledged = new Set<string>()
const now = Date.now()
let made = 0

beforeAll(async () => {
  server = await storesOf(directory.path).eventStore()
  await tidemark.start()
})
afterAll(async () => {
  await Promise.all([tidemark.stop(), second.stop()])
  await server.stop()
  directory.remove()
  secondDirectory.remove()
})

/** Sends while the fault is done; what got no 202 is sent again until it has one. */
const during = async (what: string, to: ReadonlyArray<TidemarkProcess>, fault: () => Promise<unknown>) => {
  const { random } = seededRandom(what)
  let going = true
  const press = async (target: TidemarkProcess) => {
    const sender = new Sender(() => target.url, ADMIN_KEY, CONNECTIONS)
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        while (going) {
          const batch = Array.from({ length: 1 + random.integer(10) }, () =>
            randomEvent(random, `e-${made++}`, now),
          )
          for (const event of batch) sent.set(event.id, event)
          await until("the batch is accepted", 90_000, async () => {
            const outcome = await sender.send(batch)
            expect([undefined, 202, 429, 503]).toContain(outcome?.status)
            return outcome?.status === 202
          })
          for (const event of batch) acknowledged.add(event.id)
        }
      }),
    )
    sender.close()
  }
  const pressing = Promise.all(to.map(press))
  const more = async (least: number) => {
    const before = acknowledged.size
    await until("more is accepted", 90_000, () => acknowledged.size >= before + least)
  }
  try {
    await more(50)
    await fault()
    await more(50)
  } finally {
    going = false
    await pressing
  }
}

const nothingLostOrDoubled = async () => {
  const stored = await readWholeLog(directory.path)
  expect(stored.twice).toEqual([])
  expect([...acknowledged].filter((id) => !stored.sentIds.has(id))).toEqual([])
  // The comparison of the numbers sends a probe.
  expect([...stored.sentIds].filter((id) => !sent.has(id) && id !== "probe")).toEqual([])
}

const reason = async () => (await tidemark.request("GET", "/readyz")).body.reason as string | undefined

describe("Tidemark on EventStoreDB, when the server fails", () => {
  it("the server is killed and started again mid-append", { timeout: 600_000 }, async () => {
    for (let round = 0; round < rounds(2, 20); round++) {
      await during(`killed ${round}`, [tidemark], async () => {
        await server.kill()
        await server.start()
      })
    }
    await nothingLostOrDoubled()
  })

  it("the server is frozen, and readiness says so", { timeout: 300_000 }, async () => {
    await during("frozen", [tidemark], async () => {
      server.freeze()
      const frozenAt = performance.now()
      await until(
        "readiness says so",
        20_000,
        async () => (await reason())?.includes("EventStoreDB") === true,
      )
      if (soaking) await until("a minute has passed", 70_000, () => performance.now() > frozenAt + 60_000)
      server.thaw()
      await until("it is ready again", 20_000, async () => (await reason()) === undefined)
    })
    await nothingLostOrDoubled()
  })

  it("only replies to appends are lost", { timeout: 300_000 }, async () => {
    for (const how of ["die", "silent"] as const)
      await during(`replies lost, ${how}`, [tidemark], () => server.loseReplies(3, how))
    await nothingLostOrDoubled()
  })

  it("every subscription is ended", { timeout: 300_000 }, async () => {
    for (const how of ["error", "end", "hang"] as const)
      await during(`subscriptions ended, ${how}`, [tidemark], () => server.endSubscriptions(how))
    await nothingLostOrDoubled()
  })

  it("and every number is right, and verify finds every read model equal", { timeout: 300_000 }, async () => {
    expect(await compareWithIndependent(tidemark, [...sent.values()])).toEqual([])
    expect(await runVerify(directory.path)).toMatchObject({ code: 0 })
  })

  it("two programs that write the same streams at once lose and double nothing", {
    timeout: 300_000,
  }, async () => {
    storesOf(secondDirectory.path).share(server)
    await second.start()
    await during("two writers", [tidemark, second], async () => {})
    await nothingLostOrDoubled()
  })
})
