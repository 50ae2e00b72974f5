import { ConfigProvider, Effect, Either, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { eventLogChoice } from "../../../src/runtime/Settings.js"

const chosen = (text?: string) =>
  Effect.runSync(
    Effect.either(
      Effect.withConfigProvider(
        eventLogChoice,
        ConfigProvider.fromMap(new Map(text === undefined ? [] : [["TIDEMARK_EVENT_LOG", text]])),
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
