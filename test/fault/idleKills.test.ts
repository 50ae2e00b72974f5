import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { RecordedEvent } from "../../src/domain/Event.js"
import { compareWithOracle } from "../support/idleLog.js"
import { rounds } from "../support/rounds.js"
import { seededRandom } from "../support/Seed.js"
import { storesOf } from "../support/stores.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const LENGTH_MS = rounds(60_000, 300_000)
const IDLE_AFTER_MS = 2_000
const CLIENTS = 400
/** What a report may be late by while its partition is served. */
const LATE_MS = 1_000

const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path, { TIDEMARK_IDLE_AFTER: `${IDLE_AFTER_MS} millis` })

const wholeLog = (): Promise<ReadonlyArray<RecordedEvent>> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const log = yield* storesOf(directory.path).openLog()
        const all: Array<RecordedEvent> = []
        yield* Stream.runForEach(log.readAll({ direction: "forwards" }), (events) =>
          Effect.sync(() => all.push(...events)),
        )
        return all
      }),
    ),
  )

beforeAll(async () => {
  await tidemark.start()
})
afterAll(async () => {
  await tidemark.stop()
  directory.remove()
})

describe("idle clients under kill -9", () => {
  it(`each idle period once, none early, none later than a second and the time it was down, for ${LENGTH_MS / 1000} s`, {
    timeout: LENGTH_MS * 3 + 120_000,
  }, async () => {
    const { random } = seededRandom("idle under kill -9")
    const down: Array<{ readonly from: number; readonly to: number }> = []
    const end = Date.now() + LENGTH_MS
    let made = 0
    let sending = true
    const press = async () => {
      while (sending) {
        const events = Array.from({ length: 1 + random.integer(10) }, () => ({
          id: `e-${made++}`,
          type: random.pick(["pageview", "request"]),
          merchantId: `m-${random.integer(5)}`,
          clientId: `c-${Math.floor(CLIENTS * random.next() ** 2)}`,
          ...(random.integer(10) === 0 ? { timestamp: Date.now() - random.integer(6_000) } : {}),
        }))
        // Whether it was stored while it died does not matter: the log says.
        await tidemark.send(events).catch(() => undefined)
        await new Promise((resolve) => setTimeout(resolve, random.integer(60)))
      }
    }
    const pressing = [press(), press()]
    while (Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 1_500 + random.integer(4_000)))
      const from = Date.now()
      await tidemark.kill()
      await tidemark.start()
      down.push({ from, to: Date.now() })
    }
    sending = false
    await Promise.all(pressing)
    const quietFrom = Date.now()
    await until("everyone is idle", 30_000, async () => Date.now() - quietFrom > IDLE_AFTER_MS + 2 * LATE_MS)
    const stoppedAt = Date.now()
    await tidemark.stop()

    const log = await wholeLog()
    const { differences, reports, periods } = compareWithOracle(log, {
      idleAfterMs: IDLE_AFTER_MS,
      end: stoppedAt,
      slackMs: LATE_MS,
    })
    expect(differences.slice(0, 5)).toEqual([])
    const late = reports
      .map(({ dueAt, reportedAt }) => {
        const gone = down.map(({ from, to }) => Math.min(to, reportedAt) - Math.max(from, dueAt))
        return reportedAt - dueAt - gone.filter((ms) => ms > 0).reduce((sum, ms) => sum + ms, 0)
      })
      .sort((a, b) => a - b)
    console.log(
      `${down.length} kills, ${made} events sent, ${periods} idle periods, late without the time it was down: ` +
        `${late[late.length >> 1]} ms median, ${late[Math.floor(late.length * 0.99)]} ms p99, ${late.at(-1)} ms at most`,
    )
    expect(late.at(-1)).toBeLessThanOrEqual(LATE_MS)
    expect(periods).toBeGreaterThan(CLIENTS)
  })
})
