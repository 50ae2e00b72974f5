import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { NewEvent } from "../../src/domain/Event.js"
import { start } from "../../src/domain/Position.js"
import { type AppendOutcome, NO_STREAM } from "../../src/eventlog/EventLog.js"
import { collect, newEvent } from "../contract/EventLogContract.js"
import { EventStoreServer } from "../support/eventstoredb/EventStoreServer.js"
import { following } from "../support/eventstoredb/following.js"
import { type OpenLog, openLog } from "../support/eventstoredb/openLog.js"
import { rounds, soaking } from "../support/rounds.js"
import { seededRandom } from "../support/Seed.js"
import { temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const directory = temporaryDirectory()
const server = new EventStoreServer(directory.path)
let opened: OpenLog
let streams = 0
const unique = () => `s-${++streams}.x`

beforeAll(() => server.start())
afterAll(async () => {
  await server.stop()
  directory.remove()
})
beforeEach(async () => {
  opened = await openLog({ connection: server.connection })
})
afterEach(() => opened.close())

const events = (count: number): Array<NewEvent> =>
  Array.from({ length: count }, (_, index) => newEvent(String(index)))
const ids = (list: ReadonlyArray<{ readonly eventId: string }>) => list.map(({ eventId }) => eventId)
const stored = (stream: string) => collect(opened.log.readStream(stream, { direction: "forwards" }))

const attempt = async (stream: string, expectedRevision: number, list: ReadonlyArray<NewEvent>) => {
  const result = await Effect.runPromise(
    Effect.either(opened.log.append([{ stream, expectedRevision, events: list }])),
  )
  return Either.isRight(result) ? (result.right[0] as AppendOutcome) : result.left
}

/** As an actor does: the same again until the outcome is known. */
const append = async (stream: string, expectedRevision: number, list: ReadonlyArray<NewEvent>) => {
  for (;;) {
    const outcome = await attempt(stream, expectedRevision, list)
    if (outcome._tag !== "LogUnavailable") return outcome
    if (outcome.refused === true) throw outcome
  }
}

describe("EventStoreDB, when its server fails", () => {
  it("an append is stored once though the reply was lost", async () => {
    for (const how of ["die", "silent"] as const) {
      const stream = unique()
      const [first, second] = [events(3), events(2)]
      await server.loseReplies(1, how)
      expect(await attempt(stream, NO_STREAM, first)).toMatchObject({ _tag: "Appended", revision: 2 })
      expect(await attempt(stream, 2, second)).toMatchObject({ _tag: "Appended", revision: 4 })
      expect(ids(await stored(stream))).toEqual(ids([...first, ...second]))
    }
  })

  it("several appends to one stream keep their order though the replies of some were lost", async () => {
    const stream = unique()
    const lists = [events(1), events(2), events(3)]
    await server.loseReplies(2, "die")
    const outcomes = await Effect.runPromise(
      opened.log.append([
        { stream, expectedRevision: NO_STREAM, events: lists[0]! },
        { stream, expectedRevision: 0, events: lists[1]! },
        { stream, expectedRevision: 2, events: lists[2]! },
      ]),
    )
    expect(outcomes.map((one) => one._tag === "Appended" && one.revision)).toEqual([0, 2, 5])
    expect(ids(await stored(stream))).toEqual(ids(lists.flat()))
  })

  it("what breaks the call of the appends in flight loses none of them", async () => {
    const names = Array.from({ length: 50 }, unique)
    const lists = names.map(() => events(2))
    const all = Promise.all(names.map((stream, index) => append(stream, NO_STREAM, lists[index]!)))
    await server.endBatches()
    for (const outcome of await all) expect(outcome).toMatchObject({ _tag: "Appended", revision: 1 })
    for (const [index, stream] of names.entries())
      expect(ids(await stored(stream))).toEqual(ids(lists[index]!))
  })

  it("what was acknowledged survives kill -9 of the server mid-append, and nothing is stored twice", {
    timeout: 300_000,
  }, async () => {
    const { random } = seededRandom("server killed")
    const follower = following(opened.log, await Effect.runPromise(opened.log.head))
    const written = new Map<string, Array<NewEvent>>()
    let going = true
    const writers = Array.from({ length: 8 }, async () => {
      const stream = unique()
      const all: Array<NewEvent> = []
      written.set(stream, all)
      while (going) {
        const list = events(1 + random.integer(20))
        const outcome = await append(stream, all.length - 1, list)
        expect(outcome).toMatchObject({ _tag: "Appended", revision: all.length + list.length - 1 })
        all.push(...list)
      }
    })
    const total = () => [...written.values()].reduce((sum, list) => sum + list.length, 0)
    for (let round = 0; round < rounds(3, 30); round++) {
      const before = total()
      await until("more was written", 30_000, () => total() > before + 200)
      await server.kill()
      await server.start()
    }
    going = false
    await Promise.all(writers)
    for (const [stream, all] of written) expect(ids(await stored(stream))).toEqual(ids(all))
    await until("the subscriber has all", 30_000, () => follower.seen.length >= total())
    expect(new Set(ids(follower.seen)).size).toBe(follower.seen.length)
    expect(follower.seen.length).toBe(total())
    await follower.stop()
  })

  it(`a frozen server makes appends and reads fail within seconds, and everything goes on after it thaws${soaking ? ", 60 s later" : ""}`, {
    timeout: 200_000,
  }, async () => {
    const stream = unique()
    expect(await attempt(stream, NO_STREAM, events(1))).toMatchObject({ _tag: "Appended" })
    const follower = following(opened.log, await Effect.runPromise(opened.log.head))
    const list = events(5)
    server.freeze()
    const frozenAt = performance.now()
    const [outcome, read, head] = await Promise.all([
      attempt(stream, 0, list),
      Effect.runPromise(Effect.either(opened.log.head)),
      collect(opened.log.readStream(stream, { direction: "forwards" })).catch((error: unknown) => error),
    ])
    const took = performance.now() - frozenAt
    expect(outcome).toMatchObject({ _tag: "LogUnavailable" })
    expect(outcome).not.toHaveProperty("refused")
    expect(Either.isLeft(read)).toBe(true)
    expect(head).toBeInstanceOf(Error)
    expect(took).toBeLessThan(8_000)
    const again = append(stream, 0, list)
    await new Promise((resolve) => setTimeout(resolve, soaking ? 60_000 - took : 500))
    server.thaw()
    expect(await again).toMatchObject({ _tag: "Appended", revision: 5 })
    expect(ids(await stored(stream)).slice(1)).toEqual(ids(list))
    await until("the subscriber goes on", 30_000, () => follower.seen.length === 5)
    expect(ids(follower.seen)).toEqual(ids(list))
    await follower.stop()
  })

  it.each(["error", "end", "hang"] as const)(
    "a subscriber comes back without a gap or a double after every subscription was ended (%s)",
    { timeout: 120_000 },
    async (how) => {
      const begin = await Effect.runPromise(opened.log.head)
      const [stream, other] = [unique(), `other-${unique()}`]
      const followers = [following(opened.log, begin), following(opened.log, begin, [stream])]
      let revision = NO_STREAM
      const more = async () => {
        expect(await append(stream, revision, events(10))).toMatchObject({ _tag: "Appended" })
        expect(await append(other, revision, events(10))).toMatchObject({ _tag: "Appended" })
        revision += 10
      }
      for (let round = 0; round < rounds(3, 10); round++) {
        await more()
        const target = (round + 1) * 20 - 10
        await until("it listens", 30_000, () => followers[0]!.seen.length > target)
        await server.endSubscriptions(how)
        await more()
        await until("everything has come", 30_000, () => followers[1]!.seen.length === revision + 1)
        await until("everything has come", 30_000, () => followers[0]!.seen.length === 2 * (revision + 1))
        if (round * 20 + 20 !== revision + 1) throw new Error("the test counts wrongly")
      }
      const expected = ids(await stored(stream))
      expect(ids(followers[1]!.seen)).toEqual(expected)
      const all = await collect(opened.log.readAll({ direction: "forwards", from: begin }))
      expect(ids(followers[0]!.seen)).toEqual(ids(all))
      for (const follower of followers) await follower.stop()
    },
  )

  it("a read goes on where it was when the server is restarted", { timeout: 60_000 }, async () => {
    const stream = unique()
    const list = events(5_000)
    for (let at = 0; at < list.length; at += 500) await append(stream, at - 1, list.slice(at, at + 500))
    let restarted: Promise<void> | undefined
    const seen: Array<string> = []
    for await (const some of readSlowly(stream)) {
      seen.push(...some)
      restarted ??= server.kill().then(() => server.start())
    }
    await restarted
    expect(seen).toEqual(ids(list))
  })

  it("a server that is gone is said, and that it is back", { timeout: 60_000 }, async () => {
    await server.kill()
    const outcome = await attempt(unique(), NO_STREAM, events(1))
    expect(outcome).toMatchObject({ _tag: "LogUnavailable" })
    expect(String((outcome as Error).message)).toContain("the event log is not available: EventStoreDB")
    await until("the trouble is known", 20_000, () => opened.trouble() !== undefined)
    await server.start()
    await until("the trouble is over", 20_000, () => opened.trouble() === undefined)
    expect(await append(unique(), NO_STREAM, events(1))).toMatchObject({ _tag: "Appended" })
  })

  it("starts at the beginning, and tells no more than there is", async () => {
    const follower = following(opened.log, start)
    const all = await collect(opened.log.readAll({ direction: "forwards" }))
    await until("caught up", 30_000, () => follower.seen.length === all.length)
    expect(ids(follower.seen)).toEqual(ids(all))
    expect(follower.upTo()).toBe(await Effect.runPromise(opened.log.head))
    await follower.stop()
  })
})

async function* readSlowly(stream: string): AsyncGenerator<ReadonlyArray<string>> {
  const { Stream } = await import("effect")
  for await (const some of Stream.toAsyncIterable(opened.log.readStream(stream, { direction: "forwards" }))) {
    yield ids(some)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
