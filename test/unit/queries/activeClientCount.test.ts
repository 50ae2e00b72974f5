import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { EventLog } from "../../../src/eventlog/EventLog.js"
import { makeFreshness } from "../../../src/queries/Freshness.js"
import { makeLogTail } from "../../../src/queries/LogTail.js"
import { makeActiveClientCount } from "../../../src/queries/live/ActiveClientCount.js"
import type { ProgressBoard } from "../../../src/queries/ProgressBoard.js"
import { ReadModels } from "../../../src/readmodels/ReadModels.js"
import { until } from "../../support/until.js"
import { World } from "./world.js"

const HOUR = 3_600_000

describe("the count of active clients", () => {
  let world: World
  beforeAll(async () => {
    world = await World.open()
    await world.send({ clientId: "a" }, { clientId: "b" })
    await until("both clients are in the documents", 10_000, async () => {
      const page = await Effect.runPromise(world.queries.clients.listAll("ACTIVE", {}))
      return page.edges.length === 2
    })
  })
  afterAll(() => world.close())

  /** On the real log and read models, with a clock and a progress board of the test's own. */
  const counting = async (now: () => number, reached: ProgressBoard["reached"]) => {
    const scope = await Effect.runPromise(Scope.make())
    const log = world.get(EventLog)
    const readModels = world.get(ReadModels)
    const tail = makeLogTail(log, now)
    const board: ProgressBoard = { of: () => undefined, all: () => [], listen: () => () => {}, reached }
    const freshness = makeFreshness(readModels, tail, board, now)
    const made = makeActiveClientCount({
      ...{ log, readModels, freshness, board, tail, now },
      ...{ idleAfterMs: HOUR / 2, patienceMs: 300 },
    })
    const service = await Effect.runPromise(Scope.extend(made, scope))
    return {
      ask: async () => {
        const result = await Effect.runPromise(Effect.either(service.count))
        return Either.isRight(result) ? result.right : (result.left as { code?: string }).code
      },
      isFollowing: service.isFollowing,
      close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
    }
  }

  it("ends to follow the log when nobody asks, and begins anew with the next question", async () => {
    let ahead = 0
    const counted = await counting(
      () => Date.now() + ahead,
      () => Effect.succeed(true),
    )
    expect(counted.isFollowing()).toBe(false)
    await until("they are counted", 10_000, async () => (await counted.ask()) === 2)
    expect(counted.isFollowing()).toBe(true)
    ahead = HOUR
    await until("it has ended", 15_000, () => !counted.isFollowing())
    expect(await counted.ask()).toBe(0)
    expect(counted.isFollowing()).toBe(true)
    await counted.close()
  })

  it("says NOT_YET to who would wait for long, and goes on counting", async () => {
    let isLevel = false
    const counted = await counting(Date.now, () =>
      Effect.suspend(() => Effect.as(Effect.sleep("5 millis"), isLevel)),
    )
    expect(await counted.ask()).toBe("NOT_YET")
    expect(counted.isFollowing()).toBe(true)
    isLevel = true
    await until("it is counted", 10_000, async () => (await counted.ask()) === 2)
    await counted.close()
  })
})
