import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { afterEach, describe, expect, it } from "vitest"
import { partitionOf } from "../../../src/domain/Partition.js"
import { EventLog } from "../../../src/eventlog/EventLog.js"
import { openEmbeddedLog } from "../../../src/eventlog/embedded/EmbeddedLog.js"
import { Processors } from "../../../src/processors/Processors.js"
import { decodeMerchant, merchantScan } from "../../../src/projections/merchants.js"
import * as Embedded from "../../../src/readmodels/embedded/EmbeddedReadModels.js"
import { ReadModels } from "../../../src/readmodels/ReadModels.js"
import * as ProcessorsInThread from "../../../src/runtime/ProcessorsInThread.js"
import { until } from "../../support/until.js"
import { newEvent, run, streamOf, type TestEvent } from "./support.js"

const now = Date.parse("2026-11-21T12:00:00Z")

describe("processors in a thread", () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-thread-"))
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  it("fold live events, tell of each commit, commit what is folded when closed, and go on from there", async () => {
    const scope = Effect.runSync(Scope.make())
    const log = await run(Scope.extend(openEmbeddedLog({ directory }), scope))
    const reader = await run(Layer.buildWithScope(Embedded.readerLayer({ directory }), scope))
    const readModels = Effect.runSync(Effect.provide(ReadModels, reader))
    const deaths: Array<string> = []
    let revision = -1
    const append = async (count: number) => {
      const event: TestEvent = {
        type: "pageview",
        at: now,
        recordedAt: now,
        data: { merchantId: "m", clientKey: "c" },
      }
      const stream = streamOf(event)
      const events = Array.from({ length: count }, () => newEvent(event, stream))
      const [outcome] = await run(log.append([{ stream, expectedRevision: revision, events }]))
      expect(outcome?._tag).toBe("Appended")
      revision += count
    }
    const counted = async () => {
      const answer = await run(readModels.query("merchants-1", partitionOf("m"), [merchantScan("m")]))
      return (answer.rows[0]?.[0]?.doc as { events: number } | undefined)?.events ?? 0
    }
    expect(decodeMerchant(undefined)).toBeUndefined()

    for (let start = 0; start < 2; start++) {
      const running = Effect.runSync(Scope.make())
      const context = await run(
        Layer.buildWithScope(
          ProcessorsInThread.layer({
            forThread: () => ({ _tag: "Embedded", directory, feed: log.connect() }),
            readModels: { directory, url: undefined },
            onDied: (error) => deaths.push(error.message),
          }).pipe(
            Layer.provide(Layer.merge(Layer.succeed(EventLog, log), Layer.succeed(ReadModels, readModels))),
          ),
          running,
        ),
      )
      const processors = Effect.runSync(Effect.provide(Processors, context))
      const positions: Array<string> = []
      const listening = Effect.runFork(
        processors.changes.pipe(Stream.runForEach((one) => Effect.sync(() => positions.push(one.position)))),
      )
      expect((await run(processors.progress)).map((one) => one.build).sort()).toEqual([
        "clients-1",
        "merchants-1",
        "metrics-1",
      ])
      const before = start * 110
      await append(100)
      await until("100 events counted", 5_000, async () => (await counted()) === before + 100)
      await until("told of it", 2_000, () => positions.includes(String(before + 100)))
      await append(10)
      await until("10 more folded", 5_000, async () => (await counted()) === before + 110)
      listening.unsafeInterruptAsFork(listening.id())
      await run(Scope.close(running, Exit.void))
      expect(await counted()).toBe(before + 110)
    }
    expect(deaths).toEqual([])
    await run(Scope.close(scope, Exit.void))
  })

  it("fail to start, with the reason, where there is no log", async () => {
    const { MessageChannel } = await import("node:worker_threads")
    const { port1, port2 } = new MessageChannel()
    const scope = Effect.runSync(Scope.make())
    const log = await run(Scope.extend(openEmbeddedLog({ directory: join(directory, "log") }), scope))
    const exit = await run(
      Effect.either(
        Layer.buildWithScope(
          ProcessorsInThread.layer({
            forThread: () => ({ _tag: "Embedded", directory: join(directory, "nowhere"), feed: port2 }),
            readModels: { directory, url: undefined },
            onDied: () => {},
          }).pipe(
            Layer.provide(Layer.merge(Layer.succeed(EventLog, log), Embedded.readerLayer({ directory }))),
          ),
          scope,
        ),
      ),
    )
    expect(exit).toMatchObject({ _tag: "Left", left: { _tag: "ProcessorsDied" } })
    await run(Scope.close(scope, Exit.void))
    port1.close()
  })
})
