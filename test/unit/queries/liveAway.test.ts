import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type EventLogService, LogUnavailable } from "../../../src/eventlog/EventLog.js"
import { type EmbeddedLog, openEmbeddedLog } from "../../../src/eventlog/embedded/EmbeddedLog.js"
import { makeFeed } from "../../../src/queries/live/Feed.js"
import { makeIdleQueries } from "../../../src/queries/live/IdleQueries.js"
import type { MerchantQueries } from "../../../src/queries/MerchantQueries.js"
import type { Profiles } from "../../../src/queries/Profiles.js"
import { everything } from "../../../src/queries/Scope.js"
import { type Temporary, temporary } from "../../support/temporary.js"
import { until } from "../../support/until.js"

let directory: Temporary
let scope: Scope.CloseableScope
let real: EmbeddedLog
let isAway: boolean
let log: EventLogService

const quiet = Logger.minimumLogLevel(LogLevel.None)

beforeEach(async () => {
  directory = temporary()
  scope = await Effect.runPromise(Scope.make())
  const opening = openEmbeddedLog({ directory: join(directory.path, "log"), slowdownMs: 0 })
  real = await Effect.runPromise(Scope.extend(opening, scope))
  isAway = true
  const head = Effect.suspend(() =>
    isAway ? Effect.fail(new LogUnavailable({ reason: "away" })) : real.head,
  )
  log = { ...real, head }
})
afterEach(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  directory.remove()
})

describe("while the log is away", () => {
  it("a merchant's feed says so, and begins once the log is back", async () => {
    const feed = makeFeed(log, Runtime.defaultRuntime)
    const { start, stop } = feed.follow("m-1", () => {})
    expect(Exit.isFailure(await Effect.runPromiseExit(start))).toBe(true)
    isAway = false
    let began = false
    await until("it begins", 10_000, async () => {
      began ||= Exit.isSuccess(await Effect.runPromiseExit(start))
      return began
    })
    stop()
    expect(feed.size()).toBe(0)
  })

  it("who could not subscribe to idle clients takes no place", async () => {
    const making = makeIdleQueries({
      log,
      // Neither is asked: nobody watches one merchant, and no client becomes idle.
      merchants: {} as MerchantQueries,
      profiles: {} as Profiles,
    })
    const idle = await Effect.runPromise(Scope.extend(Effect.provide(making, Layer.empty), scope))
    const watch = Effect.provide(idle.watch(everything), quiet)
    for (let left = 1_001; left > 0; left--) {
      const exit = await Effect.runPromiseExit(Effect.flip(watch))
      expect(Exit.isSuccess(exit) && exit.value._tag).toBe("LogUnavailable")
    }
    isAway = false
    const told = await Effect.runPromise(watch)
    await told.return?.()
  })
})
