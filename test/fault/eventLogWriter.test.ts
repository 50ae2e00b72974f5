import { type ChildProcess, execFileSync, fork } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { afterEach, describe, expect, it } from "vitest"
import { start } from "../../src/domain/Position.js"
import { LogUnavailable, NO_STREAM } from "../../src/eventlog/EventLog.js"
import { type EmbeddedLog, openEmbeddedLog } from "../../src/eventlog/embedded/EmbeddedLog.js"
import { openEmbeddedLogReader } from "../../src/eventlog/embedded/EmbeddedLogReader.js"
import type { EmbeddedLogOptions } from "../../src/eventlog/embedded/Options.js"
import { collect, newEvent } from "../contract/EventLogContract.js"
import { temporary } from "./eventLogFixture.js"

const scopes: Array<Scope.CloseableScope> = []
afterEach(async () => {
  for (const scope of scopes.splice(0).reverse()) await Effect.runPromise(Scope.close(scope, Exit.void))
})

const opening = async <A, E>(open: Effect.Effect<A, E, Scope.Scope>): Promise<A> => {
  const scope = await Effect.runPromise(Scope.make())
  scopes.push(scope)
  return Effect.runPromise(Scope.extend(open, scope))
}

const open = (options: EmbeddedLogOptions): Promise<EmbeddedLog> => opening(openEmbeddedLog(options))

const append = (log: EmbeddedLog, stream: string, count = 1) =>
  Effect.runPromise(
    Effect.either(
      log.append([
        { stream, expectedRevision: NO_STREAM, events: Array.from({ length: count }, () => newEvent()) },
      ]),
    ),
  )

