import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { NewEvent, RecordedEvent, StoredEvent } from "../../src/domain/Event.js"
import { eventId, streamNamespace } from "../../src/domain/Ids.js"
import { merchantStream, partitionOf } from "../../src/domain/Partition.js"
import type { EventLogService } from "../../src/eventlog/EventLog.js"
import { openEmbeddedLog } from "../../src/eventlog/embedded/EmbeddedLog.js"
import { answer, Receiver } from "../support/Receiver.js"
import { compareSilences } from "../support/silenceLog.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const MINUTE = 60_000
const receiver = new Receiver([answer(204, "")])
const directory = temporaryDirectory()
const stream = merchantStream(partitionOf("shop"), "shop")
let tidemark: TidemarkProcess

const withLog = async <A>(use: (log: EventLogService) => Effect.Effect<A, unknown>): Promise<A> => {
  const scope = Effect.runSync(Scope.make())
  const opening = openEmbeddedLog({ directory: join(directory.path, "log"), slowdownMs: 0 })
  const log = await Effect.runPromise(Scope.extend(opening, scope))
  try {
    return await Effect.runPromise(use(log))
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const wholeLog = (): Promise<ReadonlyArray<RecordedEvent>> =>
  withLog((log) =>
    Stream.runFold(
      log.readAll({ direction: "forwards" }),
      [] as ReadonlyArray<RecordedEvent>,
      (all, some) => [...all, ...some],
    ),
  )

/** As if the program had run for sixteen days, and the shop had sent every minute: ten minutes are unusual then. */
const remember = (last: number): Promise<unknown> => {
  const from = last - 16 * 24 * 60 * MINUTE
  const made = (recordedAt: number, event: StoredEvent): NewEvent => ({
    eventId: eventId(streamNamespace(stream), event.data.id),
    event,
    metadata: { recordedAt, source: "api", key: "" },
  })
  const settings = { timezone: "Asia/Tokyo", currency: "JPY", silentAfter: "LEARNED" }
  const created = { id: "created", merchantId: "shop", settings }
  const events = [made(from, { v: 1, type: "MerchantCreated", at: from, data: created })]
  for (let at = from + MINUTE; at <= last; at += MINUTE)
    events.push(made(at, { v: 1, type: "pageview", at, data: { id: `e-${at}`, merchantId: "shop" } }))
  return withLog((log) =>
    Effect.forEach(
      Array.from({ length: Math.ceil(events.length / 1_000) }, (_, n) => n * 1_000),
      (begin) =>
        log.append([{ stream, expectedRevision: begin - 1, events: events.slice(begin, begin + 1_000) }]),
      { discard: true },
    ),
  )
}

const told = (): ReadonlyArray<{ kind: string; merchantId: string }> => [
  ...new Map(
    receiver.received.map(({ headers, body }) => [headers["idempotency-key"], JSON.parse(body)]),
  ).values(),
]

beforeAll(async () => {
  await receiver.open()
  tidemark = new TidemarkProcess(directory.path, {
    TIDEMARK_EVENT_LOG: "embedded",
    TIDEMARK_ALERT_WEBHOOK: `${receiver.url}/alerts`,
    TIDEMARK_ALERT_SECRET: "alert-secret",
  })
  // So that there are stores, and alerts have begun.
  await tidemark.start()
  await tidemark.stop()
})
afterAll(async () => {
  await tidemark.stop()
  await receiver.close()
  directory.remove()
})

describe("a silence that is unusual, through the whole program", () => {
  it("raises one alert and one all-clear, over kill -9", { timeout: 120_000 }, async () => {
    const last = Date.now() - 10 * MINUTE + 10_000
    await remember(last)
    await tidemark.start()
    await tidemark.kill()
    await tidemark.start()
    await until("the alert is told", 60_000, () => told().length > 0)
    expect(told()).toMatchObject([{ kind: "merchant-silent", merchantId: "shop", idleAfterSeconds: 600 }])
    const asked = '{ merchant(id: "shop") { silent silentAfter silentAfterSeconds } }'
    await until("it reads as silent", 20_000, async () => (await tidemark.graphql(asked)).merchant.silent)
    await tidemark.kill()
    await tidemark.start()
    expect((await tidemark.send([{ id: "back", type: "pageview", merchantId: "shop" }])).status).toBe(202)
    await until("the all-clear is told", 60_000, () => told().length > 1)
    await tidemark.kill()
    await tidemark.start()
    await until("it reads as heard again", 20_000, async () => {
      const { merchant } = await tidemark.graphql(asked)
      return merchant.silent === false && merchant.silentAfter === "LEARNED"
    })
    expect(told().map(({ kind }) => kind)).toEqual(["merchant-silent", "merchant-resumed"])
    await tidemark.stop()
    const log = await wholeLog()
    expect(compareSilences(log, Date.now())).toEqual([])
    const facts = log.filter(({ event: { type } }) => /^Merchant(FellSilent|Resumed)$/.test(type))
    expect(facts.map(({ event }) => event.type)).toEqual(["MerchantFellSilent", "MerchantResumed"])
    expect(facts[0]?.metadata.recordedAt).toBeGreaterThanOrEqual(last + 10 * MINUTE)
  })
})
