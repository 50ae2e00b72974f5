import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readRequests, readRevisions } from "../../../src/queries/EventReads.js"
import { checkFilter } from "../../../src/queries/Filter.js"
import { Bench, streamOf, type TestEvent } from "../processors/support.js"

const DAY = 86_400_000
const start = Date.parse("2026-03-01T00:00:00Z")
const run = Effect.runPromise

const COUNT = 22_000
/** One a minute; the clock of every hundredth was ahead by a day, less a second. */
const requests = Array.from({ length: COUNT }, (_, i): TestEvent => {
  const recordedAt = start + i * 60_000
  return {
    ...{ type: i === 5 ? "ClientSeen" : "request", recordedAt },
    at: i % 100 === 0 ? recordedAt + DAY - 1000 : recordedAt,
    data: { merchantId: "m", clientKey: "c", path: i === 7 ? "/seven" : "/" },
  }
})
const stream = streamOf(requests[0] as TestEvent)

let bench: Bench
beforeAll(async () => {
  bench = await new Bench().open()
  await bench.append(requests)
})
afterAll(() => bench.close())

const find = (asked: { from?: number; to?: number; before?: number; limit?: number; path?: string }) =>
  run(
    readRequests(bench.log, {
      stream,
      range: { from: asked.from ?? 0, to: asked.to ?? start + 1_000 * DAY },
      filter: Either.getOrThrow(
        checkFilter({
          all: asked.path === undefined ? [] : [{ dimension: "PATH", in: [asked.path] }],
        }),
      ),
      before: asked.before,
      limit: asked.limit ?? 10,
    }),
  )

describe("requests in a client's stream", () => {
  it("are read backwards from the end, or from before a revision", async () => {
    const first = await find({ limit: 3 })
    expect(first.found.map(({ revision }) => revision)).toEqual([COUNT - 1, COUNT - 2, COUNT - 3])
    const next = await find({ limit: 3, before: COUNT - 3 })
    expect(next.found.map(({ revision }) => revision)).toEqual([COUNT - 4, COUNT - 5, COUNT - 6])
    const last = await find({ limit: 20, before: 8 })
    expect(last.found.map(({ revision }) => revision)).toEqual([7, 6, 4, 3, 2, 1, 0])
    expect(await find({ before: 0 })).toEqual({ found: [], stoppedAt: undefined })
  })

  it("are looked through up to a number, and then it is said where to go on", async () => {
    const first = await find({ path: "/seven" })
    expect(first).toEqual({ found: [], stoppedAt: COUNT - 20_000 })
    const next = await find({ path: "/seven", before: first.stoppedAt as number })
    expect(next.found.map(({ revision }) => revision)).toEqual([7])
    expect(next.stoppedAt).toBeUndefined()
  })

  it("are all found that happened in the range, however far their clocks were ahead, and no further is looked", async () => {
    const from = start + (COUNT - 100) * 60_000
    const { found, stoppedAt } = await find({ from, to: from + DAY / 2, limit: 10_000 })
    const expected = requests.filter(({ at }) => at >= from && at < from + DAY / 2)
    expect(found.map(({ event }) => event.at).toSorted((a, b) => a - b)).toEqual(
      expected.map(({ at }) => at).toSorted((a, b) => a - b),
    )
    expect(stoppedAt).toBeUndefined()
  })
})

describe("events by revision", () => {
  it("are read wherever they are, and those that are not there are left out", async () => {
    const revisions = [COUNT - 1, 3, 4, 900, 7, 903, COUNT + 5]
    const found = await run(readRevisions(bench.log, stream, revisions))
    for (const revision of revisions.slice(0, -1)) {
      expect(found.get(revision)?.event.at).toBe(requests[revision]?.at)
    }
    expect(found.has(COUNT + 5)).toBe(false)
    expect(await run(readRevisions(bench.log, stream, []))).toEqual(new Map())
  })
})