describe("the writer of the embedded log", () => {
  it("lets one process write a directory, and tells the other which", async () => {
    const directory = temporary()
    await open({ directory })
    const again = await Effect.runPromise(Effect.either(Effect.scoped(openEmbeddedLog({ directory }))))
    expect(Either.isLeft(again) && again.left).toBeInstanceOf(LogUnavailable)
    expect(Either.isLeft(again) && again.left.message).toContain(directory)
    const rival = fileURLToPath(new URL("./eventLogRival.mjs", import.meta.url))
    const said = execFileSync(process.execPath, [rival, directory], { encoding: "utf8" })
    expect(said).toContain("Left")
    expect(said).toContain(directory)
  })

  it("frees the directory when it closes, and when opening failed", async () => {
    const directory = temporary()
    for (let round = 0; round < 3; round++) {
      const scope = await Effect.runPromise(Scope.make())
      const log = await Effect.runPromise(Scope.extend(openEmbeddedLog({ directory }), scope))
      expect(Either.isRight(await append(log, `s-${round}.x`))).toBe(true)
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
    const broken = temporary()
    writeFileSync(join(broken, "events.db"), "not a database, though it should be one".repeat(200))
    for (let round = 0; round < 2; round++) {
      const result = await Effect.runPromise(
        Effect.either(Effect.scoped(openEmbeddedLog({ directory: broken }))),
      )
      expect(Either.isLeft(result) && result.left._tag).toBe("LogDamaged")
    }
  })

  it("keeps what was acknowledged before kill -9, and gives the lock back", async () => {
    const directory = temporary()
    for (let round = 0; round < 3; round++) {
      const child: ChildProcess = fork(new URL("./eventLogVictim.mjs", import.meta.url), [
        directory,
        String(round),
      ])
      const acknowledged: Array<string> = []
      child.on("message", (id: string) => acknowledged.push(id))
      const deadline = Date.now() + 20_000
      while (acknowledged.length < 300 && Date.now() < deadline)
        await new Promise((next) => setTimeout(next, 5))
      child.kill("SIGKILL")
      await once(child, "exit")
      expect(acknowledged.length).toBeGreaterThanOrEqual(300)
      const scope = await Effect.runPromise(Scope.make())
      const log = await Effect.runPromise(Scope.extend(openEmbeddedLog({ directory }), scope))
      const found = (await collect(log.readAll({ direction: "forwards" }))).map((event) => event.eventId)
      await Effect.runPromise(Scope.close(scope, Exit.void))
      expect(new Set(found).size).toBe(found.length)
      const there = new Set(found)
      expect(acknowledged.filter((id) => !there.has(id))).toEqual([])
    }
  })

  it("fails pending and later appends when its thread dies, and says so", async () => {
    const directory = temporary()
    const log = await open({ directory, slowdownMs: 300 })
    const pending = append(log, "s-1.x")
    const follower = Effect.runFork(Effect.either(Stream.runDrain(log.subscribe({ after: start }))))
    const failure = Effect.runPromise(log.failure)
    // A message that the writer can't take is a defect: it must not go on as if nothing were wrong.
    log.connect().postMessage(null)
    const results = await Promise.all([pending, failure])
    expect(results[1]).toBeInstanceOf(LogUnavailable)
    const later = await append(log, "s-2.x")
    expect(Either.isLeft(later) && later.left._tag).toBe("LogUnavailable")
    const ended = await Effect.runPromise(Fiber.join(follower))
    expect(Either.isLeft(ended) && ended.left._tag).toBe("LogUnavailable")
  })

  it("answers within the deadline though the disk does not", async () => {
    const log = await open({ directory: temporary(), slowdownMs: 3_000, deadlineMs: 400 })
    const began = Date.now()
    const result = await append(log, "s-1.x")
    expect(Date.now() - began).toBeLessThan(2_500)
    expect(Either.isLeft(result) && result.left.reason).toContain("400 ms")
  })

  it("turns appends away when too many wait", async () => {
    const log = await open({ directory: temporary(), slowdownMs: 200, waitingEvents: 50 })
    const results = await Promise.all(Array.from({ length: 30 }, (_, i) => append(log, `s-${i}.x`, 10)))
    const away = results.filter(Either.isLeft)
    expect(away.length).toBeGreaterThan(10)
    expect(away.every((result) => result.left.reason.includes("too many"))).toBe(true)
    expect(results.filter(Either.isRight).length).toBeGreaterThan(4)
    expect(await collect(log.readAll({ direction: "forwards" }))).toHaveLength(
      10 * results.filter(Either.isRight).length,
    )
    expect(Either.isRight(await append(log, "s-99.x"))).toBe(true)
  })

  it("says that the disk is full, stores nothing of the transaction, and goes on when there is room", async () => {
    const log = await open({ directory: temporary(), maxPages: 60 })
    let full: LogUnavailable | undefined
    let stored = 0
    for (let i = 0; i < 40 && full === undefined; i++) {
      const result = await append(log, `s-${i}.x`, 30)
      if (Either.isLeft(result)) full = result.left
      else stored += 30
    }
    expect(full?.reason).toContain("full")
    expect(await collect(log.readAll({ direction: "forwards" }))).toHaveLength(stored)
    const small = await append(log, "t-1.x")
    if (Either.isRight(small)) stored++
    expect(await collect(log.readAll({ direction: "forwards" }))).toHaveLength(stored)
  })
})

describe("a reader of the embedded log", () => {
  it("in another thread gets live events within milliseconds, and refuses appends", async () => {
    const directory = temporary()
    const log = await open({ directory })
    const port = log.connect()
    const worker = new Worker(new URL("./eventLogFollower.mjs", import.meta.url), {
      workerData: { directory, port },
      transferList: [port],
    })
    const seen: Array<string> = []
    let refused = ""
    worker.on("message", (message: { ids?: Array<string>; refused?: string }) => {
      seen.push(...(message.ids ?? []))
      refused ||= message.refused ?? ""
    })
    const until = async (count: number) => {
      const deadline = Date.now() + 20_000
      while (seen.length < count) {
        if (Date.now() > deadline) throw new Error(`saw ${seen.length} of ${count}`)
        await new Promise((next) => setImmediate(next))
      }
    }
    await append(log, "s-0.x")
    await until(1)
    const times: Array<number> = []
    for (let i = 1; i <= 50; i++) {
      await append(log, `s-${i}.x`)
      const acknowledged = performance.now()
      await until(i + 1)
      times.push(performance.now() - acknowledged)
    }
    times.sort((a, b) => a - b)
    console.log(`from commit to the other thread: median ${times[25]?.toFixed(2)} ms`)
    expect(times[25]).toBeLessThan(50)
    expect(refused).toContain("reader")
    await worker.terminate()
  })

  it("of another process sees what a running writer commits", async () => {
    const directory = temporary()
    const log = await open({ directory })
    const reader = await opening(openEmbeddedLogReader({ directory }))
    expect(reader.logId).toBe(log.logId)
    await append(log, "s-1.x", 3)
    expect(await collect(reader.readAll({ direction: "forwards" }))).toHaveLength(3)
    const first = Effect.runFork(
      Stream.runHead(Stream.filter(reader.subscribe({ after: start }), (batch) => batch.events.length === 2)),
    )
    await append(log, "s-2.x", 2)
    const head = await Effect.runPromise(Effect.timeoutOption(Fiber.join(first), "10 seconds"))
    expect(head._tag).toBe("Some")
  })

  it("says so when there is no log", async () => {
    const directory = temporary()
    const result = await Effect.runPromise(Effect.either(Effect.scoped(openEmbeddedLogReader({ directory }))))
    expect(Either.isLeft(result) && result.left.message).toContain(directory)
  })
})
