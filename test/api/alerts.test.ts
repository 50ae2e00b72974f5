import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { signatureOf } from "../../src/reactors/WebhookTarget.js"
import { answer, Receiver } from "../support/Receiver.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const SECRET = "alert-secret"
const receiver = new Receiver([answer(503), answer(204, "")])
const directory = temporaryDirectory()
let tidemark: TidemarkProcess

beforeAll(async () => {
  await receiver.open()
  tidemark = new TidemarkProcess(directory.path, {
    TIDEMARK_IDLE_AFTER: "1 second",
    TIDEMARK_ALERT_LOG: "true",
    TIDEMARK_ALERT_WEBHOOK: `${receiver.url}/alerts`,
    TIDEMARK_ALERT_SECRET: SECRET,
  })
  await tidemark.start()
})
afterAll(async () => {
  await tidemark.stop()
  await receiver.close()
  directory.remove()
})

/** The alerts that were taken, each once as its key says: the first attempt of all is answered with 503. */
const taken = () =>
  [...new Map(receiver.received.slice(1).map((one) => [one.headers["idempotency-key"], one])).values()].map(
    ({ body }) => JSON.parse(body),
  )
const seen = (ip: string) => tidemark.send([{ type: "request", clientId: `client ${ip}`, ip, url: "/" }])

describe("alerts of the whole program", () => {
  it("tell the webhook of each client that goes idle, once, signed, and again after a refusal", async () => {
    expect((await seen("192.0.2.7")).status).toBe(202)
    await until("told", 20_000, () => taken().length === 1)
    const { headers, body } = receiver.received[1]!
    const { clientKey, text, ...rest } = JSON.parse(body)
    expect(rest).toMatchObject({
      kind: "client-idle",
      merchantId: "_system",
      address: "192.0.2.0",
      idleAfterSeconds: 1,
    })
    expect(text).toContain(`client ${clientKey} of _system is idle`)
    const [, seconds] = /^t=(\d+),/.exec(String(headers["tidemark-signature"])) ?? []
    expect(headers["tidemark-signature"]).toBe(signatureOf(SECRET, Number(seconds), body))
    expect(receiver.received[0]?.headers["idempotency-key"]).toBe(headers["idempotency-key"])
    expect(tidemark.log).toMatch(/client \S+ of _system is idle: nothing for 1 s/)
  })

  it("don't tell again after kill -9, nor because read models are rebuilt, nor of imported history", async () => {
    await tidemark.kill()
    await tidemark.start()
    const old = Date.now() - 86_400_000
    await tidemark.send([
      { type: "request", clientId: "imported", ip: "192.0.2.9", url: "/", timestamp: old },
      { type: "request", clientId: "imported", ip: "192.0.2.9", url: "/", timestamp: old + 3_600_000 },
    ])
    await tidemark.graphql(
      `mutation { rebuildProjection(name: "alerts-webhook") { userErrors { code message } } }`,
    )
    const look = async () =>
      (
        await tidemark.graphql(
          `{ projection(name: "alerts-webhook") { serving { id } building { id state } } }`,
        )
      ).projection
    await until("rebuilt", 20_000, async () => (await look()).building?.state === "READY")
    const { serving, building } = await look()
    const promoted = await tidemark.graphql(
      `mutation ($build: ID!, $expected: ID!) {
        promoteProjection(name: "alerts-webhook", build: $build, expectedServing: $expected) { userErrors { code message } } }`,
      { build: building.id, expected: serving.id },
    )
    expect(promoted.promoteProjection.userErrors).toEqual([])
    // What comes after everything else: when it was told, the others would have been.
    await seen("192.0.2.8")
    await until("told", 20_000, () => taken().length >= 2)
    // A kill between an alert and its note brings the same alert, not another one.
    expect(new Set(taken().map(({ clientKey }) => clientKey)).size).toBe(2)
    expect(taken().map(({ kind, address }) => [kind, address])).toEqual([
      ["client-idle", "192.0.2.0"],
      ["client-idle", "192.0.2.0"],
    ])
  })
})
