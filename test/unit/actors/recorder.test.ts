import { cpSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { Incoming } from "../../../src/actors/Recorder.js"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import { compare, type Position } from "../../../src/domain/Position.js"
import { type EventLogService, LogUnavailable } from "../../../src/eventlog/EventLog.js"
import { KeyStoreUnavailable } from "../../../src/keystore/KeyStore.js"
import { open } from "../../../src/keystore/Sealed.js"
import {
  admin,
  event,
  merchantKey,
  OwnerRegistry,
  type Running,
  start,
  tags,
  temporary,
  until,
} from "./harness.js"

const business = (events: ReadonlyArray<RecordedEvent>) =>
  events.filter(
    ({ event }) => event.type === "pageview" || event.type === "request" || event.type === "payment",
  )

const batch = (merchantId: string, count: number, prefix = "e"): Array<Incoming> =>
  Array.from({ length: count }, (_, index) => event(merchantId, `${prefix}-${index}`))

const positionOf = (result: { readonly _tag: string; readonly position?: Position }): Position =>
  result.position ?? expect.fail(`no position in ${result._tag}`)

describe("counted once", () => {
  it("the same batch sent 50 times at once counts once, again after passivation, again after a restart", async () => {
    const directory = temporary()
    const mixed = () => [
      ...batch("m-1", 40),
      ...batch("m-2", 30),
      event("m-1", "r", { type: "request", clientId: "c" }),
      event("_system", "r", { type: "request", clientId: "c" }),
    ]
    const send50 = async (running: Running) => {
      const results = await Promise.all(Array.from({ length: 50 }, () => running.record(mixed())))
      const log = await running.all()
      const stored = business(log)
      expect(stored).toHaveLength(72)
      expect(new Set(log.map(({ eventId }) => eventId)).size).toBe(log.length)
      const end = stored[stored.length - 1]?.position as Position
      for (const result of results)
        expect(compare(positionOf(result as never), end)).toBeGreaterThanOrEqual(0)
      return results.flatMap(tags).filter((tag) => tag === "Accepted").length
    }
    let running = await start(directory)
    expect(await send50(running)).toBe(72)
    running.actors.passivateAll()
    expect(running.actors.stats().liveActors).toBe(0)
    expect(await send50(running)).toBe(0)
    await running.close()
    running = await start(directory)
    expect(await send50(running)).toBe(0)
    await running.close()
  })

  it("two merchants, or two clients, with the same id both count; the first content wins", async () => {
    const running = await start(temporary())
    const results = await running.record([
      event("m-1", "same", { path: "/first" }),
      event("m-2", "same"),
      event("m-1", "same", { path: "/second", at: 5 }),
      event("m-1", "same", { type: "request", clientId: "a" }),
      event("m-1", "same", { type: "request", clientId: "b" }),
      event("m-1", "same", { type: "request", clientId: "b" }),
    ])
    expect(tags(results)).toEqual(["Accepted", "Accepted", "Duplicate", "Accepted", "Accepted", "Duplicate"])
    const stored = business(await running.all())
    expect(stored).toHaveLength(4)
    expect(stored.flatMap(({ event }) => event.data.path ?? [])).toEqual(["/first"])
    await running.close()
  })

  it("a sender's id never takes the place of an event that Tidemark writes", async () => {
    const running = await start(temporary())
    const ids = ["created", "profile", "settings-1", "key-issued-k"]
    const sent = ids.flatMap((id) => [
      event("m-1", id, { clientId: "c" }),
      event("m-1", id, { type: "request", clientId: "c" }),
    ])
    expect(tags(await running.record(sent))).toEqual(sent.map(() => "Accepted"))
    await running.close()
  })
})

describe("order", () => {
  it("a client's requests can come one by one, with nothing else of their merchant between them", async () => {
    const running = await start(temporary())
    for (const id of ["a", "b", "c", "d"]) {
      const sent = [event("m-1", id, { type: "request", clientId: "c" })]
      expect(tags(await running.record(sent)), id).toEqual(["Accepted"])
    }
    expect(business(await running.all()).map(({ event }) => event.data.id)).toEqual(["a", "b", "c", "d"])
    await running.close()
  })

  it("is kept per merchant within a request, across its own stream and its clients'", async () => {
    const running = await start(temporary())
    const sent = Array.from({ length: 200 }, (_, index) =>
      event(`m-${index % 3}`, `e-${index}`, {
        clientId: `c-${index % 7}`,
        ...(index % 5 === 0 ? { type: "request" } : {}),
      }),
    )
    expect(tags(await running.record(sent))).toEqual(sent.map(() => "Accepted"))
    const log = business(await running.all())
    for (const merchantId of ["m-0", "m-1", "m-2"]) {
      const ids = (events: ReadonlyArray<{ data: Incoming["data"] }>) =>
        events.filter(({ data }) => data.merchantId === merchantId).map(({ data }) => data.id)
      expect(ids(log.map(({ event }) => event))).toEqual(ids(sent))
    }
    await running.close()
  })

  it("recording times never step back within a partition when the clock does, not even over a restart", async () => {
    const directory = temporary()
    let now = 1_000_000
    const options = { tuning: { now: () => now } }
    let running = await start(directory, options)
    await running.record(batch("m-1", 1, "a"))
    now -= 500_000
    await running.record(batch("m-1", 1, "b"))
    await running.close()
    running = await start(directory, options)
    await running.record(batch("m-1", 1, "c"))
    now += 2_000_000
    await running.record(batch("m-1", 1, "d"))
    const times = (await running.all()).map(({ metadata }) => metadata.recordedAt)
    expect(times).toEqual([1_000_000, 1_000_000, 1_000_000, 1_000_000, 2_500_000])
    await running.close()
  })
})

describe("merchants", () => {
  it("are created by an administrator's first event, and unknown to anyone else", async () => {
    const running = await start(temporary())
    const refused = await running.record(
      [event("m-1", "a"), event("m-1", "b", { type: "request", clientId: "c" })],
      merchantKey,
    )
    expect(refused).toMatchObject({
      _tag: "Recorded",
      events: [
        { _tag: "Refused", code: "MERCHANT_UNKNOWN", path: "merchantId" },
        { _tag: "Refused", code: "MERCHANT_UNKNOWN" },
      ],
    })
    expect(await running.all()).toEqual([])
    await running.record([event("m-1", "a", { type: "payment", amount: 100 })])
    expect(tags(await running.record([event("m-1", "b")], merchantKey))).toEqual(["Accepted"])
    const log = await running.all()
    expect(log.map(({ event }) => event.type)).toEqual(["MerchantCreated", "payment", "pageview"])
    expect(log[0]?.event.data.settings).toEqual({ timezone: "UTC", currency: "USD" })
    expect(log[1]?.event.data.currency).toBe("USD")
    await running.close()
  })

  it("a request that names no merchant needs none", async () => {
    const running = await start(temporary())
    const sent = [event("_system", "a", { type: "request", clientId: "c" })]
    expect(tags(await running.record(sent, merchantKey))).toEqual(["Accepted"])
    expect((await running.all()).map(({ event }) => event.type)).toEqual(["ClientSeen", "request"])
    expect(tags(await running.record([event("_system", "b")]))).toEqual(["Refused"])
    await running.close()
  })

  it("settings and keys are saved once and survive a restart", async () => {
    const directory = temporary()
    let running = await start(directory)
    const create = {
      merchantId: "m-1",
      kind: "create",
      change: { name: "One", currency: "EUR" },
      origin: admin,
    } as const
    const update = { merchantId: "m-1", kind: "update", change: { name: "Two" }, origin: admin } as const
    const issue = { merchantId: "m-1", kind: "issue", keyId: "k", hash: "ab", origin: admin } as const
    expect(await running.settings(update)).toEqual({ _tag: "Missing" })
    const results = await Promise.all([create, create, update, update].map(running.settings))
    expect(results.map(({ _tag }) => _tag)).toEqual(["Saved", "Exists", "Saved", "Saved"])
    expect(results[3]).toMatchObject({ settings: { name: "Two", currency: "EUR", timezone: "UTC" } })
    await running.apiKey(issue)
    await running.close()
    running = await start(directory)
    expect(await running.apiKey(issue)).toMatchObject({ _tag: "Saved", settings: { name: "Two" } })
    expect(await running.apiKey({ ...issue, hash: "cd" })).toEqual({ _tag: "Exists" })
    expect(await running.apiKey({ ...issue, kind: "revoke" })).toMatchObject({ _tag: "Saved" })
    expect(await running.apiKey({ ...issue, kind: "revoke", keyId: "none" })).toEqual({ _tag: "Missing" })
    await running.record([event("m-1", "p", { type: "payment", amount: 5 })], merchantKey)
    const log = await running.all()
    expect(log.map(({ event }) => event.type)).toEqual([
      "MerchantCreated",
      "MerchantSettingsChanged",
      "ApiKeyIssued",
      "ApiKeyRevoked",
      "payment",
    ])
    expect(log[4]?.event.data.currency).toBe("EUR")
    await running.close()
  })
})

describe("profiles", () => {
  it("stand before the first event of a client, once, readable with its key only", async () => {
    const directory = temporary()
    let running = await start(directory)
    const sent = (round: string) =>
      Array.from({ length: 60 }, (_, index) =>
        event("m-1", `${round}-${index}`, {
          clientId: `c-${index % 20}`,
          ...(index % 4 === 0 ? { type: "request" } : {}),
        }),
      )
    await Promise.all([running.record(sent("a")), running.record(sent("b"))])
    running.actors.passivateAll()
    await running.record(sent("c"))
    await running.close()
    running = await start(directory)
    await running.record(sent("d"))
    const log = await running.all()
    const seen = new Set<string>()
    for (const { event } of log) {
      const key = event.data.clientKey
      if (key === undefined) continue
      if (event.type !== "ClientSeen") expect(seen).toContain(key)
      else {
        expect(seen).not.toContain(key)
        seen.add(key)
      }
    }
    expect(seen.size).toBe(20)
    expect(JSON.stringify(log)).not.toContain("203.0.113.7")
    const profile = log.find(({ event }) => event.type === "ClientSeen")
    const [key] = await Effect.runPromise(running.keys.find([profile?.event.data.clientKey ?? ""]))
    expect(open(key as Buffer, profile?.event.personal ?? "")).toEqual({ clientId: "c-0", ip: "203.0.113.7" })
    await running.close()
  })

  it("of a forgotten client are never written; its events count", async () => {
    const running = await start(temporary())
    const visit = (id: string) => event("m-1", id, { clientId: "c" })
    const key = visit("a").data.clientKey ?? ""
    await Effect.runPromise(running.keys.forget(key))
    expect(tags(await running.record([visit("a"), { ...visit("b"), type: "request" }]))).toEqual([
      "Accepted",
      "Accepted",
    ])
    running.actors.passivateAll()
    expect(tags(await running.record([visit("c"), { ...visit("b"), type: "request" }]))).toEqual([
      "Accepted",
      "Duplicate",
    ])
    expect((await running.all()).map(({ event }) => event.type)).toEqual([
      "MerchantCreated",
      "pageview",
      "request",
      "pageview",
    ])
    await running.close()
  })

  it("without a key store nothing is stored, and the sender is told to repeat", async () => {
    let broken = true
    const running = await start(temporary(), {
      wrapKeys: (keys) => ({
        ...keys,
        ensure: (clients) =>
          broken ? Effect.fail(new KeyStoreUnavailable({ reason: "unplugged" })) : keys.ensure(clients),
      }),
    })
    const sent = [event("m-1", "a", { clientId: "c" })]
    expect(await running.record(sent)).toMatchObject({
      _tag: "Unavailable",
      reason: "the key store is unavailable: unplugged",
    })
    expect(await running.all()).toEqual([])
    broken = false
    expect(tags(await running.record(sent))).toEqual(["Accepted"])
    await running.close()
  })
})

describe("failures of the log", () => {
  it("an append whose answer is lost is repeated unchanged: no event is stored twice or lost", async () => {
    let lose = 0
    const running = await start(temporary(), {
      wrap: (log) => ({
        ...log,
        append: (appends) =>
          Effect.flatMap(log.append(appends), (outcomes) =>
            lose > 0 && lose-- > 0
              ? Effect.fail(new LogUnavailable({ reason: "the answer was lost" }))
              : Effect.succeed(outcomes),
          ),
      }),
    })
    await running.record([event("m-1", "first")])
    for (let round = 0; round < 10; round++) {
      lose = 2
      const sent = [...batch("m-1", 20, `r${round}`), ...batch("m-2", 5, `r${round}`)]
      expect((await running.record(sent))._tag).toBe("Unavailable")
      let result = await running.record(sent)
      while (result._tag !== "Recorded") {
        await new Promise((resolve) => setTimeout(resolve, 20))
        result = await running.record(sent)
      }
      expect(new Set(tags(result))).toEqual(new Set(["Duplicate"]))
    }
    const stored = business(await running.all())
    expect(stored).toHaveLength(251)
    expect(new Set(stored.map(({ eventId }) => eventId)).size).toBe(251)
    await running.close()
  })

  it("an event that the log can't store is turned down alone", async () => {
    const running = await start(temporary())
    const poison = event("m-1", "poison", { properties: { big: 1n } })
    const results = await Promise.all([
      running.record([...batch("m-1", 5, "a"), poison, ...batch("m-1", 5, "b")]),
      running.record([event("m-1", "c", { clientId: "c" })]),
      running.record(batch("m-2", 5)),
      running.record([poison]),
    ])
    expect(results.map(tags)).toEqual([
      [...Array(5).fill("Accepted"), "Refused", ...Array(5).fill("Accepted")],
      ["Accepted"],
      Array(5).fill("Accepted"),
      ["Refused"],
    ])
    expect(tags(await running.record([poison, event("m-1", "d")]))).toEqual(["Refused", "Accepted"])
    expect(business(await running.all())).toHaveLength(17)
    await running.close()
  })

  it("a stalled log makes senders wait or be told Busy; every answer comes once", async () => {
    let release: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const running = await start(temporary(), {
      tuning: { merchantEvents: 500, nodeEvents: 2_000 },
      wrap: (log) => ({
        ...log,
        append: (appends) =>
          Effect.zipRight(
            Effect.promise(() => gate),
            log.append(appends),
          ),
      }),
    })
    const counts = new Map<string, number>()
    let answers = 0
    const wait: Array<Promise<unknown>> = []
    const send = (merchantId: string, id: string) =>
      wait.push(
        new Promise<void>((resolve) => {
          running.recorder.record([event(merchantId, id)], admin, (result) => {
            answers++
            const kind = result._tag === "Busy" ? `Busy ${result.scope}` : result._tag
            counts.set(kind, (counts.get(kind) ?? 0) + 1)
            if (result._tag === "Busy") {
              expect(result.retryAfterSeconds).toBeGreaterThanOrEqual(1)
              expect(result.retryAfterSeconds).toBeLessThanOrEqual(30)
            }
            resolve()
          })
        }),
      )
    for (let index = 0; index < 1_000; index++) send("m-1", `a-${index}`)
    expect(counts.get("Busy merchant")).toBe(500)
    for (let index = 0; index < 3_000; index++) send(`n-${index % 10}`, `b-${index}`)
    expect(counts.get("Busy node")).toBe(1_500)
    expect(running.actors.stats().waitingEvents).toBe(2_000)
    release()
    await Promise.all(wait)
    expect(answers).toBe(4_000)
    expect(Object.fromEntries(counts)).toEqual({ Recorded: 2_000, "Busy merchant": 500, "Busy node": 1_500 })
    expect(running.actors.stats()).toMatchObject({ waitingEvents: 0, waitingBytes: 0, queued: 0 })
    await running.close()
  })

  it("one request of 10,000 events always fits an idle node", async () => {
    const running = await start(temporary(), { tuning: { merchantEvents: 100, nodeEvents: 100 } })
    const result = await running.record(batch("m-1", 10_000))
    expect(tags(result).filter((tag) => tag === "Accepted")).toHaveLength(10_000)
    await running.close()
  })

  it("what another owner wrote is read, and then decided again", async () => {
    const directory = temporary()
    let log: EventLogService | undefined
    const running = await start(directory, {
      wrap: (service) => {
        log = service
        return service
      },
    })
    await running.record([event("m-1", "a"), event("m-1", "z", { type: "request", clientId: "c" })])
    const other = await start(temporary())
    await other.record([event("m-1", "a"), event("m-1", "c"), event("m-1", "b")])
    const foreign = (await other.all()).filter(
      ({ stream, revision }) => stream.startsWith("merchant-") && revision >= 2,
    )
    await Effect.runPromise(
      (log as EventLogService).append([
        {
          stream: foreign[0]?.stream as string,
          expectedRevision: 1,
          events: foreign.map(({ eventId, event, metadata }) => ({ eventId, event, metadata })),
        },
      ]),
    )
    await other.close()
    const sent = [event("m-1", "b"), event("m-1", "y", { type: "request", clientId: "c" }), event("m-1", "d")]
    expect(tags(await running.record(sent))).toEqual(["Duplicate", "Accepted", "Accepted"])
    expect(running.actors.stats().conflicts).toBe(1)
    expect(
      business(await running.all())
        .map(({ event }) => event.data.id)
        .sort(),
    ).toEqual(["a", "b", "c", "d", "y", "z"])
    await running.close()
  })
})

describe("recovery", () => {
  it("replays what the index had not written when the process was killed", async () => {
    const directory = temporary()
    const copy = temporary()
    let running = await start(directory)
    await running.record(batch("m-1", 500, "a"))
    await until("the index has written", () => running.actors.stats().indexBacklog === 0)
    // The index as a kill would leave it here; the log goes on.
    cpSync(join(directory, "actors"), join(copy, "actors"), { recursive: true })
    await running.record([...batch("m-1", 500, "b"), event("m-2", "x", { clientId: "c" })])
    await running.settings({ merchantId: "m-1", kind: "update", change: { currency: "JPY" }, origin: admin })
    await running.close()
    cpSync(join(directory, "log"), join(copy, "log"), { recursive: true })
    cpSync(join(directory, "keys"), join(copy, "keys"), { recursive: true })
    running = await start(copy)
    const again = await running.record([
      ...batch("m-1", 500, "a"),
      ...batch("m-1", 500, "b"),
      event("m-2", "x", { clientId: "c" }),
    ])
    expect(new Set(tags(again))).toEqual(new Set(["Duplicate"]))
    await running.record([event("m-1", "p", { type: "payment", amount: 1 })])
    const log = await running.all()
    expect(log[log.length - 1]?.event.data.currency).toBe("JPY")
    expect(log.filter(({ event }) => event.type === "ClientSeen")).toHaveLength(1)
    expect(running.actors.stats().conflicts).toBe(0)
    await running.close()
  })

  it("an index that is ahead of the log, or of another log, is made again", async () => {
    const directory = temporary()
    const older = temporary()
    let running = await start(directory)
    await running.record(batch("m-1", 10, "a"))
    await running.close()
    cpSync(directory, older, { recursive: true })
    running = await start(directory)
    await running.record(batch("m-1", 10, "b"))
    await running.close()
    cpSync(join(directory, "actors"), join(older, "actors"), { recursive: true, force: true })
    running = await start(older)
    const result = await running.record([...batch("m-1", 10, "a"), ...batch("m-1", 10, "b")])
    expect(tags(result)).toEqual([...Array(10).fill("Duplicate"), ...Array(10).fill("Accepted")])
    expect(running.actors.stats().conflicts).toBe(0)
    await running.close()
  })
})

describe("the cluster", () => {
  it("answers the same through entity messages as directly", async () => {
    const outcome = async (options: { direct: boolean; serialize: boolean }) => {
      const running = await start(temporary(), { ...options, tuning: { now: () => 1_000 } })
      const sent = [
        ...batch("m-1", 20),
        event("m-2", "p", { type: "payment", amount: 5, clientId: "c", at: 7 }),
        event("m-2", "p", { type: "payment", amount: 5, at: 7 }),
        event("_system", "r", { type: "request", clientId: "c", at: 7 }),
      ].map((incoming) => ({ ...incoming, at: 7 }))
      const first = await running.record(sent)
      const second = await running.record(sent, merchantKey)
      const unknown = await running.record([event("m-9", "a")], merchantKey)
      const saved = await running.settings({
        merchantId: "m-1",
        kind: "update",
        change: { name: "n" },
        origin: admin,
      })
      const streams = (await running.all())
        .map(({ stream, revision, eventId, event: { personal, ...event }, metadata }) => ({
          at: `${stream} ${revision}`,
          eventId,
          event,
          metadata,
          sealed: personal !== undefined,
        }))
        .sort((a, b) => (a.at < b.at ? -1 : 1))
      await running.close()
      return [tags(first), tags(second), unknown._tag === "Recorded" && unknown.events, saved._tag, streams]
    }
    const direct = await outcome({ direct: true, serialize: false })
    expect(await outcome({ direct: false, serialize: false })).toEqual(direct)
    expect(await outcome({ direct: false, serialize: true })).toEqual(direct)
  })

  it("gives each partition one owner, and drains it before the end", async () => {
    const owners = new OwnerRegistry()
    const directory = temporary()
    for (let round = 0; round < 2; round++) {
      const running = await start(directory, { tuning: { owners } })
      expect(running.actors.stats().partitions).toBe(256)
      const sent = Promise.all(
        Array.from({ length: 100 }, (_, index) => running.record(batch(`m-${index}`, 20, `r${round}`))),
      )
      await running.close()
      for (const result of await sent) expect(["Recorded", "Unavailable"]).toContain(result._tag)
    }
    expect(owners.seconds).toEqual([])
    const running = await start(directory)
    const stored = business(await running.all())
    expect(new Set(stored.map(({ eventId }) => eventId)).size).toBe(stored.length)
    await running.close()
  })
})

it("quiet actors leave the memory, used ones stay", async () => {
  const running = await start(temporary(), { tuning: { passivateAfterMs: 200 } })
  await running.record(Array.from({ length: 100 }, (_, index) => event(`m-${index}`, "a")))
  expect(running.actors.stats().liveActors).toBe(100)
  let sent = 0
  const use = setInterval(() => void running.record([event("m-1", `u-${sent++}`)]), 20)
  await until("only the used one is left", () => running.actors.stats().liveActors === 1)
  clearInterval(use)
  await running.close()
})
