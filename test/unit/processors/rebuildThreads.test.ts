import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { EventLog } from "../../../src/eventlog/EventLog.js"
import { type EmbeddedLog, openEmbeddedLog } from "../../../src/eventlog/embedded/EmbeddedLog.js"
import type { Command } from "../../../src/processors/Commands.js"
import { differencesOf } from "../../../src/processors/Compare.js"
import { Processors, type ProcessorsService } from "../../../src/processors/Processors.js"
import { metrics } from "../../../src/projections/metrics.js"
import * as Embedded from "../../../src/readmodels/embedded/EmbeddedReadModels.js"
import { ReadModels, type ReadModelsService } from "../../../src/readmodels/ReadModels.js"
import * as ProcessorsInThread from "../../../src/runtime/ProcessorsInThread.js"
import { startRebuildThreads } from "../../../src/runtime/RebuildThreads.js"
import { drawHistory } from "../../support/drawHistory.js"
import { seededRandom } from "../../support/Seed.js"
import { until } from "../../support/until.js"
import { newEvent, run, streamOf, type TestEvent } from "./support.js"

const { random } = seededRandom("rebuild threads")
const MERCHANTS = 8
const EVENTS_EACH = 800

describe("a rebuild in two threads", () => {
  let directory: string
  let scope: Scope.CloseableScope
  let running: Scope.CloseableScope
  let log: EmbeddedLog
  let readModels: ReadModelsService
  let processors: ProcessorsService
  const deaths: Array<string> = []
  const revisions = new Map<string, number>()

  const append = async (events: ReadonlyArray<TestEvent>) => {
    const appends = events.map((event) => {
      const stream = streamOf(event)
      const revision = revisions.get(stream) ?? -1
      revisions.set(stream, revision + 1)
      return { stream, expectedRevision: revision, events: [newEvent(event, stream)] }
    })
    for (const outcome of await run(log.append(appends))) expect(outcome._tag).toBe("Appended")
  }
  const start = async (rebuildThreads: number) => {
    running = Effect.runSync(Scope.make())
    const layer = ProcessorsInThread.layer({
      ...{
        readModels: { directory, url: undefined },
        rebuildThreads,
        tuning: { lookEveryMs: 50, graceMs: 0 },
      },
      forThread: () => ({ _tag: "Embedded", directory, feed: log.connect() }),
      onDied: (error) => deaths.push(error.message),
    }).pipe(Layer.provide(Layer.merge(Layer.succeed(EventLog, log), Layer.succeed(ReadModels, readModels))))
    processors = Effect.runSync(Effect.provide(Processors, await run(Layer.buildWithScope(layer, running))))
  }
  const stop = () => run(Scope.close(running, Exit.void))
  const command = (it: Command) => run(processors.command(it, "ann"))
  const rebuild: Command = { _tag: "Rebuild", projection: "metrics", promote: false }
  const untilAt = async (build: string) => {
    const head = await run(log.head)
    await until(`${build} at ${head}`, 60_000, async () => {
      const found = (await run(processors.progress)).find((one) => one.build === build)
      expect(found?.stopped).toBeUndefined()
      return found?.position === head
    })
  }
  const differences = async (from: string, to: string) => {
    const builds = await run(readModels.builds)
    const [a, b] = [from, to].map((id) => builds.find((one) => one.id === id))
    if (a === undefined || b === undefined) throw new Error(`no ${from} or ${to}`)
    let documents = 0
    const found: Array<unknown> = []
    for (const collection of metrics.collections) {
      documents += await run(
        differencesOf(readModels, a, readModels, b, collection, (difference) => found.push(difference)),
      )
    }
    expect(documents).toBeGreaterThan(500)
    return found
  }

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "tidemark-lanes-"))
    scope = Effect.runSync(Scope.make())
    log = await run(Scope.extend(openEmbeddedLog({ directory }), scope))
    const reader = await run(Layer.buildWithScope(Embedded.readerLayer({ directory }), scope))
    readModels = Effect.runSync(Effect.provide(ReadModels, reader))
    revisions.clear()
    deaths.length = 0
    const events = Array.from({ length: MERCHANTS }, (_, merchant) =>
      drawHistory(random, EVENTS_EACH, 50, 20).map((event) => ({
        ...event,
        data: { ...event.data, merchantId: `m-${merchant}` },
      })),
    ).flat()
    await append(events.toSorted((a, b) => a.recordedAt - b.recordedAt))
    expect(Number(await run(log.head))).toBeGreaterThan(5_000)
  })
  afterEach(async () => {
    await run(Scope.close(scope, Exit.void))
    rmSync(directory, { recursive: true, force: true })
  })

  it("ends equal to one in one thread; then both are promoted, follow what is recorded, and go back", {
    timeout: 180_000,
  }, async () => {
    await start(1)
    await untilAt("metrics-1")
    await command(rebuild)
    await untilAt("metrics-2")
    expect(await differences("metrics-1", "metrics-2")).toEqual([])
    await command({ _tag: "Cancel", projection: "metrics" })
    await stop()
    await start(2)
    await command(rebuild)
    await untilAt("metrics-3")
    expect(await differences("metrics-1", "metrics-3")).toEqual([])

    // What comes is folded while it is compared, is promoted, and stands by.
    const now = Date.now()
    const more = (n: number) =>
      append(
        Array.from({ length: 50 }, (_, i) => ({
          ...{ type: "pageview", at: now + i, recordedAt: now + i },
          data: { merchantId: `m-${i % MERCHANTS}`, clientKey: `more-${n}-${i % 5}` },
        })),
      )
    await more(1)
    const at = await run(
      Effect.scoped(
        Effect.tap(processors.holdLevel("metrics-1", "metrics-3"), (position) =>
          Effect.gen(function* () {
            for (const build of ["metrics-1", "metrics-3"]) {
              const checkpoints = yield* readModels.checkpoints(build)
              expect(new Set([...checkpoints.values()].map((one) => one.position))).toEqual(
                new Set([position]),
              )
            }
          }),
        ),
      ),
    )
    expect(Number(at)).toBeGreaterThan(5_000)
    await more(2)
    await untilAt("metrics-3")
    const promote = { build: "metrics-3", expectedServing: "metrics-1", force: false }
    await command({ _tag: "Promote", projection: "metrics", ...promote })
    await more(3)
    await untilAt("metrics-1")
    await untilAt("metrics-3")
    expect(await differences("metrics-1", "metrics-3")).toEqual([])
    await command({ _tag: "Rollback", projection: "metrics", expectedServing: "metrics-3", force: false })
    await more(4)
    await untilAt("metrics-1")
    await untilAt("metrics-3")
    expect(await differences("metrics-1", "metrics-3")).toEqual([])
    await stop()
    expect(deaths).toEqual([])
  })

  it("ends in good order when it is cancelled while one thread takes over from two", {
    timeout: 180_000,
  }, async () => {
    await start(2)
    await untilAt("metrics-1")
    for (let round = 2; round < 6; round++) {
      await command(rebuild)
      await untilAt(`metrics-${round}`)
      // It is looked once a second whether the build is level.
      const later = Date.now() + 600 + random.integer(1_000)
      await until("the moment", 5_000, () => Date.now() >= later)
      await command({ _tag: "Cancel", projection: "metrics" })
      expect((await run(processors.progress)).map(({ build }) => build)).not.toContain(`metrics-${round}`)
    }
    await stop()
    expect(deaths).toEqual([])
  })

  it("keeps nobody waiting who held it for a comparison, while it ends", { timeout: 60_000 }, async () => {
    await start(2)
    await untilAt("metrics-1")
    await command(rebuild)
    await untilAt("metrics-2")
    const build = (await run(readModels.builds)).find(({ id }) => id === "metrics-2")
    if (build === undefined) throw new Error("no metrics-2")
    await stop()
    const threads = Effect.runSync(Scope.make())
    const forThread = () => ({ _tag: "Embedded" as const, directory, feed: log.connect() })
    const own = await run(
      startRebuildThreads({
        ...{ log, build, threads: 2, deadLetters: "live", forThread, onProgress: () => {} },
        readModels: { directory, url: undefined },
      }).pipe(Scope.extend(threads)),
    )
    expect(await run(own.hold(await run(log.head)))).toBe(await run(log.head))
    const ended = run(Scope.close(threads, Exit.void))
    await run(Effect.timeout(own.letGo, 20_000))
    expect(await run(Effect.timeout(own.hold(await run(log.head)), 20_000))).toBeUndefined()
    await ended
  })

  it("goes on where each thread was when it is stopped at any moment and started in one, and leaves nothing when cancelled", {
    timeout: 180_000,
  }, async () => {
    await start(2)
    await untilAt("metrics-1")
    const files = (build: string) =>
      readdirSync(directory).filter((name) => name.startsWith(`build-${build}.db`))
    await command(rebuild)
    await until("it has a file", 20_000, () => files("metrics-2").length > 0)
    await stop()
    await start(1)
    await untilAt("metrics-2")
    expect(await differences("metrics-1", "metrics-2")).toEqual([])
    await command({ _tag: "Cancel", projection: "metrics" })
    await stop()
    await start(2)
    await command(rebuild)
    await until("it has a file", 20_000, () => files("metrics-3").length > 0)
    await command({ _tag: "Cancel", projection: "metrics" })
    await until("no file", 10_000, () => files("metrics-3").length === 0)
    expect((await run(processors.progress)).map(({ build }) => build)).not.toContain("metrics-3")
    await stop()
    expect(deaths).toEqual([])
  })
})
