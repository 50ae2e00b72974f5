// What the client and the server do that nobody would expect: each has a test here. The list is in
// docs/decisions/0015-eventstoredb.md.
import { execFileSync, spawn } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { EventStoreDBClient } from "@eventstore/db-client"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { NewEvent } from "../../src/domain/Event.js"
import { compare, type Position } from "../../src/domain/Position.js"
import {
  type AppendOutcome,
  type EventLogService,
  type LogError,
  NO_STREAM,
} from "../../src/eventlog/EventLog.js"
import { faultOf } from "../../src/eventlog/eventstoredb/Connection.js"
import { openEventStoreLog } from "../../src/eventlog/eventstoredb/EventStoreLog.js"
import { collect, newEvent } from "../contract/EventLogContract.js"
import { EventStoreServer } from "../support/eventstoredb/EventStoreServer.js"
import { following } from "../support/eventstoredb/following.js"
import { type OpenLog, openLog } from "../support/eventstoredb/openLog.js"
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

const events = (count: number, text = "x"): Array<NewEvent> =>
  Array.from({ length: count }, () => newEvent(text))
const ids = (list: ReadonlyArray<{ readonly eventId: string }>) => list.map(({ eventId }) => eventId)
const append = async (
  log: EventLogService,
  stream: string,
  expectedRevision: number,
  list: ReadonlyArray<NewEvent>,
) => (await Effect.runPromise(log.append([{ stream, expectedRevision, events: list }])))[0] as AppendOutcome
const stored = (stream: string) => collect(opened.log.readStream(stream, { direction: "forwards" }))

