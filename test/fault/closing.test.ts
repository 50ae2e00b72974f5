import { join } from "node:path"
import { DatabaseSync } from "@photostructure/sqlite"
import { afterAll, describe, expect, it } from "vitest"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path, {
  TIDEMARK_EVENT_LOG: "embedded",
  TIDEMARK_READ_MODELS: "embedded",
})
afterAll(async () => {
  await tidemark.kill()
  directory.remove()
})

const send = async (from: number, count: number) => {
  const events = Array.from({ length: count }, (_, i) => ({
    ...{ id: `e-${from + i}`, type: "pageview", merchantId: "m", clientId: `c-${i % 20}` },
  }))
  expect((await tidemark.send(events)).status).toBe(202)
}

const counted = async (): Promise<number> => {
  const day = 86_400_000
  const range = {
    from: new Date(Date.now() - day).toISOString(),
    to: new Date(Date.now() + day).toISOString(),
  }
  const { merchant } = await tidemark.graphql(
    `query ($range: TimeRange!) { merchant(id: "m") { totals(range: $range) { values { metric value } } } }`,
    { range },
  )
  const values: ReadonlyArray<{ readonly metric: string; readonly value: number }> =
    merchant?.totals.values ?? []
  return Number(values.find(({ metric }) => metric === "EVENTS")?.value ?? 0)
}

describe("the program is told to end", () => {
  it("ends while its read models can't be written, and counts what it had taken when it is started again", {
    timeout: 120_000,
  }, async () => {
    await tidemark.start()
    await send(0, 200)
    await until("they are counted", 30_000, async () => (await counted()) === 200)
    // Somebody looks at the file by hand, and forgets to close it.
    const other = new DatabaseSync(join(directory.path, "readmodels", "build-metrics-1.db"))
    other.exec("BEGIN IMMEDIATE")
    await send(200, 300)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const began = performance.now()
    await tidemark.stop()
    // An attempt to write waits 3 s for the lock, and another may have begun.
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(tidemark.log).toContain("read models can't be written")
    other.close()
    await tidemark.start()
    await until("all are counted", 30_000, async () => (await counted()) === 500)
  })
})
