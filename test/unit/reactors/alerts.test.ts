import { createHmac, timingSafeEqual } from "node:crypto"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type RecordedEvent, SystemType } from "../../../src/domain/Event.js"
import type { Position } from "../../../src/domain/Position.js"
import { type Alert, alertKinds } from "../../../src/reactors/Alert.js"
import { alertReactor } from "../../../src/reactors/alertReactor.js"
import { logTarget } from "../../../src/reactors/LogTarget.js"
import { signatureOf, webhookTarget } from "../../../src/reactors/WebhookTarget.js"
import { alertReactors, alertSettings } from "../../../src/runtime/AlertSettings.js"
import { answer, cut, hang, Receiver } from "../../support/Receiver.js"

const at = Date.parse("2026-11-21T10:00:00Z")
const silence = {
  ...{ lastActivityAt: at, lastRecordedAt: at + 5, idleSince: at + 60_000, afterMs: 60_000 },
  ...{ historical: false, address: "192.0.2.0" },
}
const back = {
  ...{ lastActivityAt: at, idleSince: at + 60_000, returnedAt: at + 90_000, activityAt: at + 90_000 },
  historical: false,
}

const recorded = (type: string, data: Partial<RecordedEvent["event"]["data"]>): RecordedEvent => ({
  ...{ stream: "client-001.key", revision: 3, position: "17" as Position, eventId: "0" },
  event: { v: 1, type, at, data: { id: "fact", merchantId: "shop", ...data } },
  metadata: { recordedAt: at + 60_500, source: "actor", key: "" },
})

const everything = new Set(alertKinds)
const noDocs = {} as Parameters<ReturnType<typeof alertReactor>["decide"]>[1]
const decide = (event: RecordedEvent, asked: ReadonlySet<Alert["kind"]> = everything) =>
  alertReactor(logTarget, asked).decide(event, noDocs)

describe("what is alerted", () => {
  it("is who goes silent and who is heard again, clients and merchants, with what is kept of them", () => {
    const clientKey = "key"
    expect(decide(recorded(SystemType.ClientBecameIdle, { clientKey, silence }))).toEqual([
      {
        ...{ kind: "client-idle", merchantId: "shop", clientKey, address: "192.0.2.0", lastActivityAt: at },
        ...{ idleSince: at + 60_000, afterMs: 60_000, reportedAt: at + 60_500 },
      },
    ])
    expect(decide(recorded(SystemType.ClientReturned, { clientKey, return: back }))).toEqual([
      {
        ...{ kind: "client-returned", merchantId: "shop", clientKey, lastActivityAt: at },
        ...{ idleSince: at + 60_000, returnedAt: at + 90_000, reportedAt: at + 60_500 },
      },
    ])
    expect(decide(recorded(SystemType.MerchantFellSilent, { silence }))).toMatchObject([
      { kind: "merchant-silent", merchantId: "shop" },
    ])
    expect(decide(recorded(SystemType.MerchantResumed, { return: back }))).toMatchObject([
      { kind: "merchant-resumed", merchantId: "shop" },
    ])
  })

  it("is never history, nor what was not asked for, nor anything else", () => {
    const historical = true
    expect(decide(recorded(SystemType.ClientBecameIdle, { silence: { ...silence, historical } }))).toEqual([])
    expect(decide(recorded(SystemType.MerchantResumed, { return: { ...back, historical } }))).toEqual([])
    expect(decide(recorded(SystemType.ClientReturned, { return: back }), new Set(["client-idle"]))).toEqual(
      [],
    )
    expect(decide(recorded(SystemType.MerchantCreated, {}))).toEqual([])
    expect(decide(recorded("payment", { amount: 5 }))).toEqual([])
  })
})

const alert = decide(recorded(SystemType.ClientBecameIdle, { clientKey: "key", silence }))[0] as Alert
const SECRET = "a-secret"

