import * as Effect from "effect/Effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { start as beginning } from "../../../src/domain/Position.js"
import type { Command } from "../../../src/processors/Commands.js"
import { type Action, type AnyReactor, anyReactor, foldOf, OUTBOX } from "../../../src/processors/Reactor.js"
import { until } from "../../support/until.js"
import { documents } from "../projections/support.js"
import { Bench, recorded, run, type TestEvent } from "./support.js"

interface Greeting {
  readonly greet: string
  readonly visits: number
  readonly by: number
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
  const greeter = (version: number): AnyReactor =>
    anyReactor<Greeting, string>({
      name: "greeter",
      version,
      collections: ["visits"],
      decide: (event, docs) => {
        const { merchantId } = event.event.data
        const seen = docs.edit<{ n: number }>("visits", merchantId, () => ({ n: 0 }))
        seen.n++
        return [{ greet: merchantId, visits: seen.n, by: version }]
      },
      act: (action) =>
        fails
          ? Effect.fail("no one answers")
          : Effect.sync(() => {
              acted.push(action)
            }),
    })

  const start = async (...versions: ReadonlyArray<number>) => {
    await bench.start([], { lookEveryMs: 20, graceMs: 0 }, "live", versions.map(greeter))
    await bench.caughtUp(await run(bench.log.head))
  }
  const send = async (...merchants: ReadonlyArray<string>) => {
    const position = await bench.append(merchants.map(visit))
    await bench.caughtUp(position)
    return position
  }
  const waiting = async (build: string) => {
    const scan = { collection: OUTBOX, from: "", to: "\uffff" }
    return (await run(bench.readModels.query(build, 0, [scan]))).rows[0]?.length
  }
  const command = (it: Command) => run(bench.processors.command(it, "ann"))
  const rebuild: Command = { _tag: "Rebuild", projection: "greeter", promote: false }
  const promote = (build: string, expectedServing: string): Command => ({
    ...{ _tag: "Promote", projection: "greeter", build, expectedServing, force: false },
  })
  const rollback = (expectedServing: string): Command => ({
    ...{ _tag: "Rollback", projection: "greeter", expectedServing, force: false },
  })
  const untilActed = (count: number) => until(`${count} acts`, 10_000, () => acted.length >= count)
  const untilNothingWaits = (build: string) =>
    until(`nothing waits in ${build}`, 10_000, async () => (await waiting(build)) === 0)
  /** Each event after the first `history` ones was acted on once. */
  const expectEachOnce = (history: number, head: string) => {
    const positions = acted.map(({ position }) => Number(position))
    const expected = Array.from({ length: Number(head) - history }, (_, i) => history + i + 1)
    expect(positions.toSorted((a, b) => a - b)).toEqual(expected)
    expect(new Set(acted.map(({ id }) => id)).size).toBe(acted.length)
  }

  it("that is new to a log acts on nothing that is in it, and once for each new event", async () => {
    await bench.append([visit("a"), visit("b")])
    await start(1)
    await send("a", "c")
    await untilActed(2)
    await untilNothingWaits("greeter-1")
    expect(acted.map(({ what }) => what)).toEqual([
      { greet: "a", visits: 2, by: 1 },
      { greet: "c", visits: 1, by: 1 },
    ])
  })

  it("that is replayed acts zero times at or below the old mark, and once for each new event", async () => {
    await start(1)
    await send(...Array.from({ length: 40 }, (_, i) => `m-${i % 7}`))
    await untilActed(40)
    await command(rebuild)
    // The one that serves acts, while the other catches up.
    await send("m-0", "new")
    await untilActed(42)
    await bench.caughtUp(await run(bench.log.head))
    await command(promote("greeter-2", "greeter-1"))
    await send("m-1", "new")
    await untilActed(44)
    expect(acted.at(-1)?.what).toEqual({ greet: "new", visits: 2, by: 1 })
    await command(rollback("greeter-2"))
    const head = await send("m-2", "new")
    await untilActed(46)
    for (const build of ["greeter-1", "greeter-2"]) await untilNothingWaits(build)
    expectEachOnce(0, head)
  })

  it("whose code has changed acts on from where the former stood, also over restarts in between", async () => {
    await start(1)
    await send("a", "b")
    await untilActed(2)
    await bench.stop()
    // Recorded while nothing runs: nobody has acted on it.
    await bench.append([visit("c")])
    await start(2)
    await bench.stop()
    await start(2)
    await until("the new one serves", 10_000, async () =>
      (await run(bench.readModels.builds)).some(({ id, state }) => id === "greeter-2" && state === "SERVING"),
    )
    const head = await send("a", "d")
    await untilActed(5)
    await untilNothingWaits("greeter-2")
    expect(acted.slice(2).map(({ what }) => what)).toEqual([
      { greet: "c", visits: 1, by: 2 },
      { greet: "a", visits: 2, by: 2 },
      { greet: "d", visits: 1, by: 2 },
    ])
    expectEachOnce(0, head)
  })

  it("tries again what failed, before anything later, under the same id; at a switch nothing gets lost", async () => {
    await start(1)
    fails = true
    await send("a", "b")
    await command(rebuild)
    await bench.caughtUp(await run(bench.log.head))
    await command(promote("greeter-2", "greeter-1"))
    const head = await send("c")
    expect(acted).toEqual([])
    fails = false
    await untilActed(3)
    expect(acted.map(({ id, what }) => [id, what.greet]).toSorted()).toEqual([
      ["greeter 1 0", "a"],
      ["greeter 2 0", "b"],
      ["greeter 3 0", "c"],
    ])
    expectEachOnce(0, head)
  })

  it("whose builds are switched all the time acts once for each event, in the end", {
    timeout: 60_000,
  }, async () => {
    await bench.append([visit("a"), visit("b"), visit("c")])
    await start(1)
    await command(rebuild)
    await bench.caughtUp(await run(bench.log.head))
    let sending = true
    const sender = (async () => {
      while (sending) await bench.append([visit("a"), visit("b")])
    })()
    await command(promote("greeter-2", "greeter-1"))
    for (let i = 0; i < 6; i++) {
      fails = i % 3 === 1
      await command(rollback(i % 2 === 0 ? "greeter-2" : "greeter-1"))
    }
    fails = false
    sending = false
    await sender
    const head = await run(bench.log.head)
    await bench.caughtUp(head)
    for (const build of ["greeter-1", "greeter-2"]) await untilNothingWaits(build)
    expectEachOnce(3, head)
  })
})

describe("the gate of a reactor", () => {
  it("holds what lies at or below it", () => {
    const { docs, texts, commit } = documents()
    const echo = anyReactor<string, never>({
      ...{ name: "echo", version: 1, collections: [] },
      decide: ({ event }) => [event.type],
      act: () => Effect.void,
    })
    const events = recorded(Array.from({ length: 10 }, () => visit("a")))
    const eighth = events[7]?.position ?? beginning
    for (const event of events) foldOf(echo, eighth).apply(event, docs)
    commit()
    const waiting = [...texts]
      .filter(([name]) => name.startsWith(`${OUTBOX}/`))
      .map(([, text]) => JSON.parse(text))
    expect(waiting.map(({ position }) => position)).toEqual(["9", "10"])
  })
})
