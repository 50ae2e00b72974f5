import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { afterAll, expect, it } from "vitest"
import { LevelStreamIndex } from "../../src/actors/embedded/LevelStreamIndex.js"
import { eventId, streamNamespace } from "../../src/domain/Ids.js"
import { fromNumber } from "../../src/domain/Position.js"
import { rounds } from "../support/rounds.js"
import { temporaryDirectory } from "../support/TidemarkProcess.js"

const IDS = rounds(500_000, 5_000_000)
const BATCH = 5_000

const directory = temporaryDirectory()
afterAll(() => directory.remove())

it(`${IDS.toLocaleString("en")} event ids of one merchant: it answers within 2 s of a restart, below 64 MB`, {
  timeout: 600_000,
}, async () => {
  const stream = "merchant-001.many"
  const namespace = streamNamespace(stream)
  const index = await LevelStreamIndex.open({ directory: directory.path })
  for (let first = 0; first < IDS; first += BATCH) {
    index.record({
      stream,
      partition: 1,
      revision: first + BATCH - 1,
      position: fromNumber((first + BATCH) * 300),
      recordedAt: first,
      eventIds: Array.from({ length: BATCH }, (_, at) => eventId(namespace, `e-${first + at}`)),
      merchant: { settings: undefined, apiKeys: {} },
      merchantChanged: first === 0,
    })
    await new Promise<void>((resolve) => index.whenRoom(resolve))
  }
  await index.close()
  const program = fileURLToPath(new URL("./manyIds.mjs", import.meta.url))
  const output = execFileSync(process.execPath, ["--expose-gc", program, directory.path, stream, String(IDS)])
  const result = JSON.parse(output.toString())
  console.log(
    `${IDS} ids: answers after ${Math.round(result.answeredMs)} ms, ${(result.grownBytes / 2 ** 20).toFixed(0)} MB, and ${(result.mappedBytes / 2 ** 20).toFixed(0)} MB of mapped files`,
  )
  expect(result).toMatchObject({ right: true, knowsAll: true })
  expect(result.answeredMs).toBeLessThan(2_000)
  expect(result.grownBytes).toBeLessThan(64 * 2 ** 20)
})
