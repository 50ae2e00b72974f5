import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import * as Effect from "effect/Effect"
import { afterAll, describe, expect, it } from "vitest"
import { deadLettersOf } from "../../src/processors/DeadLetters.js"
import { readerLayer } from "../../src/readmodels/embedded/EmbeddedReadModels.js"
import { ReadModels } from "../../src/readmodels/ReadModels.js"
import { PlantedProgram } from "../support/PlantedProgram.js"
import { rounds } from "../support/rounds.js"
import { runVerify } from "../support/runVerify.js"
import { seededRandom } from "../support/Seed.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const EVENTS = rounds(16_000, 400_000)
const KILLS = rounds(3, 20)

const program = new PlantedProgram()
const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path, {}, [], program.root)
afterAll(async () => {
  await tidemark.kill()
  directory.remove()
  program.remove()
})

const metrics = async () =>
  (
    await tidemark.graphql(`{ projection(name: "metrics") { serving { position head }
      deadLetters { nodes { merchantId waiting retrying } } } }`)
  ).projection
const untilFolded = () =>
  until("everything is folded", 60_000, async () => {
    const { serving } = await metrics()
    return serving.position === serving.head
  })
const payments = async (id: string) =>
  (
    await tidemark.graphql(`{ merchant(id: "${id}") { totals(range: { from: "2020-01-01T00:00:00Z", to: "2100-01-01T00:00:00Z" }) {
      values { metric value } asOf { stalledAt } } } }`)
  ).merchant.totals

/** How many events wait, as it is stored now. */
const waiting = () =>
  Effect.runPromise(
    Effect.flatMap(ReadModels, (readModels) => deadLettersOf(readModels, "metrics-1")).pipe(
      Effect.provide(readerLayer({ directory: join(directory.path, "readmodels") })),
      Effect.map((letters) => letters.reduce((sum, { held }) => sum + held, 0)),
    ),
  )

describe("a merchant with half of all traffic that waits behind a dead letter", () => {
  it("is folded to the end, whenever the program is killed in the middle of the retry", {
    timeout: 300_000,
  }, async () => {
    const { random } = seededRandom("dead letters")
    program.plant("projections/metrics.js", (text) =>
      text.replace(
        "if (isBusinessType(event.type))",
        'if (event.data.paymentMethod === "bone") throw new Error("no change for bones")\n        $&',
      ),
    )
    await tidemark.start()
    const now = Date.now()
    for (let sent = 0; sent < EVENTS; sent += 2_000) {
      const events = Array.from({ length: 2_000 }, (_, i) => ({
        ...{ id: `e-${sent + i}`, type: "payment", timestamp: now, clientId: `c-${i % 300}` },
        ...{ merchantId: i % 2 === 0 ? "large" : `m-${i % 40}`, amount: 100, currency: "USD" },
        paymentMethod: sent + i === 0 ? "bone" : "card",
      }))
      expect((await tidemark.send(events)).status).toBe(202)
    }
    await untilFolded()
    expect((await metrics()).deadLetters.nodes).toEqual([
      { merchantId: "large", waiting: EVENTS / 2 - 1, retrying: false },
    ])
    expect((await payments("large")).asOf.stalledAt).not.toBeNull()
    await tidemark.stop()

    program.mend("projections/metrics.js")
    await tidemark.start()
    const retry = () =>
      tidemark
        .graphql('mutation { retryDeadLetters(name: "metrics") { userErrors { code } } }')
        // Whoever waits for the answer of a killed program gets none.
        .catch((error: Error) => error)
    const left = [EVENTS / 2]
    for (let kill = 0; kill < KILLS && left.at(-1) !== 0; kill++) {
      if (kill === 0) void retry()
      // What was begun goes on by itself at the next start.
      await until("some of it is folded", 60_000, async () => (await waiting()) < (left.at(-1) ?? 0), 5)
      await delay(random.integer(20))
      await tidemark.kill()
      left.push(await waiting())
      await tidemark.start()
    }
    console.log(`dead letters: ${left.join(", ")} waited, before and after each kill`)
    expect(left[1]).toBeGreaterThan(0)
    expect(left).toEqual(left.toSorted((a, b) => b - a))
    await until("nothing waits", 60_000, async () => (await metrics()).deadLetters.nodes.length === 0)
    const { values, asOf } = await payments("large")
    expect(values).toContainEqual({ metric: "PAYMENTS", value: EVENTS / 2 })
    expect(asOf.stalledAt).toBeNull()
    await tidemark.stop()
    const verified = await runVerify(directory.path)
    expect(verified.output).toContain("All equal.")
    expect(verified.code).toBe(0)
  })
})
