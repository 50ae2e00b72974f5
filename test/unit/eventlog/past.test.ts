import { join } from "node:path"
import { DatabaseSync } from "@photostructure/sqlite"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { NewEvent, RecordedEvent } from "../../../src/domain/Event.js"
import { partitionOfStream } from "../../../src/domain/Partition.js"
import { compare, start } from "../../../src/domain/Position.js"
import { NO_STREAM, type PastOptions } from "../../../src/eventlog/EventLog.js"
import { rounds } from "../../support/rounds.js"
import { seededRandom } from "../../support/Seed.js"
import { Bench, run } from "../processors/support.js"

const { random } = seededRandom("past of the log")
const long = Date.parse("2026-03-01T00:00:00Z")

let bench: Bench
beforeEach(async () => {
  bench = await new Bench().open()
})
afterEach(() => bench.close())

/** Characters of one to four bytes, and those that could be taken for the end of a part. */
const odd = ["a", "é", "漢", "😀", "\n", "\r", "\u2028", "\ufeff", "\ufffd", '"', "\\", "{", "x".repeat(60)]
const word = (most: number): string =>
  Array.from({ length: random.integer(most + 1) }, () => random.pick(odd)).join("")

const eventOf = (i: number, path: string): NewEvent =>
  ({
    eventId: `${i}${word(3)}`,
    event: {
      ...{ v: 1, type: "pageview", at: long + i },
      data: { id: `${word(2)}\ud800\0`, merchantId: "m", path },
    },
    metadata: { recordedAt: long + i, source: "api", key: word(3) },
  }) as NewEvent

/** Made events of these streams, in the order of the log. */
const fill = async (count: number, streams: ReadonlyArray<string>, path: () => string) => {
  const revisions = new Map<string, number>()
  const appends = Array.from({ length: count }, (_, i) => {
    const stream = random.pick(streams)
    const expectedRevision = revisions.get(stream) ?? NO_STREAM
    revisions.set(stream, expectedRevision + 1)
    return { stream, expectedRevision, events: [eventOf(i, path())] }
  })
  for (const outcome of await run(bench.log.append(appends))) expect(outcome._tag).toBe("Appended")
}

const readAll = (): Promise<ReadonlyArray<RecordedEvent>> =>
  run(
    Stream.runFold(
      bench.log.readAll({ direction: "forwards" }),
      [] as ReadonlyArray<RecordedEvent>,
      (all, some) => [...all, ...some],
    ),
  )

const readPast = async (options: Partial<PastOptions> = {}) => {
  const { past } = bench.log
  if (past === undefined) throw new Error("the embedded log has a past")
  const all: Array<RecordedEvent> = []
  let upTo = start
  const stretches = past({ after: start, most: { events: 2_500, bytes: 1e9 }, ...options })
  await run(
    Stream.runForEach(stretches, (stretch) =>
      Effect.sync(() => {
        for (const { partition, events } of stretch.partitions) {
          for (const event of events) {
            expect(partitionOfStream(event.stream)).toBe(partition)
            all.push(event)
          }
        }
        upTo = stretch.upTo
      }),
    ),
  )
  return { all: all.sort((a, b) => compare(a.position, b.position)), upTo }
}

describe("what was recorded long ago", () => {
  it("is read as all is, whatever its texts are made of", async () => {
    for (let round = 0; round < rounds(1, 20); round++) {
      await bench.close()
      bench = await new Bench().open()
      const named = Array.from(
        { length: 40 },
        (_, i) => `merchant-${String(random.integer(256)).padStart(3, "0")}.${i}${word(2)}`,
      )
      // None of these has a partition.
      const foreign = ["somebody-else", "client-12", "client-5", "merchant-", "merchant-999.x", "other\nx"]
      const large = ["a", "漢", "😀"].map((one) => one.repeat(400_000))
      await fill(6_000, [...named, ...foreign], () =>
        random.integer(1_500) === 0 ? random.pick(large) : word(9),
      )
      const all = (await readAll()).filter(({ stream }) => partitionOfStream(stream) !== undefined)
      const partitions = new Set(
        Array.from({ length: 256 }, (_, i) => i).filter(() => random.integer(3) === 0),
      )
      for (const options of [
        {},
        { partitions },
        { most: { events: 100_000, bytes: 1e9 } },
        { most: { events: 300, bytes: 1e9 } },
      ]) {
        const { all: past, upTo } = await readPast(options)
        const wanted = all.filter(
          ({ position, stream }) =>
            compare(position, upTo) <= 0 &&
            (!("partitions" in options) || partitions.has(partitionOfStream(stream) as number)),
        )
        expect(wanted.length).toBeGreaterThan(500)
        expect(past).toEqual(wanted)
      }
    }
  })

  it.each([
    ...["event", "metadata", "id"].flatMap((column) => [
      `UPDATE events SET ${column} = CAST(${column} AS BLOB) WHERE sequence = 1500`,
      `UPDATE events SET ${column} = ${column} || ' ' WHERE sequence = 1500`,
      `UPDATE events SET ${column} = 5 WHERE sequence = 1500`,
    ]),
    "UPDATE events SET event = substr(event, 2), id = id || '{' WHERE sequence = 1500",
    "UPDATE events SET revision = CAST(revision AS BLOB) WHERE sequence = 1500",
    "UPDATE events SET revision = revision + 1000 WHERE sequence = 1500",
    "UPDATE events SET checksum = checksum + 1 WHERE sequence = 1500",
    "UPDATE events SET checksum = -checksum WHERE sequence = 1500",
    "UPDATE events SET checksum = checksum + 0.5 WHERE sequence = 1500",
    "UPDATE events SET event = CAST(CAST(event AS BLOB) || x'ff' AS TEXT) WHERE sequence = 1500",
    "UPDATE events SET revision = -1 WHERE sequence = 1500",
    "UPDATE events SET stream = 1000 WHERE sequence = 1500",
    "UPDATE streams SET name = CAST(name AS BLOB) WHERE id = 3",
    "DELETE FROM streams WHERE id = 3",
    "DELETE FROM events WHERE sequence = 1500",
  ])("is left to who reads in order where it is damaged: %s", async (damage) => {
    await fill(2_500, ["merchant-001.a", "merchant-002.b", "client-003.c"], () => word(5))
    expect((await readPast()).all).toHaveLength(2_500)
    const database = new DatabaseSync(join(bench.directory, "events.db"), { timeout: 5_000 })
    database.exec(damage)
    database.close()
    // The names of streams are read once.
    await bench.reopen()
    await expect(readAll()).rejects.toThrow(/damaged/)
    expect((await readPast()).all).toEqual([])
  })
})
