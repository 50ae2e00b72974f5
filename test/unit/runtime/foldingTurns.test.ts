import { describe, expect, it, vi } from "vitest"
import { FoldingTurns } from "../../../src/runtime/FoldingTurns.js"
import { seededRandom } from "../../support/Seed.js"

const { random } = seededRandom("folding turns")

/** Turns of a program whose load is set, by a clock that is turned on by hand. */
const turnsBeside = (beside: number) => {
  let ms = 0
  let load = 0
  const folding = new Set<string>()
  const turns = new FoldingTurns<string>({ beside, utilization: () => load, now: () => ms })
  const ask = (...folders: ReadonlyArray<string>): void => {
    for (const folder of folders) {
      folding.delete(folder)
      turns.ask(folder, () => folding.add(folder))
    }
  }
  return {
    ask,
    leave: (folder: string): void => {
      folding.delete(folder)
      turns.leave(folder)
    },
    /** So much of the time was work since the last look. */
    pass: (time: number, nextLoad: number): void => {
      ms += time
      load = nextLoad
    },
    get folding(): ReadonlyArray<string> {
      return [...folding].toSorted()
    },
  }
}

describe("turns to fold history", () => {
  it("are everybody's while few requests are answered", () => {
    const turns = turnsBeside(1)
    turns.ask("a", "b", "c")
    expect(turns.folding).toEqual(["a", "b", "c"])
    turns.pass(1_000, 0.04)
    turns.ask("b")
    expect(turns.folding).toEqual(["a", "b", "c"])
  })

  it("go round while requests are answered, and leave a core to them", () => {
    const turns = turnsBeside(1)
    turns.ask("a", "b", "c")
    turns.pass(300, 0.3)
    turns.ask("a", "b")
    expect(turns.folding).toEqual(["c"])
    const held: Array<string> = []
    for (let slice = 0; slice < 6; slice++) {
      const [now = "nobody"] = turns.folding
      turns.ask(now)
      held.push(...turns.folding)
    }
    expect(held).toEqual(["a", "b", "c", "a", "b", "c"])
  })

  it("are kept by who asks alone", () => {
    const turns = turnsBeside(1)
    turns.ask("a")
    turns.pass(300, 0.9)
    turns.ask("a")
    expect(turns.folding).toEqual(["a"])
  })

  it("pass on from who leaves, and never to who has left", () => {
    const turns = turnsBeside(1)
    turns.pass(300, 0.9)
    turns.ask("a", "b", "c")
    expect(turns.folding).toEqual(["a"])
    turns.leave("b")
    turns.leave("a")
    expect(turns.folding).toEqual(["c"])
    turns.leave("c")
    expect(turns.folding).toEqual([])
  })

  it("are everybody's again when requests have been few for two seconds", () => {
    const turns = turnsBeside(1)
    turns.pass(300, 0.9)
    turns.ask("a", "b")
    for (let waited = 0; waited < 1_750; waited += 250) {
      turns.pass(250, 0.01)
      turns.ask(...turns.folding)
      expect(turns.folding).toHaveLength(1)
    }
    turns.pass(300, 0.01)
    turns.ask(...turns.folding)
    expect(turns.folding).toEqual(["a", "b"])
  })

  it("come to those who wait when the load is over, also where nobody asks any more", () => {
    vi.useFakeTimers()
    try {
      const turns = turnsBeside(1)
      turns.pass(300, 0.9)
      turns.ask("a", "b", "c")
      expect(turns.folding).toEqual(["a"])
      turns.pass(1_500, 0.9)
      vi.advanceTimersByTime(2_000)
      expect(turns.folding).toEqual(["a"])
      turns.pass(2_000, 0.01)
      vi.advanceTimersByTime(2_000)
      expect(turns.folding).toEqual(["a", "b", "c"])
    } finally {
      vi.useRealTimers()
    }
  })

  it("are as many as there are cores beside the one for requests, and everybody comes to one", () => {
    const folders = ["a", "b", "c", "d", "e", "f", "g"]
    for (let round = 0; round < 200; round++) {
      const beside = 1 + random.integer(4)
      const turns = turnsBeside(beside)
      turns.pass(300, 0.9)
      turns.ask(...folders)
      const had = new Map(folders.map((folder) => [folder, 0]))
      for (let slice = 0; slice < 200; slice++) {
        turns.pass(50 + random.integer(300), 0.9)
        expect(turns.folding).toHaveLength(beside)
        for (const folder of turns.folding) had.set(folder, (had.get(folder) ?? 0) + 1)
        turns.ask(random.pick(turns.folding))
      }
      // Nobody waits for longer than it takes all others to have had a turn.
      expect(Math.min(...had.values())).toBeGreaterThan(5)
    }
  })
})
