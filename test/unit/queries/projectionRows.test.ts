import { join } from "node:path"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { EventLog } from "../../../src/eventlog/EventLog.js"
import * as EmbeddedKeyStore from "../../../src/keystore/embedded/EmbeddedKeyStore.js"
import { Processors } from "../../../src/processors/Processors.js"
import { hourly } from "../../../src/projections/hourly.js"
import { projectionsWith } from "../../../src/projections/index.js"
import * as QueriesLayer from "../../../src/queries/Queries.js"
import { Queries } from "../../../src/queries/Queries.js"
import { ReadModels } from "../../../src/readmodels/ReadModels.js"
import { Bench, run, type TestEvent } from "../processors/support.js"

describe("rows of a projection in one file", () => {
  let bench: Bench
  let scope: Scope.CloseableScope
  beforeEach(async () => {
    bench = await new Bench().open()
    scope = await run(Scope.make())
  })
  afterEach(async () => {
    await run(Scope.close(scope, Exit.void))
    await bench.close()
  })

  it("are folded where they are asked for by name, and read by merchant and the beginning of a key", async () => {
    const visit = (merchantId: string, text: string): TestEvent => {
      const at = Date.parse(text)
      return { type: "pageview", at, recordedAt: Date.parse("2026-03-03T00:00:00Z"), data: { merchantId } }
    }
    await bench.start(projectionsWith(" hourly,funnel, "))
    const position = await bench.append([
      visit("m", "2026-03-01T10:30:00Z"),
      visit("m", "2026-03-02T11:00:00Z"),
      visit("m", "2026-03-01T09:00:00Z"),
      visit("m-2", "2026-03-01T10:00:00Z"),
      visit("m", "2026-03-01T10:31:00Z"),
    ])
    await bench.caughtUp(position)
    const layer = QueriesLayer.layer({ secret: Buffer.from("secret"), idleAfterMs: 1_000 }).pipe(
      Layer.provide(EmbeddedKeyStore.layer({ directory: join(bench.directory, "keys") })),
      Layer.provide(Layer.succeed(EventLog, bench.log)),
      Layer.provide(Layer.succeed(ReadModels, bench.readModels)),
      Layer.provide(Layer.succeed(Processors, bench.processors)),
    )
    const queries = Context.get(await run(Layer.buildWithScope(layer, scope)), Queries)
    const hours = async (...parts: ReadonlyArray<string>) => {
      const { rows, asOf } = await run(queries.rows(hourly, "hours", "m", ...parts))
      expect(asOf.position).toBe(position)
      return rows.map(({ merchantId, key, row }) => [merchantId, ...key, row.events])
    }
    expect(await hours()).toEqual([
      ["m", "2026-03-01T09", 1],
      ["m", "2026-03-01T10", 2],
      ["m", "2026-03-02T11", 1],
    ])
    expect(await hours("2026-03-01T10")).toEqual([["m", "2026-03-01T10", 2]])
    expect(await hours("2026-03-01")).toEqual([])
  })

  it("refuses the name of an optional projection that there is not", () => {
    expect(() => projectionsWith("hourly,dayly")).toThrow(
      'there is no optional projection "dayly": there are funnel, hourly',
    )
    expect(projectionsWith("").map(({ name }) => name)).toEqual(["metrics", "clients", "merchants"])
  })
})
