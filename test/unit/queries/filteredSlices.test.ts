import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import { metrics } from "../../../src/projections/metrics.js"
import * as EmbeddedReadModels from "../../../src/readmodels/embedded/EmbeddedReadModels.js"
import { ReadModels } from "../../../src/readmodels/ReadModels.js"
import { Folding } from "../../support/folded.js"
import { recorded } from "../processors/support.js"

const began = Date.parse("2026-03-01T00:00:00Z")
const subject = { id: "m", timezone: "UTC", currency: "USD" }

describe("a filtered answer", () => {
  it("counts each event once, though its facts are read in many slices", async () => {
    const directory = mkdtempSync(join(tmpdir(), "tidemark-slices-"))
    const count = 40_000
    const events = recorded(
      Array.from({ length: count }, (_, i) => {
        const at = began + Math.floor((i * 3 * 86_400_000) / count)
        return {
          type: "pageview",
          at,
          recordedAt: at,
          data: { merchantId: "m", path: i % 2 === 0 ? "/a" : "/b" },
        }
      }),
    )
    const read = Effect.gen(function* () {
      const context = yield* Layer.build(EmbeddedReadModels.layer({ directory }))
      const store = yield* Effect.provide(ReadModels, context)
      const folding = yield* Effect.promise(() => Folding.of(metrics, store))
      for (const event of events) folding.take(event)
      yield* Effect.promise(() => folding.commit())
      const range = { from: began, to: began + 3 * 86_400_000 }
      const filter = { all: [{ dimension: "PATH" as const, in: ["/a"] }] }
      const { numbers } = folding.queries()
      return yield* numbers.series(subject, { metric: "EVENTS", interval: "MONTH", range, filter })
    })
    const { points } = await Effect.runPromise(Effect.scoped(read))
    rmSync(directory, { recursive: true, force: true })
    expect(points.map(({ value }) => value)).toEqual([count / 2])
  })
})
