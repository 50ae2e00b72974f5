import { DatabaseSync } from "@photostructure/sqlite"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runVerify } from "../../../src/cli/verify/runVerify.js"
import { logChecks } from "../../../src/processors/LogChecks.js"
import { WorkingSet } from "../../../src/processors/WorkingSet.js"
import { projections } from "../../../src/projections/index.js"
import { databaseFile } from "../../../src/readmodels/embedded/Tables.js"
import { seededRandom } from "../../support/Seed.js"
import { Bench, recorded, run } from "./support.js"

const now = Date.parse("2026-11-21T12:00:00Z")

describe("verify", () => {
  const bench = new Bench()
  beforeAll(async () => {
    await bench.open()
    const { random } = seededRandom("verify")
    await bench.start(projections)
    const events = Array.from({ length: 500 }, (_, i) => ({
      type: "payment",
      at: now - random.integer(20) * 3_600_000,
      recordedAt: now + i,
      data: {
        merchantId: `m-${i % 7}`,
        clientKey: `c-${i % 31}`,
        path: `/${i % 3}`,
        amount: i,
        currency: "USD",
        paymentMethod: "card",
      },
    }))
    await bench.caughtUp(await bench.append(events))
  })
  afterAll(() => bench.close())

  const verified = () =>
    run(
      runVerify(
        {
          log: bench.directory,
          eventLog: { _tag: "Embedded" },
          readModels: { directory: bench.directory, url: undefined },
        },
        () => {},
      ),
    )

  it("finds all equal beside a running engine, and says how much it compared", async () => {
    const report = await verified()
    expect(report).toMatchObject({ equal: true, events: 500, differenceCount: 0, logFaultCount: 0 })
    expect(report.builds.map((build) => build.build).sort()).toEqual([
      "clients-1",
      "merchants-1",
      "metrics-1",
    ])
    for (const build of report.builds) {
      expect(build.documents).toBeGreaterThanOrEqual(7)
      expect(build.position).toBe("500")
    }
  })

  it("finds a changed, a missing and an additional document", async () => {
    await bench.stop()
    const change = (build: string, sql: string) => {
      const database = new DatabaseSync(databaseFile(bench.directory, build))
      expect(database.prepare(sql).run().changes).toBe(1)
      database.close()
    }
    change(
      "merchants-1",
      `UPDATE merchants SET doc = replace(doc, '"events":', '"events":1') WHERE key = 'm-3'`,
    )
    change("clients-1", `DELETE FROM clients WHERE key = 'm-1' || char(1) || 'c-1'`)
    change("metrics-1", `INSERT INTO days (key, doc) VALUES ('m-9', '{}')`)
    const report = await verified()
    expect(report.equal).toBe(false)
    expect(report.differenceCount).toBe(3)
    const found = report.differences.map(({ build, collection, key, stored, expected }) => [
      build,
      collection,
      key.join(" "),
      stored === undefined,
      expected === undefined,
    ])
    expect(found).toContainEqual(["merchants-1", "merchants", "m-3", false, false])
    expect(found).toContainEqual(["clients-1", "clients", "m-1 c-1", true, false])
    expect(found).toContainEqual(["metrics-1", "days", "m-9", false, true])
  })

  it("says that it could not check where there is nothing to check", async () => {
    const result = await run(
      Effect.either(
        runVerify(
          {
            log: "/nowhere",
            eventLog: { _tag: "Embedded" },
            readModels: { directory: bench.directory, url: undefined },
          },
          () => {},
        ),
      ),
    )
    expect(result._tag).toBe("Left")
  })
})

describe("the checks of the log", () => {
  const faultsOf = (
    change: (events: Array<ReturnType<typeof recorded>[number]>) => void,
  ): ReadonlyArray<string> => {
    const events = [
      ...recorded(
        Array.from({ length: 6 }, (_, i) => ({
          type: "pageview",
          at: now,
          recordedAt: now + i,
          data: { merchantId: "m" },
        })),
      ),
    ]
    change(events)
    const faults: Array<string> = []
    const check = logChecks(({ what }) => faults.push(what))
    const docs = new WorkingSet(() => undefined)
    for (const event of events) check.apply(event, docs)
    return faults
  }
  const first = (faults: ReadonlyArray<string>) => faults[0] ?? "none"

  it("find nothing wrong with a log that is right", () => {
    expect(faultsOf(() => {})).toEqual([])
  })
  it("find an event id that is stored twice", () => {
    expect(
      first(
        faultsOf((events) => {
          events[4] = { ...events[4]!, eventId: events[1]!.eventId }
        }),
      ),
    ).toContain("stored twice")
  })
  it("find a gap in a stream", () => {
    expect(
      first(
        faultsOf((events) => {
          events.splice(2, 1)
        }),
      ),
    ).toContain("revision 3 follows revision 1")
  })
  it("find a recording time that steps back", () => {
    expect(
      first(
        faultsOf((events) => {
          events[3] = { ...events[3]!, metadata: { ...events[3]!.metadata, recordedAt: now - 1 } }
        }),
      ),
    ).toContain("recorded at")
  })
  it("find positions that do not rise", () => {
    expect(
      first(
        faultsOf((events) => {
          events[3] = { ...events[3]!, position: events[1]!.position }
        }),
      ),
    ).toContain("position")
  })
})