describe("EventStoreDB and its client", () => {
  it("hundreds of reads and subscriptions that are given up leave nothing open", {
    timeout: 60_000,
  }, async () => {
    const stream = unique()
    await append(opened.log, stream, NO_STREAM, events(300))
    const first = (reading: Stream.Stream<unknown, unknown>) => Effect.runPromise(Stream.runHead(reading))
    for (let round = 0; round < 80; round++) {
      await first(opened.log.readStream(stream, { direction: "forwards" }))
      await first(opened.log.readAll({ direction: "forwards" }))
      await first(opened.log.subscribe({ after: "0" as Position }))
    }
    await until("all are given back", 10_000, async () => (await server.counts()).openReads === 0)
    expect(await stored(stream)).toHaveLength(300)
  })

  it("more readers at once than a connection has calls are all served", { timeout: 60_000 }, async () => {
    const begin = await Effect.runPromise(opened.log.head)
    const followers = Array.from({ length: 150 }, () => following(opened.log, begin))
    const stream = unique()
    await append(opened.log, stream, NO_STREAM, events(3))
    await until("all have them", 40_000, () => followers.every(({ seen }) => seen.length === 3))
    await Promise.all(followers.map((follower) => follower.stop()))
    await until("all are given back", 10_000, async () => (await server.counts()).openReads === 0)
  })

  it("an append of more than 1 MiB is stored whole, and answers the same when repeated", async () => {
    const stream = unique()
    const list = events(40, "y".repeat(60_000))
    const outcome = await append(opened.log, stream, NO_STREAM, list)
    expect(outcome).toMatchObject({ _tag: "Appended", revision: 39 })
    expect(await append(opened.log, stream, NO_STREAM, list)).toEqual(outcome)
    expect(ids(await stored(stream))).toEqual(ids(list))
    const torn = unique()
    await append(opened.log, torn, NO_STREAM, list.slice(0, 16))
    expect(await append(opened.log, torn, NO_STREAM, list)).toMatchObject({ _tag: "Appended", revision: 39 })
    expect(await append(opened.log, torn, 7, events(40, "z".repeat(60_000)))).toEqual({
      _tag: "WrongExpectedRevision",
      stream: torn,
      actual: 39,
    })
    expect(await stored(torn)).toHaveLength(40)
  })

  it("an event that fits no call is refused, and names itself", async () => {
    const [big] = events(1, "y".repeat(1_100_000))
    const result = await Effect.runPromise(
      Effect.either(
        opened.log.append([{ stream: unique(), expectedRevision: NO_STREAM, events: [big as NewEvent] }]),
      ),
    )
    expect(Either.isLeft(result) && result.left).toMatchObject({ refused: true })
    expect(Either.isLeft(result) && result.left.message).toContain((big as NewEvent).eventId)
  })

  it("the same id at the next revision is stored again: telling them apart is the actors' work", async () => {
    const stream = unique()
    const list = events(1)
    expect(await append(opened.log, stream, NO_STREAM, list)).toMatchObject({ revision: 0 })
    expect(await append(opened.log, stream, 0, list)).toMatchObject({ revision: 1 })
    expect(await stored(stream)).toHaveLength(2)
  })

  it("another revision than expected is said, whatever the connection says of failures", async () => {
    const other = await openLog({ connection: `${server.connection}&throwOnAppendFailure=false` })
    const stream = unique()
    await append(other.log, stream, NO_STREAM, events(3))
    expect(await append(other.log, stream, NO_STREAM, events(1))).toEqual({
      _tag: "WrongExpectedRevision",
      stream,
      actual: 2,
    })
    await other.close()
  })

  it("closing one log in a process leaves the appends of another alone", async () => {
    const others = await Promise.all([1, 2, 3].map(() => openLog({ connection: server.connection })))
    const stream = unique()
    await server.delay(100)
    let revision = NO_STREAM
    for (const other of others) {
      await append(other.log, unique(), NO_STREAM, events(1))
      const before = (await server.counts()).appends
      const pending = append(opened.log, stream, revision, events(1))
      await other.close()
      expect(await pending).toMatchObject({ _tag: "Appended", revision: ++revision })
      // Sent once: nothing broke it.
      expect((await server.counts()).appends - before).toBe(1)
    }
    await server.delay(0)
  })

  it("the process ends once the log is closed", { timeout: 30_000 }, async () => {
    const program = fileURLToPath(new URL("../support/eventstoredb/appendAndEnd.mjs", import.meta.url))
    const child = spawn(process.execPath, [program, server.connection], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    let output = ""
    child.stdout.on("data", (text: Buffer) => (output += text.toString()))
    expect(await new Promise((resolve) => child.on("exit", resolve))).toBe(0)
    expect(output).toContain("Appended")
  })

  it("a deleted stream is empty, and its next event continues the revisions", async () => {
    const stream = unique()
    await append(opened.log, stream, NO_STREAM, events(3))
    const client = EventStoreDBClient.connectionString(server.connection)
    await client.deleteStream(stream)
    await client.dispose()
    expect(await stored(stream)).toEqual([])
    const list = events(1)
    const outcome = await append(opened.log, stream, NO_STREAM, list)
    expect(outcome).toMatchObject({ _tag: "Appended", revision: 3 })
    expect((await stored(stream)).map(({ revision, eventId }) => [revision, eventId])).toEqual([
      [3, list[0]?.eventId],
    ])
  })

  it("a subscriber may begin behind any position, whether an event of its own lies there or not", async () => {
    const begin = await Effect.runPromise(opened.log.head)
    const [mine, other] = [unique(), unique()]
    const wanted: Array<string> = []
    for (let revision = NO_STREAM; revision < 20; revision++) {
      await append(opened.log, other, revision, events(1))
      const [event] = events(1)
      await append(opened.log, mine, revision, [event as NewEvent])
      wanted.push((event as NewEvent).eventId)
    }
    const client = EventStoreDBClient.connectionString(server.connection)
    const places: Array<Position> = []
    const reading = client.readAll({ fromPosition: { commit: BigInt(begin), prepare: BigInt(begin) } })
    for await (const { event } of reading) {
      const position = String(event?.position?.commit) as Position
      places.push(position, String(BigInt(position) + 1n) as Position)
    }
    await client.dispose()
    const mineBeyond = async (place: Position) =>
      (await stored(mine))
        .filter(({ position }) => compare(position, place) > 0)
        .map(({ eventId }) => eventId)
    for (const place of places.filter((_, index) => index % 5 === 0)) {
      const expected = await mineBeyond(place)
      const follower = following(opened.log, place, [mine])
      await until(`all behind ${place}`, 10_000, () => follower.seen.length >= expected.length)
      expect(ids(follower.seen)).toEqual(expected)
      await follower.stop()
    }
  })

  it("is never told of a position beyond the head, though the server's own events lie there", async () => {
    const begin = await Effect.runPromise(opened.log.head)
    const stream = unique()
    const batches: Array<{ upTo: Position; head: Position }> = []
    const following = Effect.runPromise(
      opened.log.subscribe({ after: begin, prefixes: ["nobody-"] }).pipe(
        Stream.mapEffect(({ upTo }) => Effect.map(opened.log.head, (head) => batches.push({ upTo, head }))),
        Stream.take(3),
        Stream.runDrain,
      ),
    )
    let done = false
    void following.then(() => (done = true))
    for (let revision = NO_STREAM; !done; revision += 40) {
      await append(opened.log, stream, revision, events(40))
      await until("moved on", 10_000, () => done || batches.length > (revision + 1) / 400)
    }
    await following
    for (const { upTo, head } of batches) expect(compare(upTo, head)).toBeLessThanOrEqual(0)
  })

  it("a checkpoint where the next event will lie hides that event from nobody", async () => {
    const place = temporaryDirectory()
    const other = new EventStoreServer(place.path, { checkpointAtEnd: true })
    await other.start()
    const { log, close } = await openLog({ connection: other.connection })
    const first = (await append(log, "a-1.x", NO_STREAM, events(1))) as { readonly position: Position }
    const subscribers = [following(log, "0" as Position), following(log, first.position, ["b-"])]
    // They have caught up, and were told so.
    await new Promise((resolve) => setTimeout(resolve, 700))
    for (let i = 0; i < 3; i++) await append(log, "b-1.x", i - 1, events(1))
    await until("all of them have come", 5_000, () => subscribers.every(({ seen }) => seen.length >= 3))
    expect(subscribers.map(({ seen }) => seen.map(({ stream }) => stream))).toEqual([
      ["a-1.x", "b-1.x", "b-1.x", "b-1.x"],
      ["b-1.x", "b-1.x", "b-1.x"],
    ])
    for (const one of subscribers) await one.stop()
    await close()
    await other.stop()
    place.remove()
  })

  it("a server that no longer runs gives an error that says so, and reads come to an end", {
    timeout: 60_000,
  }, async () => {
    const gone = temporaryDirectory()
    const other = new EventStoreServer(gone.path)
    await other.start()
    const log = await openLog({ connection: other.connection, deadlineMs: 1_000 })
    await other.kill()
    const gives = (work: Effect.Effect<unknown, LogError>) => Effect.runPromise(Effect.either(work))
    const results = await Promise.all([
      gives(log.log.append([{ stream: "s.x", expectedRevision: NO_STREAM, events: events(1) }])),
      gives(log.log.head),
      gives(Stream.runCollect(log.log.readAll({ direction: "forwards" }))),
    ])
    for (const result of results) expect(Either.isLeft(result) && result.left._tag).toBe("LogUnavailable")
    await log.close()
    gone.remove()
  })

  it("a subscriber that the server drops for being slow misses nothing", { timeout: 60_000 }, async () => {
    const small = temporaryDirectory()
    const other = new EventStoreServer(small.path, { liveBuffer: 32 })
    await other.start()
    const log = await openLog({ connection: other.connection })
    const follower = following(log.log, "0" as Position)
    const list = events(4_000)
    for (let at = 0; at < list.length; at += 400)
      await append(log.log, "s.x", at - 1, list.slice(at, at + 400))
    await until("all have come", 30_000, () => follower.seen.length === list.length)
    expect(ids(follower.seen)).toEqual(ids(list))
    await follower.stop()
    await log.close()
    await other.stop()
    small.remove()
  })
})

describe("the connection to EventStoreDB", () => {
  const makeCertificate = (path: string) => {
    const [cert, key] = [join(path, "server.crt"), join(path, "server.key")]
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert],
        ...subject,
      ],
      { stdio: "ignore" },
    )
    return { cert, key }
  }

  it("is encrypted, and brings the user and the password that its text has", {
    timeout: 60_000,
  }, async () => {
    const secure = temporaryDirectory()
    const other = new EventStoreServer(secure.path, {
      tls: makeCertificate(secure.path),
      user: "admin:changeit",
    })
    await other.start()
    const log = await openLog({ connection: other.connection })
    expect(await append(log.log, "s.x", NO_STREAM, events(2))).toMatchObject({
      _tag: "Appended",
      revision: 1,
    })
    expect(await collect(log.log.readAll({ direction: "forwards" }))).toHaveLength(2)
    await log.close()
    const wrong = other.connection.replace("changeit", "guessed")
    const refused = await Effect.runPromise(
      Effect.either(Effect.scoped(openEventStoreLog({ connection: wrong }))),
    )
    expect(Either.isLeft(refused) && refused.left.message).toContain("denies access")
    await other.stop()
    secure.remove()
  })

  it("finds its server through the members of a cluster", async () => {
    const log = await openLog({ connection: server.connection.replace("esdb://", "esdb+discover://") })
    expect(await append(log.log, unique(), NO_STREAM, events(1))).toMatchObject({ _tag: "Appended" })
    await log.close()
  })

  it("says what is wrong with a text, and keeps the password to itself", () => {
    for (const text of [
      "http://127.0.0.1",
      "esdb://user:geheim@host:port",
      "esdb://user:geheim@host?tls=maybe",
    ]) {
      const fault = faultOf(text)
      expect(fault?._tag).toBe("MalformedConnection")
      expect(fault?.message).toContain("esdb://user:password@host:2113")
      expect(fault?.message).not.toContain("geheim")
    }
    expect(faultOf("esdb://user:geheim@host:2113?tls=false")).toBeUndefined()
  })
})
