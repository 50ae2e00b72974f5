import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { describe, expect, it } from "vitest"
import { eventLogChoice } from "../../../src/runtime/Settings.js"

const chosen = (text?: string, prefix?: string) =>
  Effect.runSync(
    Effect.either(
      Effect.withConfigProvider(
        eventLogChoice,
        ConfigProvider.fromJson({
          ...(text === undefined ? {} : { TIDEMARK_EVENT_LOG: text }),
          ...(prefix === undefined ? {} : { TIDEMARK_EVENT_LOG_PREFIX: prefix }),
        }),
      ),
    ),
  )

describe("TIDEMARK_EVENT_LOG", () => {
  it("is the embedded log when it is not set", () => {
    expect(Either.getOrThrow(chosen())).toEqual({ _tag: "Embedded" })
    expect(Either.getOrThrow(chosen("embedded"))).toEqual({ _tag: "Embedded" })
  })

  it("takes a connection, and never prints it", () => {
    for (const text of ["esdb://u:geheim@host:2113?tls=false", "esdb+discover://cluster"]) {
      const choice = Either.getOrThrow(chosen(text))
      expect(choice._tag === "EventStoreDB" && Redacted.value(choice.connection)).toBe(text)
      expect(JSON.stringify(choice)).not.toContain("host")
    }
  })

  it("takes what stands in front of the names of streams, unless that could be taken for another log's", () => {
    const text = "esdb://host:2113?tls=false"
    expect(Either.getOrThrow(chosen(text))).toMatchObject({ prefix: "" })
    expect(Either.getOrThrow(chosen(text, "staging."))).toMatchObject({ prefix: "staging." })
    for (const wrong of ["$x", "a b", "merchant-001.", "x-client-", "x".repeat(65)]) {
      const error = chosen(text, wrong)
      expect(String(Either.isLeft(error) && error.left)).toContain("TIDEMARK_EVENT_LOG_PREFIX")
    }
  })

  it("says which variable is wrong, and what it has to be, without the password", () => {
    for (const text of [
      "",
      "mongodb://host",
      "esdb://u:geheim@host:port",
      "esdb://u:geheim@host?tls=maybe",
    ]) {
      const error = chosen(text)
      expect(Either.isLeft(error)).toBe(true)
      const message = String(Either.isLeft(error) && error.left)
      expect(message).toContain("TIDEMARK_EVENT_LOG")
      expect(message).toContain("esdb://")
      expect(message).not.toContain("geheim")
    }
  })
})
