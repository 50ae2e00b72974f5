import { Effect } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Position } from "../../../src/domain/Position.js"
import {
  type Action,
  deliver,
  foldOf,
  marksOf,
  marksToBegin,
  type Reactor,
} from "../../../src/processors/Reactor.js"
import { documents } from "../projections/support.js"
import { Bench, recorded, run, type TestEvent } from "./support.js"

interface Greeting {
  readonly greet: string
  readonly visits: number
}

const day = Date.parse("2026-03-01T00:00:00Z")
let made = 0
const visit = (merchantId: string): TestEvent => {
  const at = day + made++
  return { type: "pageview", at, recordedAt: at, data: { merchantId } }
}

describe("a reactor", () => {
  let bench: Bench
  let acted: Array<Action<Greeting>>
  let fails = false
  beforeEach(async () => {
    bench = await new Bench().open()
    acted = []
    fails = false
  })
  afterEach(() => bench.close())

  /** Greets with every visit, and counts visits: its state has to be right although most are history. */
  const greeter = (version: number): Reactor<Greeting, "no one answers"> => ({
    name: "greeter",
    version,
    collections: ["visits"],
    decide: (event, docs) => {
      const { merchantId } = event.event.data
      const seen = docs.edit<{ n: number }>("visits", merchantId, () => ({ n: 0 }))
      seen.n++
      return [{ greet: merchantId, visits: seen.n }]
    },
    act: (action) =>
      fails
        ? Effect.fail("no one answers" as const)
        : Effect.sync(() => {
            acted.push(action)
          }),
  })

  /** Runs this version until it has folded everything. */
  const start = async (version: number, head: Position) => {
    const reactor = greeter(version)
    // The engine that is stopped left its store closed: another looks at what is in it.
    const marks = bench.readModels === undefined ? () => head : await marksBefore(reactor, head)
    await bench.start([foldOf(reactor, marks)])
    await bench.caughtUp(await run(bench.log.head))
    return reactor
  }
  const marksBefore = async (reactor: Reactor<Greeting, string>, head: Position) => {
    await bench.start([])
    const marks = await run(marksToBegin(bench.readModels, reactor, head))
    await bench.stop()
    return marks
  }
  const build = (version: number) => `greeter-${version}`
  const send = async (...merchants: ReadonlyArray<string>) => {
    const position = await bench.append(merchants.map(visit))
    await bench.caughtUp(position)
    return position
  }

  it("that is new to a log acts on nothing that is in it, and once for each new event", async () => {
    const head = await bench.append([visit("a"), visit("b")])
    const reactor = await start(1, head)
    expect(await run(deliver(bench.readModels, build(1), reactor))).toBe(0)
    await send("a", "c")
    expect(await run(deliver(bench.readModels, build(1), reactor))).toBe(2)
    expect(await run(deliver(bench.readModels, build(1), reactor))).toBe(0)
    expect(acted.map(({ what }) => what)).toEqual([
      { greet: "a", visits: 2 },
      { greet: "c", visits: 1 },
    ])
  })

  it("that is replayed acts zero times at or below the old mark, and once for each new event", async () => {
    const first = await start(1, "0" as Position)
    await send(...Array.from({ length: 40 }, (_, i) => `m-${i % 7}`))
    await run(deliver(bench.readModels, build(1), first))
    const before = acted.length
    expect(before).toBe(40)
    await bench.stop()

    const second = await start(2, await run(bench.log.head))
    const marks = await run(marksOf(bench.readModels, build(2)))
    expect(await run(deliver(bench.readModels, build(2), second))).toBe(0)
    expect(acted).toHaveLength(before)
    await send("m-0", "m-1", "new")
    await bench.stop()
    // A restart in between changes nothing.
    await start(2, await run(bench.log.head))
    expect(await run(deliver(bench.readModels, build(2), second))).toBe(3)
    expect(acted.slice(before).map(({ what }) => what)).toEqual([
      { greet: "m-0", visits: 7 },
      { greet: "m-1", visits: 7 },
      { greet: "new", visits: 1 },
    ])
    expect(acted.slice(before).every(({ position }) => Number(position) > Number(marks(0)))).toBe(true)
    expect(new Set(acted.map(({ id }) => id)).size).toBe(acted.length)
  })

  it("leaves to the build before what that one did while it caught up", async () => {
    const reactor = greeter(1)
    await bench.start([foldOf(reactor, () => "0" as Position)])
    const old = await send("a", "b", "c")
    expect(await run(deliver(bench.readModels, build(1), reactor, () => old))).toBe(0)
    await send("d")
    expect(await run(deliver(bench.readModels, build(1), reactor, () => old))).toBe(1)
    expect(acted.map(({ what }) => what.greet)).toEqual(["d"])
  })

  it("tries again what failed, before anything later, under the same id", async () => {
    const reactor = await start(1, "0" as Position)
    fails = true
    await send("a")
    expect(await run(Effect.flip(deliver(bench.readModels, build(1), reactor)))).toBe("no one answers")
    await send("b")
    fails = false
    expect(await run(deliver(bench.readModels, build(1), reactor))).toBe(2)
    expect(acted.map(({ id, what }) => [id, what.greet])).toEqual([
      ["greeter 1 0", "a"],
      ["greeter 2 0", "b"],
    ])
  })
})

describe("the gate of a reactor", () => {
  it("outlasts a restart in the middle of a replay, where nothing else knows the mark any more", () => {
    const { docs, texts, commit } = documents()
    const reactor: Reactor<string> = {
      ...{ name: "echo", version: 1, collections: [] },
      decide: ({ event }) => [event.type],
      act: () => Effect.void,
    }
    const events = recorded(Array.from({ length: 10 }, () => visit("a")))
    const mark = "8" as Position
    for (const event of events.slice(0, 4)) foldOf(reactor, () => mark).apply(event, docs)
    commit()
    for (const event of events.slice(4)) foldOf(reactor, () => "0" as Position).apply(event, docs)
    commit()
    const waiting = [...texts]
      .filter(([name]) => name.startsWith("outbox/"))
      .map(([, text]) => JSON.parse(text))
    expect(waiting.map(({ position }) => position)).toEqual(["9", "10"])
  })
})
