import { statSync } from "node:fs"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { openEmbeddedLog } from "../../../src/eventlog/embedded/EmbeddedLog.js"
import { filesOf } from "../../../src/eventlog/embedded/Files.js"
import { newEvent } from "../../contract/EventLogContract.js"
import { temporary } from "../../fault/eventLogFixture.js"

const ROUNDS = 300
const STREAMS = 64
const MIB = 1024 * 1024

it("the write-ahead log stays bounded while events come without a pause", { timeout: 60_000 }, async () => {
  const directory = temporary()
  const { wal } = filesOf(directory)
  let written = 0
  let largest = 0
  await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const log = yield* openEmbeddedLog({ directory, checkpointPages: 100 })
        for (let round = 0; round < ROUNDS; round++) {
          const appends = Array.from({ length: STREAMS }, (_, at) => ({
            stream: `merchant-000.m-${round}-${at}`,
            expectedRevision: -1,
            events: [newEvent("x".repeat(2_000))],
          }))
          yield* log.append(appends)
          written += STREAMS * 2_000
          largest = Math.max(largest, statSync(wal).size)
        }
      }),
    ),
  )
  expect(written).toBeGreaterThan(30 * MIB)
  expect(largest).toBeLessThan(12 * MIB)
})
