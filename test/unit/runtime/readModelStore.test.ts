import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { describe, expect, it } from "vitest"
import { readModelStore } from "../../../src/runtime/ReadModelStore.js"

const given = (value: string | undefined) =>
  Effect.runPromise(
    Effect.either(readModelStore).pipe(
      Effect.withConfigProvider(
        ConfigProvider.fromMap(new Map(value === undefined ? [] : [["TIDEMARK_READ_MODELS", value]])),
      ),
    ),
  )

describe("TIDEMARK_READ_MODELS", () => {
  it("is the embedded store when nothing is said", async () => {
    for (const value of [undefined, "embedded"]) {
      expect(await given(value)).toMatchObject({ right: { _tag: "Embedded" } })
    }
  })

  it("takes a connection string of MongoDB, and keeps it out of what is printed", async () => {
    const url = "mongodb://user:geheim@db.example:27017/shop?tls=true"
    const found = await given(url)
    if (found._tag !== "Right" || found.right._tag !== "MongoDB") throw new Error("not taken")
    expect(Redacted.value(found.right.url)).toBe(url)
    expect(JSON.stringify(found.right)).not.toContain("geheim")
  })

  it.each(["mongo", "postgres://h/x", "mongodb://", "mongodb://u:geheim@", "mongodb://u:geheim@h/?nosuch=1"])(
    "is refused by name, without the password: %s",
    async (value) => {
      const found = await given(value)
      expect(found._tag).toBe("Left")
      expect(String(found)).toContain("TIDEMARK_READ_MODELS")
      expect(String(found)).not.toContain("geheim")
    },
  )
})
