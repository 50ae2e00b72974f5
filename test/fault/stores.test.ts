import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { compareWithIndependent, PROBE } from "../support/independent.js"
import { hasOwnMongo } from "../support/MongoServer.js"
import { Pressing } from "../support/Pressing.js"
import { rounds, soaking } from "../support/rounds.js"
import { runVerify } from "../support/runVerify.js"
import { chosenOr, isChosen, patienceFor, storesOf } from "../support/stores.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const FROZEN_MS = soaking ? 60_000 : 1_000

/** Both stores on servers, unless this run is about others: the other pairs are in `npm test -- --stores=all`. */
const pair = chosenOr({ eventLog: "eventstoredb", readModels: "mongodb" })
const onServer = pair.eventLog === "eventstoredb"
const onMongo = pair.readModels === "mongodb"

const directory = temporaryDirectory()
const stores = storesOf(directory.path, pair)
const tidemark = new TidemarkProcess(directory.path)
const pressing = new Pressing()

const reason = async () => (await tidemark.request("GET", "/readyz")).body.reason as string | undefined

let known = 0
/**
 * The log takes it whether MongoDB is there or not: only a client that is new needs a key. Where its partition decides
 * it together with an event of a new client, it is refused with that, and has to be sent again.
 */
const eventOfKnownClient = async () => {
  const event = { id: `${PROBE}-known-${known++}`, type: "pageview", merchantId: PROBE, clientId: PROBE }
  await until("the event of a known client is accepted", 30_000, async () => {
    const { status, body } = await tidemark.send(event)
    expect([202, 503]).toContain(status)
    return status === 202 && body.accepted + body.duplicates === 1
  })
}

const passed = async (ms: number) => {
  const began = performance.now()
  await until(`${ms} ms have passed`, ms + 10_000, () => performance.now() >= began + ms)
}

/** A run that names its stores looks at everything after each fault, others at the numbers once, after the last. */
const isThorough = soaking || isChosen

const numbersAreRight = async () => {
  const events = [...pressing.sent.values()]
  expect(await compareWithIndependent(tidemark, events, patienceFor(pair))).toEqual([])
  const { code, output } = await runVerify(directory.path)
  expect(code, output).toBe(0)
}

const survives = (what: string, times: number, fault: (round: number) => Promise<unknown>) =>
  it(what, { timeout: 900_000 }, async () => {
    for (let round = 0; round < times; round++)
      await pressing.during(`${what}, ${round}`, [tidemark], () => fault(round))
    await pressing.check(directory.path)
    if (isThorough) await numbersAreRight()
  })

describe.skipIf(onMongo && !hasOwnMongo)(
  `Tidemark on ${pair.eventLog} and ${pair.readModels}, when a store fails`,
  () => {
    beforeAll(async () => {
      // Nothing is killed or frozen that others may use.
      if (onServer) await stores.eventStore()
      if (onMongo) await stores.ownMongo()
      await tidemark.start()
    })
    afterAll(async () => {
      await tidemark.stop()
      await stores.close()
      directory.remove()
    })

    // An embedded store dies and freezes with the program, and only with it.
    if (!onServer || !onMongo) {
      survives(
        "the program, and what it keeps itself, is killed mid-append and started again",
        rounds(2, 10),
        async () => {
          await tidemark.kill()
          await tidemark.start()
        },
      )

      survives(`the program, and what it keeps itself, is frozen for ${FROZEN_MS} ms`, 1, async () => {
        tidemark.freeze()
        await passed(FROZEN_MS)
        tidemark.thaw()
      })
    }

    if (onServer) {
      survives("EventStoreDB is killed mid-append and started again", rounds(2, 20), async () => {
        const server = await stores.eventStore()
        await server.kill()
        await server.start()
      })

      survives(`EventStoreDB is frozen for ${FROZEN_MS} ms or until readiness says so`, 1, async () => {
        const server = await stores.eventStore()
        server.freeze()
        const away = async () => (await reason())?.includes("EventStoreDB") === true
        await Promise.all([passed(FROZEN_MS), until("readiness says so", 20_000, away)])
        server.thaw()
        await until("it is ready again", 20_000, async () => (await reason()) === undefined)
      })

      survives("only replies to appends are lost", 2, async (round) =>
        (await stores.eventStore()).loseReplies(3, round === 0 ? "die" : "silent"),
      )

      survives("every subscription is ended", 3, async (round) =>
        (await stores.eventStore()).endSubscriptions((["error", "end", "hang"] as const)[round] ?? "error"),
      )
    }

    if (onMongo) {
      survives("MongoDB is killed while it is written to and started again", rounds(2, 20), async () => {
        const { server } = await stores.ownMongo()
        await eventOfKnownClient()
        await server.kill()
        await eventOfKnownClient()
        await server.start()
      })

      survives(`MongoDB is frozen for ${FROZEN_MS} ms`, 1, async () => {
        const { server } = await stores.ownMongo()
        server.freeze()
        await passed(FROZEN_MS)
        server.thaw()
      })

      for (const [what, step, lost] of [
        ["MongoDB takes documents, and not the checkpoint", "head", "request"],
        ["MongoDB takes the checkpoint, and its answer is lost", "head", "answer"],
        ["MongoDB takes some of a commit's documents", "documents", "request"],
        ["MongoDB takes a commit's journal, and its answer is lost", "journal", "answer"],
      ] as const) {
        survives(what, rounds(1, 5), async () => {
          const { proxy } = await stores.ownMongo()
          const before = proxy.broken
          proxy.lose(step, lost, 3)
          await until("it was broken off", 60_000, () => proxy.broken === before + 3)
        })
      }

      survives("the program is killed between documents and checkpoint", rounds(1, 10), async () => {
        const { proxy } = await stores.ownMongo()
        const before = proxy.broken
        proxy.lose("head", "request", 1)
        await until("it was broken off", 60_000, () => proxy.broken > before)
        await tidemark.kill()
        await tidemark.start()
      })
    }

    it("and every number is right, and verify finds every read model equal", {
      timeout: 300_000,
    }, async () => {
      await numbersAreRight()
      await tidemark.stop()
      const { code, output } = await runVerify(directory.path)
      expect(code, output).toBe(0)
    })
  },
)
