import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { EmbeddedQuarantine } from "../../../src/collect/EmbeddedQuarantine.js"
import { Quarantine, type QuarantinePage, type Refusal } from "../../../src/collect/Quarantine.js"

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tidemark-quarantine-"))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const refusal = (index: number, changes: Partial<Refusal> = {}): Refusal => ({
  at: 1_000 + index,
  merchantId: index % 2 === 0 ? "even" : "odd",
  keyId: "key",
  index,
  code: "INVALID_AMOUNT",
  path: "amount",
  message: "amount must be an integer.",
  event: { amount: "x", index, clientId: "client-secret" },
  size: 100,
  ...changes,
})
const refusals = (count: number) => Array.from({ length: count }, (_, index) => refusal(index))
const list = (quarantine: EmbeddedQuarantine, page: Parameters<EmbeddedQuarantine["list"]>[0]) =>
  Effect.runSync(quarantine.list(page))
const open = (options: Partial<ConstructorParameters<typeof EmbeddedQuarantine>[0]> = {}) =>
  new EmbeddedQuarantine({ directory, clock: () => 10_000, ...options })

describe("the embedded quarantine", () => {
  it("lists newest first, in pages, for one merchant or all", () => {
    const quarantine = open()
    quarantine.put(refusals(25))
    quarantine.flush()
    const seen: Array<number | undefined> = []
    let after: string | undefined
    do {
      const page: QuarantinePage = list(
        quarantine,
        after === undefined ? { first: 10 } : { first: 10, after },
      )
      seen.push(...page.entries.map((entry) => entry.index))
      after = page.next
    } while (after !== undefined)
    expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => 24 - index))
    const even = list(quarantine, { merchantId: "even", first: 3 }).entries
    expect(even.map((entry) => entry.index)).toEqual([24, 22, 20])
    expect(even[0]).toEqual({
      id: "25",
      at: 1_024,
      merchantId: "even",
      keyId: "key",
      index: 24,
      code: "INVALID_AMOUNT",
      path: "amount",
      message: "amount must be an integer.",
      size: 100,
      event: { amount: "x", index: 24, clientId: "(string of 13 characters)" },
    })
    quarantine.close()
  })

  it("refuses a cursor that it never gave", () => {
    const quarantine = open()
    for (const cursor of ["", "x", "-1", "1e3", "1 OR 1=1"]) {
      const result = Effect.runSync(Effect.either(quarantine.list({ first: 1, after: cursor })))
      expect(Either.isLeft(result) && result.left._tag).toBe("InvalidCursor")
    }
    quarantine.close()
  })

  it("keeps the newest of too many, and numbers them on after that", () => {
    const quarantine = open({ maxEntries: 10 })
    for (let at = 0; at < 350; at += 50) {
      quarantine.put(Array.from({ length: 50 }, (_, index) => refusal(at + index)))
      quarantine.flush()
    }
    expect(list(quarantine, { first: 100 }).entries.map((entry) => entry.index)).toEqual(
      Array.from({ length: 10 }, (_, index) => 349 - index),
    )
    quarantine.close()
  })

  it("forgets what is too old: at once for readers, on disk when it looks again", () => {
    let now = 2_000
    const quarantine = open({ keepMs: 1_000, clock: () => now })
    quarantine.put(refusals(10))
    quarantine.flush()
    expect(list(quarantine, { first: 100 }).entries.length).toBe(10)
    now = 2_005
    expect(list(quarantine, { first: 100 }).entries.length).toBe(5)
    now = 10_000
    quarantine.close()
    const again = open({ keepMs: 100_000, clock: () => 10_000 })
    expect(list(again, { first: 100 }).entries.length).toBe(10)
    again.close()
    open({ keepMs: 1_000, clock: () => 10_000 }).close()
    const last = open({ keepMs: 100_000, clock: () => 10_000 })
    expect(list(last, { first: 100 }).entries.length).toBe(0)
    last.close()
  })

  it("holds a bounded number and size of entries, and counts what it drops", () => {
    const quarantine = open({ maxWaiting: 20, maxWaitingBytes: 1_500 })
    quarantine.put(refusals(30))
    expect(quarantine.stats()).toEqual({ waiting: 15, written: 0, dropped: 15 })
    quarantine.put(
      Array.from({ length: 30 }, (_, index) => refusal(index, { event: undefined, size: 10_000_000 })),
    )
    expect(quarantine.stats()).toEqual({ waiting: 20, written: 0, dropped: 40 })
    quarantine.flush()
    expect(quarantine.stats()).toEqual({ waiting: 0, written: 20, dropped: 40 })
    quarantine.close()
  })

  it("writes by itself, closes with its layer, and never has raw personal data on disk", async () => {
    const layer = EmbeddedQuarantine.layer({ directory })
    const program = Effect.gen(function* () {
      const quarantine = yield* Quarantine
      quarantine.put([refusal(0, { at: Date.now() })])
      for (let tries = 0; quarantine.stats().written === 0 && tries < 500; tries += 1) yield* Effect.sleep(10)
      quarantine.put([refusal(1, { at: Date.now() })])
    })
    await Effect.runPromise(Effect.provide(program, layer))
    const reopened = Effect.gen(function* () {
      return yield* (yield* Quarantine).list({ first: 10 })
    }).pipe(Effect.provide(Layer.fresh(layer)))
    expect((await Effect.runPromise(reopened)).entries.map((entry) => entry.index)).toEqual([1, 0])
    for (const file of readdirSync(directory)) {
      expect(readFileSync(join(directory, file)).includes("client-secret")).toBe(false)
    }
  })
})
