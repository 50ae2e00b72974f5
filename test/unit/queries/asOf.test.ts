import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import type { Filter } from "../../../src/domain/Filter.js"
import { bucketDimensions, intervals, metrics as metricNames } from "../../../src/domain/Metrics.js"
import { defaultSettings, evolveSettings, type MerchantSettings } from "../../../src/domain/Settings.js"
import type { Range } from "../../../src/domain/TimeBuckets.js"
import { metrics } from "../../../src/projections/metrics.js"
import type { MetricQueries, Subject } from "../../../src/queries/MetricQueries.js"
import type { QueryError } from "../../../src/queries/QueryError.js"
import * as EmbeddedReadModels from "../../../src/readmodels/embedded/EmbeddedReadModels.js"
import { ReadModels, type ReadModelsService } from "../../../src/readmodels/ReadModels.js"
import { began, drawHistory, merchantId } from "../../support/drawHistory.js"
import { Folding } from "../../support/folded.js"
import { listLog } from "../../support/listLog.js"
import { rounds, soaking } from "../../support/rounds.js"
import { type Random, seededRandom } from "../../support/Seed.js"
import { recorded, type TestEvent } from "../processors/support.js"

const SECOND = 1_000
const HOUR = 3_600_000
const DAY = 86_400_000

const settingsAt = (events: ReadonlyArray<RecordedEvent>): MerchantSettings => {
  let settings: MerchantSettings | undefined
  for (const { event } of events) settings = evolveSettings(settings, event)
  return settings ?? defaultSettings
}

const filters: ReadonlyArray<Filter | undefined> = [
  undefined,
  undefined,
  { all: [{ dimension: "PATH", in: ["/a", "/b"] }] },
  { all: [{ dimension: "PROPERTY", property: "sku", notIn: ["A"] }] },
]

/** A range that touches what happened up to now: a day, some hours, days, all. */
const drawRange = (random: Random, now: number): Range => {
  const at = began - 2 * DAY + random.integer(now - began + 3 * DAY)
  const day = Math.floor(at / DAY) * DAY
  return random.pick([
    { from: day, to: day + DAY },
    { from: at, to: at + random.integer(5 * HOUR) + 1 },
    { from: at, to: at + random.integer(9 * DAY) + 1 },
    { from: began - 3 * DAY, to: now + DAY },
  ])
}

type Question = readonly [name: string, ask: Ask]
type Ask = (numbers: MetricQueries, subject: Subject) => Effect.Effect<unknown, QueryError>

/** Questions of every kind; what they answer, without how fresh it is. */
const drawQuestions = (
  random: Random,
  now: number,
  count: number,
  rangeOf?: (now: number) => Range,
): ReadonlyArray<Question> =>
  Array.from({ length: count }, (_, i): Question => {
    const range = rangeOf === undefined ? drawRange(random, now) : rangeOf(now)
    const filter = random.pick(filters)
    const metric = random.pick(metricNames)
    switch (i % 3) {
      case 0:
        return [
          `totals ${JSON.stringify({ range, filter })}`,
          (numbers, subject) =>
            Effect.map(numbers.totals(subject, { range, filter }), ({ values, range }) => ({
              values,
              range,
            })),
        ]
      case 1: {
        const interval = random.pick(rangeOf === undefined ? intervals : intervals.slice(0, 4))
        const short = { from: Math.max(range.from, range.to - 2 * DAY), to: range.to }
        const asked = { metric, interval, range: interval === "MINUTE" ? short : range, filter }
        return [
          `series ${JSON.stringify(asked)}`,
          (numbers, subject) =>
            Effect.map(numbers.series(subject, asked), ({ points, range }) => ({
              points: points.map(({ at, value }) => [at, value]),
              range,
            })),
        ]
      }
      default: {
        const by = random.pick([...bucketDimensions, "PROPERTY" as const])
        const property = by === "PROPERTY" ? { property: "sku" } : {}
        const asked = { metric, by, range, filter, first: 1_000, ...property }
        return [
          `breakdown ${JSON.stringify(asked)}`,
          (numbers, subject) =>
            Effect.map(numbers.breakdown(subject, asked), ({ rows, range }) => ({ rows, range })),
        ]
      }
    }
  })

/** The answer, or by what name it was refused. */
const answerOf = async (effect: Effect.Effect<unknown, QueryError>): Promise<unknown> => {
  const result = await Effect.runPromise(Effect.either(effect))
  if (Either.isRight(result)) return result.right
  return result.left._tag === "QueryRefused" ? result.left.code : result.left._tag
}

const COMMIT = 50_000
const TURN = 2_000
/** The runner of the tests wants to hear something now and then. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

type Drawing = (random: Random, now: number) => ReadonlyArray<Question>

const drawing =
  (count: number): Drawing =>
  (random, now) =>
    drawQuestions(random, now, count)

/** Stores on disk, for more than memory should hold. */
const withStores = async (
  count: number,
  use: (stores: ReadonlyArray<ReadModelsService>) => Promise<void>,
): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-as-of-"))
  const open = Effect.forEach(Array.from({ length: count }).keys(), (i) => {
    const layer = EmbeddedReadModels.layer({ directory: join(directory, String(i)) })
    return Effect.flatMap(Layer.build(layer), (context) => Effect.provide(ReadModels, context))
  })
  const used = Effect.flatMap(open, (stores) => Effect.promise(() => use(stores)))
  await Effect.runPromise(Effect.scoped(used))
  rmSync(directory, { recursive: true, force: true })
}

