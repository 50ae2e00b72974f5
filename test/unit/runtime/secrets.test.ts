import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { loadSecrets } from "../../../src/runtime/Secrets.js"
import { runtimeSettings } from "../../../src/runtime/Settings.js"

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tidemark-secrets-"))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const load = (env: Record<string, string> = {}) => {
  const given = new Map(Object.entries({ TIDEMARK_DATA_DIR: directory, ...env }))
  return Effect.runPromise(
    runtimeSettings.pipe(
      Effect.withConfigProvider(ConfigProvider.fromMap(given)),
      Effect.flatMap(loadSecrets),
    ),
  )
}

describe("keys and secrets", () => {
  it("are made once and kept", async () => {
    const first = await load()
    const second = await load()
    expect([first.adminKeyIsNew, second.adminKeyIsNew]).toEqual([true, false])
    for (const name of ["adminKey", "secret"] as const)
      expect(Redacted.value(second[name])).toBe(Redacted.value(first[name]))
    expect(readFileSync(join(directory, "secret"), "utf8").trim()).toBe(Redacted.value(first.secret))
  })

  it("a secret that the log was made with is never replaced by a new one", async () => {
    const { secret } = await load()
    rmSync(join(directory, "secret"))
    mkdirSync(join(directory, "log"))
    writeFileSync(join(directory, "log", "events.db"), "")
    await expect(load()).rejects.toThrow(/secret of the pseudonyms is missing/)
    await expect(load({ TIDEMARK_SECRET: "another" })).rejects.toThrow(/not the secret/)
    const restored = await load({ TIDEMARK_SECRET: Redacted.value(secret) })
    expect(Redacted.value(restored.secret)).toBe(Redacted.value(secret))
  })
})
