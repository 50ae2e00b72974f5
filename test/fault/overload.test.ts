import { readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readWholeLog } from "../support/readWholeLog.js"
import { rounds, soaking } from "../support/rounds.js"
import { seededRandom } from "../support/Seed.js"
import { randomEvent, Sender } from "../support/Sender.js"
import { ADMIN_KEY, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"

const CONNECTIONS = 1_000
const SECONDS = rounds(12, 120)
const BATCH = 100
/** A commit takes 1 to 2 ms here: with this added the log takes a tenth of what it took. */
const SLOWDOWN_MS = 20

/**
 * Each of the four threads gets a heap far smaller than what presses: a queue without a bound would end the
 * process. Left to itself the garbage collector lets heaps grow with the machine, not with what is held.
 */
const HEAP_MIB = 256
const BOUND_MIB = 1_024

const directory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path, {
  TIDEMARK_FAULT_LOG_SLOWDOWN_MS: String(SLOWDOWN_MS),
  NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}`,
})

const residentMiB = (): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${tidemark.pid}/status`, "utf8"))?.[1]) / 1024

beforeAll(() => tidemark.start())
afterAll(async () => {
  await tidemark.stop()
  directory.remove()
})

describe("overload is said, not hidden", () => {
  it(`${CONNECTIONS} connections on a log slowed to a tenth: 202, 429 or 503, and bounded memory`, {
    timeout: (SECONDS + 120) * 1_000,
  }, async () => {
    const { random } = seededRandom("overload")
    const sender = new Sender(() => tidemark.url, ADMIN_KEY, CONNECTIONS)
    const statuses = new Map<number, number>()
    const acknowledged: Array<string> = []
    const memory: Array<number> = []
    const now = Date.now()
    const until = performance.now() + SECONDS * 1_000
    const watching = setInterval(() => memory.push(residentMiB()), 200)
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async (_, connection) => {
        for (let made = 0; performance.now() < until; made++) {
          const batch = Array.from({ length: BATCH }, (_, index) =>
            randomEvent(random, `o-${connection}-${made}-${index}`, now),
          )
          const outcome = await sender.send(batch)
          const status = outcome?.status ?? 0
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
          if (status === 202) for (const { id } of batch) acknowledged.push(id)
        }
      }),
    )
    clearInterval(watching)
    sender.close()
    const half = Math.floor(memory.length / 2)
    const early = Math.max(...memory.slice(0, half))
    const late = Math.max(...memory.slice(half))
    console.log(
      `answers ${JSON.stringify(Object.fromEntries(statuses))}, resident at most ${Math.round(early)} MiB in the ` +
        `first half and ${Math.round(late)} MiB in the second, ${acknowledged.length} events acknowledged`,
    )
    expect([...statuses.keys()].filter((status) => ![202, 429, 503].includes(status))).toEqual([])
    expect(statuses.get(202)).toBeGreaterThan(0)
    expect(late).toBeLessThan(BOUND_MIB)
    if (soaking) expect(late).toBeLessThan(early * 1.25)
    const stored = await readWholeLog(directory.path)
    expect(acknowledged.filter((id) => !stored.sentIds.has(id))).toEqual([])
    expect(stored.twice).toEqual([])
  })

  it("says when to come back", async () => {
    const events = Array.from({ length: 5_000 }, (_, index) => ({
      id: `r-${index}`,
      type: "pageview",
      merchantId: "one",
      url: "/",
    }))
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, round) =>
        tidemark.send(events.map((event) => ({ ...event, id: `${event.id}-${round}` }))),
      ),
    )
    const refused = answers.filter(({ status }) => status !== 202)
    expect(refused.length).toBeGreaterThan(0)
    for (const { status, headers, body } of refused) {
      expect([429, 503]).toContain(status)
      expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1)
      expect(body.error).toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/), retryable: true })
    }
  })
})
