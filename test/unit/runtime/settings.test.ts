import { availableParallelism } from "node:os"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { expect, it } from "vitest"
import { runtimeSettings } from "../../../src/runtime/Settings.js"

const settings = (environment: Readonly<Record<string, string>>) =>
  Effect.runPromiseExit(
    Effect.withConfigProvider(runtimeSettings, ConfigProvider.fromMap(new Map(Object.entries(environment)))),
  )

it("takes durations with a unit, and the standard where none is given", async () => {
  const found = await settings({ TIDEMARK_IDLE_AFTER: "2 seconds" })
  expect(Exit.isSuccess(found) && Duration.toMillis(found.value.idleAfter)).toBe(2_000)
  expect(Exit.isSuccess(found) && Duration.toMinutes(found.value.passivateAfter)).toBe(2)
})

it("folds rebuilds in two threads where there is a core for each, and in as many as it is told", async () => {
  const standard = await settings({})
  expect(Exit.isSuccess(standard) && standard.value.rebuildThreads).toBe(Math.min(2, availableParallelism()))
  const told = await settings({ TIDEMARK_REBUILD_THREADS: "3" })
  expect(Exit.isSuccess(told) && told.value.rebuildThreads).toBe(3)
  for (const wrong of ["0", "17", "2.5", "two"]) {
    const found = await settings({ TIDEMARK_REBUILD_THREADS: wrong })
    expect(Exit.isFailure(found) && String(found.cause)).toContain("TIDEMARK_REBUILD_THREADS")
  }
})

it.each(["2s", "30", "", "0 seconds", "-1 minute", "Infinity"])(
  'says how "%s" should have been written',
  async (text) => {
    const found = await settings({ TIDEMARK_IDLE_AFTER: text })
    const said = Exit.isFailure(found) ? String(found.cause) : ""
    expect(said).toContain(`"${text}" must be a number and a unit`)
    expect(said).toContain("TIDEMARK_IDLE_AFTER")
    expect(said).toContain("2 seconds")
  },
)
