import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { NO_ADDRESS } from "../../../src/actors/clients/AddressCode.js"
import { writeClients } from "../../../src/actors/clients/ClientsFile.js"
import { PartitionMerchants } from "../../../src/actors/clients/PartitionMerchants.js"
import type { StreamIndex } from "../../../src/actors/StreamIndex.js"
import type { NewEvent, RecordedEvent, StoredEvent } from "../../../src/domain/Event.js"
import { clientKey, eventId, streamNamespace } from "../../../src/domain/Ids.js"
import { merchantStream, partitionOf } from "../../../src/domain/Partition.js"
import type { Position } from "../../../src/domain/Position.js"
import { openEmbeddedLog } from "../../../src/eventlog/embedded/EmbeddedLog.js"
import { until } from "../../support/until.js"
import { MINUTE, START, visit, World } from "./idleWorld.js"

const stream = merchantStream(partitionOf("m-1"), "m-1")
const key = clientKey(Buffer.from("secret"), "m-1", "c-1")
const HOUR_MS = 60 * MINUTE

/** A log as a version left it that kept the idle time of the start in its file alone. */
const store = async (directory: string, events: ReadonlyArray<StoredEvent>): Promise<Position> => {
  const scope = Effect.runSync(Scope.make())
  const opening = openEmbeddedLog({ directory: join(directory, "log"), slowdownMs: 0 })
  const log = await Effect.runPromise(Scope.extend(opening, scope))
  const stored = events.map(
    (event): NewEvent => ({
      eventId: eventId(streamNamespace(stream), event.data.id),
      event,
      metadata: { recordedAt: event.at, source: "api", key: "" },
    }),
  )
  await Effect.runPromise(log.append([{ stream, expectedRevision: -1, events: stored }]))
  const head = await Effect.runPromise(log.head)
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return head
}

const sent = (id: string, at: number): StoredEvent => ({
  ...{ v: 1, type: "pageview", at },
  data: { id, merchantId: "m-1", clientKey: key },
})

const created = (settings: Record<string, unknown>): StoredEvent => ({
  ...{ v: 1, type: "MerchantCreated", at: START },
  data: { id: "created", merchantId: "m-1", settings: { timezone: "UTC", currency: "USD", ...settings } },
})

const file = { partition: partitionOf("m-1"), merchants: [], bytes: 0, records: [], lacking: [], own: [] }

const changes = async (world: World) =>
  (await world.actors.all()).flatMap(({ event }) =>
    event.type === "SystemSettingsChanged" ? [event.data.settings] : [],
  )

describe("a log of a version that kept less in it", () => {
  it("says what it was decided by once it is used, and no pause of the past is reported after that", {
    timeout: 60_000,
  }, async () => {
    const world = new World(undefined, HOUR_MS)
    const last = START + 40 * MINUTE
    const upTo = await store(world.directory, [created({}), sent("1", START), sent("2", last)])
    await writeClients(join(world.directory, "actors.clients"), {
      mark: () => undefined,
      partitions: [
        {
          ...{ ...file, upTo, standardMs: HOUR_MS },
          odd: [[key, "m-1", last, last, NO_ADDRESS, 0]],
          watchedMerchants: { own: [], lacking: [], odd: [] },
        },
      ],
    })
    world.now = last + MINUTE
    await world.start()
    const recorded = { standardIdleAfterMs: HOUR_MS, standardIdleAfterMsBefore: HOUR_MS }
    await until("it is recorded", 15_000, async () => (await changes(world)).length === 1)
    expect(await changes(world)).toEqual([recorded])
    await world.restart(true)
    await world.restart(true, 10 * MINUTE)
    await until("the change is recorded", 15_000, async () => (await changes(world)).length === 2)
    expect(await changes(world)).toEqual([recorded, { standardIdleAfterMs: 10 * MINUTE }])
    await visit(world, "3")
    expect(await world.facts()).toEqual([])
    world.now += 10 * MINUTE
    await world.until(1)
    await world.close()
  })

  it("knows which merchants are silent from the index, where its file does not say", {
    timeout: 60_000,
  }, async () => {
    const world = new World()
    const silence = {
      ...{ lastActivityAt: START, lastRecordedAt: START, idleSince: START + 5 * MINUTE },
      ...{ afterMs: 5 * MINUTE, historical: false },
    }
    const fell: StoredEvent = {
      ...{ v: 1, type: "MerchantFellSilent", at: START + 5 * MINUTE },
      data: { id: `idle-${START}`, merchantId: "m-1", silence },
    }
    const upTo = await store(world.directory, [
      created({ silentAfterSeconds: 300 }),
      sent("1", START),
      fell,
      sent("late", START - 1),
    ])
    await writeClients(join(world.directory, "actors.clients"), {
      mark: () => undefined,
      partitions: [
        {
          ...{ ...file, upTo, standardMs: 30 * MINUTE, odd: [] },
          watchedMerchants: { own: [["m-1", { idleAfterSeconds: 300 }]], lacking: [], odd: [] },
        },
      ],
    })
    world.now = START + 20 * MINUTE
    await world.start()
    await world.restart()
    await visit(world, "back")
    await world.restart()
    world.now += 5 * MINUTE
    await world.untilTypes("MerchantFellSilent", 2)
    const types = (await world.actors.all()).map(({ event }) => event.type)
    expect(types.filter((type) => type === "MerchantResumed")).toHaveLength(1)
    await world.close()
  })

  it("keeps a watched merchant whose id could be the key of a client", () => {
    const merchantId = "abcdefghijklmnopqrstuA"
    const before = new PartitionMerchants(partitionOf(merchantId))
    before.setTimes(merchantId, { idleAfterSeconds: 300 })
    before.live.put(merchantId, merchantId, 5 * MINUTE, { at: START, recordedAt: START })
    const after = new PartitionMerchants(partitionOf(merchantId))
    after.restore(JSON.parse(JSON.stringify(before.dump())), "7" as Position)
    expect(after.live.get(merchantId)).toEqual({ at: START, recordedAt: START })
  })

  it("keeps that its file does not say who is silent, when another one is written before the log was read", () => {
    const before = new PartitionMerchants(partitionOf("m-1"))
    before.restore({ own: [["m-1", { idleAfterSeconds: 300 }]], lacking: [], odd: [] }, "7" as Position)
    const after = new PartitionMerchants(partitionOf("m-1"))
    after.restore(JSON.parse(JSON.stringify(before.dump())), "7" as Position)
    const silence = {
      ...{ lastActivityAt: START, lastRecordedAt: START, idleSince: START + 5 * MINUTE },
      ...{ afterMs: 5 * MINUTE, historical: false },
    }
    // What the index says of the merchant's stream.
    const entry = { revision: 2, presence: { silence, position: "6" as Position } }
    const index = { find: (name: string) => (name === stream ? entry : undefined) } as unknown as StreamIndex
    const late: RecordedEvent = {
      ...{ stream, revision: 3, position: "8" as Position, eventId: "late", event: sent("late", START - 1) },
      metadata: { recordedAt: START + 6 * MINUTE, source: "api", key: "" },
    }
    after.fold(late, index)
    expect(after.live.size).toBe(0)
  })
})