/** Folds the log to each of these places, and asks there, and of the whole about the position. */
const expectSame = async (
  random: Random,
  events: ReadonlyArray<RecordedEvent>,
  places: ReadonlyArray<number>,
  draw: Drawing,
  took: (ms: number) => void = () => {},
  stores: ReadonlyArray<ReadModelsService> = [],
) => {
  const batch = events.length > 100_000 ? COMMIT : random.pick([7, 100, 1_000])
  const whole = await Folding.of(metrics, stores[0])
  for (const [i, event] of events.entries()) {
    whole.take(event)
    if (i % batch === 0) await whole.commit()
    if (i % TURN === 0) await turn()
  }
  await whole.commit()
  const { numbers } = whole.queries(listLog(events))
  const until = await Folding.of(metrics, stores[1])
  let folded = 0
  for (const place of [...places].sort((a, b) => a - b)) {
    for (; folded < place; folded++) {
      until.take(events[folded] as RecordedEvent)
      if (folded % COMMIT === 0) await until.commit()
      if (folded % TURN === 0) await turn()
    }
    await until.commit()
    const before = events.slice(0, place)
    const last = before.at(-1) as RecordedEvent
    const { timezone, currency } = settingsAt(before)
    const subject = { id: merchantId, timezone, currency }
    for (const [name, ask] of draw(random, last.metadata.recordedAt)) {
      const expected = await answerOf(ask(until.queries().numbers, subject))
      const asked = performance.now()
      const answered = await answerOf(ask(numbers, { ...subject, upTo: last.position }))
      took(performance.now() - asked)
      // The past may read more events than a filter may now.
      if (expected === "TOO_COSTLY") continue
      expect(answered, `${name} at ${last.position} of ${events.length} in ${timezone}`).toEqual(expected)
    }
  }
}

const placesIn = (random: Random, events: ReadonlyArray<RecordedEvent>, count: number) =>
  Array.from({ length: count }, () => 1 + random.integer(events.length))

/** More values of a dimension on one day than are counted apart. */
const crowded = (random: Random, count: number): ReadonlyArray<TestEvent> =>
  Array.from({ length: count }, (_, i) => {
    const at = began + i * SECOND
    const path = `/${random.integer(3) === 0 ? random.integer(count) : i}`
    const clientKey = `client-${random.integer(count)}`
    return { type: "pageview", at, recordedAt: at, data: { id: String(i), merchantId, clientKey, path } }
  })

describe("an answer as of a position equals a fold of the log up to there", () => {
  const { random } = seededRandom("as of")

  it("on quiet days, over months", async () => {
    const events = recorded(drawHistory(random, 800, 20, 120))
    await expectSame(random, events, placesIn(random, events, rounds(5, 20)), drawing(rounds(24, 150)))
  })

  it("on busy days", async () => {
    const events = recorded(drawHistory(random, 4_000, 150, 4))
    await expectSame(random, events, placesIn(random, events, rounds(4, 20)), drawing(rounds(24, 150)))
  })

  it("with more visitors than are told apart", async () => {
    const events = recorded(drawHistory(random, 6_000, 4_000, 2))
    await expectSame(random, events, placesIn(random, events, rounds(3, 20)), drawing(rounds(18, 100)))
  })

  it("with more values on a day than are counted apart", async () => {
    const events = recorded(crowded(random, 14_000))
    const range = { from: began, to: began + DAY }
    const questions = (["EVENTS", "VISITORS", "SESSIONS"] as const).map(
      (metric): Question => [
        `${metric} by PATH`,
        (numbers, subject) =>
          Effect.map(
            numbers.breakdown(subject, { metric, by: "PATH", range, first: 1_000 }),
            ({ rows }) => rows,
          ),
      ],
    )
    await expectSame(random, events, [9_000, 11_500 + random.integer(1_000), 13_500], () => questions)
  })
})

describe.runIf(soaking)("of a merchant with a million events", () => {
  const { random } = seededRandom("as of, a million events")

  it("an answer as of any of 20 positions equals a fold up to there, and a day takes up to 2 seconds", async () => {
    const events = recorded(drawHistory(random, 1_000_000, 60_000, 10))
    const places = placesIn(random, events, 20)
    const times: Array<number> = []
    const day = (now: number): Range => {
      const from = Math.floor((began + random.integer(now - began + 1)) / DAY) * DAY
      return { from, to: from + DAY }
    }
    await withStores(2, (stores) =>
      expectSame(
        random,
        events,
        places,
        (random, now) => drawQuestions(random, now, 12, day),
        (ms) => times.push(ms),
        stores,
      ),
    )
    times.sort((a, b) => a - b)
    const [median, worst] = [times[times.length >> 1], times.at(-1)].map((ms) => Math.round(ms ?? 0))
    console.log(
      `as of a position, one day of ${events.length / 10} events: median ${median} ms, worst ${worst} ms`,
    )
    expect(median).toBeLessThan(2_000)
  }, 3_600_000)
})