describe("the webhook", () => {
  let receiver: Receiver
  let logged: Array<{ readonly message: unknown; readonly annotations: Readonly<Record<string, unknown>> }>
  beforeEach(async () => {
    receiver = await new Receiver().open()
    logged = []
  })
  afterEach(() => receiver.close())

  const logger = Logger.make(({ message, annotations }) => {
    logged.push({ message, annotations: Object.fromEntries(HashMap.toEntries(annotations)) })
  })
  const run = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.runPromiseExit(effect.pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger))))

  const webhook = () =>
    alertReactor(
      webhookTarget({
        ...{ url: Redacted.make(`${receiver.url}/alerts`), secret: Redacted.make(SECRET) },
        ...{ timeoutMs: 300, refusals: 3, now: () => at + 61_000 },
      }),
      everything,
    )
  const action = (position: number) => ({
    ...{ id: `alerts-webhook ${position} 0`, position: String(position) as Position },
    ...{ recordedAt: at, what: alert },
  })
  /** As the machinery does: again and again, with growing pauses, before anything later. */
  const untilDone = (reactor: ReturnType<typeof webhook>, position: number) =>
    run(reactor.act(action(position)).pipe(Effect.retry(Schedule.exponential("5 millis"))))

  it("gets each alert as JSON, signed, with the id of the action as idempotency key", async () => {
    expect(Exit.isSuccess(await run(webhook().act(action(17))))).toBe(true)
    const [received] = receiver.received
    expect(received?.path).toBe("/alerts")
    expect(received?.headers["idempotency-key"]).toBe("alerts-webhook-17-0")
    expect(JSON.parse(received?.body ?? "")).toEqual({
      ...{ id: "alerts-webhook-17-0", kind: "client-idle", merchantId: "shop", clientKey: "key" },
      ...{ address: "192.0.2.0", idleAfterSeconds: 60, silentForSeconds: 60.5 },
      ...{ lastActivityAt: "2026-11-21T10:00:00.000Z", idleSince: "2026-11-21T10:01:00.000Z" },
      reportedAt: "2026-11-21T10:01:00.500Z",
      text: "client key of shop is idle: nothing for 61 s, since 2026-11-21T10:00:00.000Z",
    })
    // As a receiver would check it.
    const [, seconds, mac] =
      /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(received?.headers["tidemark-signature"])) ?? []
    const expected = createHmac("sha256", SECRET).update(`${seconds}.${received?.body}`).digest()
    expect(timingSafeEqual(Buffer.from(mac ?? "", "hex"), expected)).toBe(true)
    expect(Number(seconds)).toBe((at + 61_000) / 1_000)
    expect(signatureOf("other", Number(seconds), received?.body ?? "")).not.toContain(mac)
  })

  it("gets an alert again, with the same key, until it takes it: after errors, cuts, and no answer at all", async () => {
    receiver.behave(
      answer(500),
      cut,
      hang,
      answer(429, {}, { "retry-after": "0.05" }),
      answer(503),
      answer(204, ""),
    )
    expect(Exit.isSuccess(await untilDone(webhook(), 1))).toBe(true)
    expect(receiver.received).toHaveLength(6)
    expect(new Set(receiver.received.map(({ headers }) => headers["idempotency-key"])).size).toBe(1)
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1)
  })

  it("that is not there is tried again without end", async () => {
    await receiver.close()
    for (let times = 0; times < 10; times++) {
      const exit = await run(Effect.either(webhook().act(action(1))))
      expect(Exit.isSuccess(exit) && Either.isLeft(exit.value) && exit.value.left.message).toBe(
        "webhook did not take the alert alerts-webhook-1-0: ECONNREFUSED",
      )
    }
  })

  it("that refuses an alert too often does not hold up the next: the alert goes to the log, whole", async () => {
    receiver.behave(answer(404), answer(400), answer(404), answer(404), answer(200))
    const reactor = webhook()
    expect(Exit.isSuccess(await untilDone(reactor, 1))).toBe(true)
    expect(receiver.received).toHaveLength(3)
    expect(logged).toHaveLength(1)
    expect(String(logged[0]?.message)).toMatch(/refused an alert 3 times \(it answered 404\): given up/)
    expect(JSON.parse(String(logged[0]?.annotations.alert))).toMatchObject({ id: "alerts-webhook-1-0" })
    // The next is counted by itself.
    expect(Exit.isSuccess(await untilDone(reactor, 2))).toBe(true)
    expect(receiver.received).toHaveLength(5)
    expect(logged).toHaveLength(1)
  })

  it("is not followed to another address", async () => {
    receiver.behave(answer(307, "", { location: "/elsewhere" }), answer(200))
    expect(Exit.isSuccess(await untilDone(webhook(), 1))).toBe(true)
    expect(receiver.received.map(({ path }) => path)).toEqual(["/alerts", "/alerts"])
  })

  it("is beside the log: each alert is one line there, with its parts", async () => {
    await run(alertReactor(logTarget, everything).act({ ...action(9), id: "alerts-log 9 0" }))
    expect(logged).toEqual([
      {
        message: [expect.stringContaining("client key of shop is idle: nothing for 61 s")],
        annotations: expect.objectContaining({
          id: "alerts-log-9-0",
          kind: "client-idle",
          address: "192.0.2.0",
        }),
      },
    ])
  })
})

describe("the settings of alerts", () => {
  const settings = (env: Readonly<Record<string, string>>) =>
    Effect.runSync(
      Effect.either(
        Effect.withConfigProvider(alertSettings, ConfigProvider.fromMap(new Map(Object.entries(env)))),
      ),
    )
  const reactorsOf = (env: Readonly<Record<string, string>>) => {
    const read = settings(env)
    return Either.isRight(read) ? alertReactors(read.right).map(({ name }) => name) : String(read.left)
  }
  const url = "https://hooks.example/tidemark"

  it("give a reactor to each target, so that one does not hold up the other", () => {
    expect(reactorsOf({})).toEqual([])
    expect(reactorsOf({ TIDEMARK_ALERT_LOG: "true" })).toEqual(["alerts-log"])
    const webhook = { TIDEMARK_ALERT_WEBHOOK: url, TIDEMARK_ALERT_SECRET: "s" }
    expect(reactorsOf(webhook)).toEqual(["alerts-webhook"])
    expect(reactorsOf({ ...webhook, TIDEMARK_ALERT_LOG: "true" })).toEqual(["alerts-log", "alerts-webhook"])
  })

  it("say what is told: returning clients only where that is asked for", () => {
    const asked = (env: Readonly<Record<string, string>>) => {
      const read = settings(env)
      return Either.isRight(read) ? [...read.right.asked] : String(read.left)
    }
    expect(asked({})).toEqual(["client-idle", "merchant-silent", "merchant-resumed"])
    expect(asked({ TIDEMARK_ALERT_ON: "client-returned" })).toEqual(["client-returned"])
    expect(asked({ TIDEMARK_ALERT_ON: "" })).toEqual([])
    expect(asked({ TIDEMARK_ALERT_ON: "client-gone" })).toContain('there is no alert "client-gone"')
  })

  it("refuse a webhook without secret, and one that is no address, and don't show either", () => {
    expect(reactorsOf({ TIDEMARK_ALERT_WEBHOOK: url })).toContain("TIDEMARK_ALERT_SECRET")
    const wrong = reactorsOf({ TIDEMARK_ALERT_WEBHOOK: "hooks/with-token", TIDEMARK_ALERT_SECRET: "s" })
    expect(wrong).toContain("it must be an http:// or https:// address")
    expect(wrong).not.toContain("with-token")
  })
})
